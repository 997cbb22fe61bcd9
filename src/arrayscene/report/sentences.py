"""What the page says in words: the result in a sentence, a direction in words, what to do next."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from arrayscene.report.json_values import degrees
from arrayscene.scene import Scene, Source

_WORDS = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")
_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
_POOR_RESIDUAL_DB = -6.0
_DOUBTFUL = 0.5
_STEP = math.radians(10.0)


def direction(source: Source) -> str:
    """Azimuth and elevation as a person reads them: "30° (front left), 10° up"; or from where to where a source moves."""
    if (way := _way(source)) is not None:
        return way
    azimuth, elevation = degrees(source.azimuth, 0), degrees(source.elevation, 0)
    parts = []
    if azimuth is not None:
        parts.append(_named(azimuth))
    if elevation:
        parts.append(f"{abs(elevation):.0f}° {'up' if elevation > 0 else 'down'}")
    return ", ".join(parts) or "direction unknown"


def headline(scene: Scene, residual_db: float) -> str:
    """How many sources, where, and how much of the recording they do not explain."""
    count = len(scene.sources)
    if not count:
        return "No source was found in this recording."
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    known = [degrees(source.azimuth, 0) for source in scene.sources]
    found = f"{number} source{'s' if count > 1 else ''}"
    if any(source.path is not None for source in scene.sources):
        found += f": {listed([direction(source) for source in scene.sources])}"
    elif any(azimuth is not None for azimuth in known):
        found += f" at {listed([_named(azimuth) for azimuth in known if azimuth is not None])}"
    if not math.isfinite(residual_db):
        return found + "."
    return f"{found}; {percent(residual_db)} of the recorded energy is left unexplained ({minus(f'{residual_db:.1f}')} dB)."


def active_seconds(source: Source) -> float:
    """Seconds in which the source sounds."""
    stretches = np.reshape(source.active, (-1, 2))
    return float(np.sum(stretches[:, 1] - stretches[:, 0]))


def percent(level_db: float) -> str:
    """A power ratio in dB as a share."""
    share = 100.0 * 10.0 ** (level_db / 10.0)
    return f"{share:.0f} %" if share >= 1 else f"{share:.2g} %"


def minus(text: str) -> str:
    """A number with a minus sign as wide as a plus sign, so that columns line up."""
    return text.replace("-", "\N{MINUS SIGN}")


def next_steps(scene: Scene, residual_db: float) -> list[str]:
    """What a user can do about the weak points of this result, most useful first."""
    steps = []
    if not scene.sources:
        steps.append(
            "Nothing stood out from the noise. Check that the microphone positions and the channel order are those of the "
            "device, listen to the mixture below, and if you know how many sources there are, ask for that number."
        )
    if scene.warnings:
        steps.append("Mend what the warnings name, then recover again; a warning often explains a poor result.")
    if scene.sources and math.isfinite(residual_db) and residual_db > _POOR_RESIDUAL_DB:
        steps.append(
            f"The sources leave {percent(residual_db)} of the energy unexplained. Usual reasons: more sources than were "
            "looked for, a very reverberant room, or microphone positions that are not those of the device. "
            "Try a higher number of sources first."
        )
    if scene.ambiguity == "cone":
        steps.append(
            "The microphones stand in one line, so every direction may as well be its mirror image on the other side of that "
            "line (dashed, with a question mark). Tell the side from where people were, or add one microphone off the line."
        )
    if scene.ambiguity == "mirror":
        steps.append(
            "The microphones lie in one plane, so a direction and its mirror image on the other side of that plane look the "
            "same. For an array lying flat this only leaves open whether a source is above or below it."
        )
    doubtful = [index for index, source in enumerate(scene.sources, start=1) if source.confidence < _DOUBTFUL]
    if doubtful:
        which = listed([str(index) for index in doubtful])
        plural = len(doubtful) > 1
        steps.append(
            f"Listen to source{'s' if plural else ''} {which} before using {'them' if plural else 'it'}: "
            f"the recording supports {'them' if plural else 'it'} only weakly."
        )
    if not steps:
        steps.append("Nothing needs doing: listen to the sources, then use the files listed below.")
    return steps


def _way(source: Source) -> str | None:
    """From its first azimuth to its last; None for one that comes out where it set out, or nearly so."""
    if source.path is None or source.path.azimuth is None or not source.path.active.any():
        return None
    first, last = source.path.azimuth[source.path.active][[0, -1]]
    if abs(math.remainder(float(last - first), math.tau)) < _STEP:
        return None
    start, stop = degrees(float(first), 0), degrees(float(last), 0)
    return None if start is None or stop is None else f"from {_named(start)} to {_named(stop)}"


def _named(azimuth_deg: float) -> str:
    return f"{_angle(azimuth_deg)} ({_WORDS[round(azimuth_deg / 45.0) % 8]})"


def _angle(azimuth_deg: float) -> str:
    return minus(f"{azimuth_deg:z.0f}°")


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)
