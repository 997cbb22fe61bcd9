"""How figures of arrays are said: values with their units, ambiguities."""

from __future__ import annotations

import math

from arrayscene.array import MicrophoneArray
from arrayscene.array_aliasing import AUDIBLE
from arrayscene.design.purposes import Purpose, Unit
from arrayscene.report.palette import hertz_in_words
from arrayscene.report.sentences import minus


def value_in_words(value: float, unit: Unit) -> str:
    """7.5 dB, 4.6 kHz, 0.12°, 86 mm, 53 %."""
    if unit == "Hz":
        return hertz_in_words(value) if math.isfinite(value) else f"none below {hertz_in_words(AUDIBLE)}"
    if not math.isfinite(value):
        return "not told"
    if unit == "°":
        return f"{value:.0f}°" if value >= 10 else f"{value:.2g}°"
    if unit == "m":
        return f"{1e3 * value:.0f} mm" if value < 1 else f"{value:.2f} m"
    if unit == "share":
        return f"{100 * value:.0f} %"
    return minus(f"{value:.1f} dB")


def end_in_words(value: float, unit: Unit) -> str:
    """A round value: 3 dB, 50 %."""
    return value_in_words(value, unit).replace(".0 ", " ")


def ambiguity_in_words(array: MicrophoneArray) -> str:
    """The directions that an array of omnidirectional microphones in free field cannot tell apart."""
    if array.ambiguity == "cone":
        return "Cone (all microphones on a line)"
    if array.ambiguity == "mirror":
        return "Mirror (all microphones in a plane)"
    return "None (microphones in three dimensions)"


def alike_in_words(array: MicrophoneArray, purpose: Purpose) -> str:
    """What that means for a purpose."""
    if purpose.looks == "azimuths":
        return "an azimuth and its mirror image sound the same; put it at a wall or a screen, with all talkers on one side"
    if array.ambiguity == "cone":
        return "only the angle to the line is told; add a microphone off the line"
    return "a direction and its mirror image in the plane sound the same; add a microphone off the plane"
