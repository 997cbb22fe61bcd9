"""One look for figures and page: a colour for every source, one colour map, one way to write a time."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

COLOUR_MAP: Final = "magma"
"""Perceptually uniform, readable in grey and with any colour vision."""


class SourceColour(NamedTuple):
    """Fill of a source's marks, and the ink that is legible on it."""

    fill: str
    ink: str


# Okabe and Ito's set for every kind of colour vision, without its yellow, which vanishes on white paper.
_COLOURS: Final = (
    SourceColour("#0072B2", "#ffffff"),
    SourceColour("#D55E00", "#000000"),
    SourceColour("#009E73", "#000000"),
    SourceColour("#CC79A7", "#000000"),
    SourceColour("#E69F00", "#000000"),
    SourceColour("#56B4E9", "#000000"),
    SourceColour("#595959", "#ffffff"),
)

_STEPS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


def source_colour(number: int) -> SourceColour:
    """Colour of source `number`, counted from 1; colours repeat after seven, so the number is always drawn too."""
    return _COLOURS[(number - 1) % len(_COLOURS)]


def clock(seconds: float, duration: float) -> str:
    """A time on an axis of `duration` seconds: 1.5, then 2:05, then 1:02:05."""
    if duration <= 120:
        return f"{seconds:g}"
    whole = round(seconds)
    if duration < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def time_unit(duration: float) -> str:
    """What the numbers of `clock` are."""
    return "s" if duration <= 120 else "min:s" if duration < 3600 else "h:min:s"


def time_ticks(duration: float) -> list[tuple[float, str]]:
    """Round times from 0 to `duration` with their labels, about ten at most."""
    step = next((step for step in _STEPS if duration / step <= 10), 86400)
    return [(tick, clock(tick, duration)) for tick in (round(i * step, 4) for i in range(math.floor(duration / step) + 1))]


def hertz_in_words(frequency: float) -> str:
    """850 Hz, 3.7 kHz."""
    return f"{frequency:.0f} Hz" if frequency < 1000 else f"{frequency / 1000:.3g} kHz"


def frequency_ticks(sample_rate: int) -> list[tuple[float, str]]:
    """Frequencies up to half the rate that a mel axis has room for, with their labels."""
    labels = {250: "250 Hz", 1000: "1 kHz", 2000: "2", 4000: "4", 8000: "8 kHz", 16000: "16", 32000: "32"}
    return [(hz, label) for hz, label in labels.items() if hz <= sample_rate / 2]
