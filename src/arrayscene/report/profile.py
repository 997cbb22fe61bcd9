"""The sound map reduced to one angle, as a person can look at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.report.spectra import MAX_COLUMNS
from arrayscene.scene import SoundMap

FloatArray = NDArray[np.floating[Any]]

_WIDTHS = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 9, 10, 12, 15, 18, 20, 24, 30, 36, 40, 45, 60, 72, 90, 120, 180, 360)
"""Degrees a bin may be wide: divisors of the circle."""
_OPEN_ARC = 60.0
"""Degrees without any direction from which on a grid counts as part of the circle only."""


@dataclass(frozen=True)
class DirectionProfile:
    """Steered response power over one angle and time.

    Attributes:
        angle: "azimuth" or "elevation".
        centres_deg: (bin,) ascending and evenly spaced; an arc across the back runs past 180.
        width_deg: width of a bin.
        full_circle: whether the first bin follows the last.
        power: (bin, time), the maximum over the directions of a bin.
        start_s, stop_s: what the columns span.
    """

    angle: str
    centres_deg: FloatArray
    width_deg: float
    full_circle: bool
    power: FloatArray
    start_s: float
    stop_s: float

    def place(self, angle_deg: float) -> float | None:
        """`angle_deg` on this profile's axis; None when the axis does not reach it."""
        low = float(self.centres_deg[0]) - self.width_deg / 2
        placed = low + (angle_deg - low) % 360.0 if self.angle == "azimuth" else angle_deg
        return placed if low <= placed <= float(self.centres_deg[-1]) + self.width_deg / 2 else None


def direction_profile(sound_map: SoundMap) -> DirectionProfile | None:
    """Maximum over elevation in every azimuth bin, averaged in time to at most `MAX_COLUMNS`; None for an empty map.

    A grid on a vertical line of azimuths is reduced to elevation instead, the only angle that it has.
    """
    power = np.asarray(sound_map.power)
    if not power.size:
        return None
    azimuth_deg = np.degrees(sound_map.azimuth)
    if np.ptp(azimuth_deg) < 1e-6 and np.ptp(sound_map.elevation) > 0:
        angle, angles, full_circle = "elevation", np.degrees(sound_map.elevation), False
    else:
        angle = "azimuth"
        angles, full_circle = _along_the_arc(azimuth_deg)
    low = float(angles.min())
    span = float(angles.max()) - low
    for width in _WIDTHS:
        n_bins = round(360.0 / width) if full_circle else math.floor(span / width + 0.5) + 1
        index = np.floor((angles - low) / width + 0.5).astype(np.int64)
        index = index % n_bins if full_circle else index
        if len(np.unique(index)) == n_bins:
            break
    profile = np.stack([_fewer_columns(power[index == i].max(axis=0)) for i in range(n_bins)])
    times = np.asarray(sound_map.times)
    half_column = (times[-1] - times[0]) / (len(times) - 1) / 2 if len(times) > 1 else float(times[0])
    return DirectionProfile(
        angle, low + width * np.arange(n_bins), width, full_circle, profile,
        float(times[0] - half_column), float(times[-1] + half_column),
    )  # fmt: skip


def _along_the_arc(azimuth_deg: FloatArray) -> tuple[FloatArray, bool]:
    """Azimuths as one ascending stretch of the circle, cut at the widest gap, and whether they go all the way round."""
    ordered = np.unique(np.round(azimuth_deg % 360.0, 6))
    gaps = np.diff(ordered, append=ordered[0] + 360.0)
    widest = int(np.argmax(gaps))
    if len(ordered) > 1 and gaps[widest] < _OPEN_ARC:
        return 180.0 - (180.0 - azimuth_deg) % 360.0, True
    start = ordered[(widest + 1) % len(ordered)]
    arc = start + (np.round(azimuth_deg % 360.0, 6) - start) % 360.0
    middle = (arc.min() + arc.max()) / 2
    return arc - 360.0 * math.ceil((middle - 180.0) / 360.0), False


def _fewer_columns(row: FloatArray) -> FloatArray:
    together = -(-len(row) // MAX_COLUMNS)
    starts = np.arange(0, len(row), together)
    return np.asarray(np.add.reduceat(row, starts) / np.diff(starts, append=len(row)))
