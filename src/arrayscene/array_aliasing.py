"""Spatial aliasing: from which frequency on another direction looks like the true one, from the positions alone."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.arguments import shown
from arrayscene.array_checks import GeometryWarning, distances
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError

LOBE = 10 ** (-3 / 20)
"""Likeness of two directions' responses from which on one is taken for the other: -3 dB."""

AUDIBLE = 24_000.0
"""Hertz up to which aliasing is looked for."""

_NEAR_PEAK = 0.9
"""Share of its peak at which an array in space sees a lobe; its curved surface of q seldom meets the peak itself."""

_FINE, _COARSE, _COARSEST = 0.12, 0.5, 1.2
"""Steps of the search in radians of phase at the outermost microphone: the smallest, the largest, and that for peaks alone of a
large array."""

_CELLS, _MOST_CELLS = 1_000_000, 16_000_000
"""Cells of the search that are cheap, and the most that it may take."""

_AT_ONCE = 100_000
"""Cells looked at together, for every direction."""


def aliasing_limits(
    positions: NDArray[np.float64],
    rank: int,
    azimuth: ArrayLike,
    elevation: ArrayLike = 0.0,
    *,
    threshold: float = LOBE,
    highest: float = AUDIBLE,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> NDArray[np.float64]:
    """Lowest frequency at which another direction's far-field response is like that of each given direction.

    Two directions u and v are as like as B(q) = |a(u)^H a(v)| / M = |1 / M sum_m exp(j p_m . q)|, q = k (u - v), k = 2 pi f / c.
    A grating lobe is a local maximum of B of at least `threshold` apart from the main lobe around q = 0. Direction u has it in
    sight from the lowest k for which some v gives q: k = |q|^2 / (b + sqrt(b^2 + (1 - |u|^2) |q|^2)) with b = u . q, where u
    and q are meant in the line or plane of the array: a direction's images on the cone or in the mirror, which sound the same at
    every frequency, are no aliases. For an even line that is c / (d (1 + |cos theta|)), theta the angle to the line.

    An array in three dimensions sees a curved surface of q only, which seldom meets a lobe's peak: there a lobe counts as soon
    as the surface comes to within 0.9 of its peak, and the frequency is found to a few percent. Where such an array is so large
    that only the peaks can be looked for, the surface has to meet them.

    Args:
        positions: (M, 3) metres.
        rank: dimensions that they span, 0 to 3.
        azimuth: (direction,) radians.
        elevation: (direction,) radians.
        threshold: B from which directions count as alike.
        highest: hertz, up to which to look.
        speed_of_sound: m/s.

    Returns:
        (direction,) hertz; infinite where no lobe is found up to `highest`. Free field and omnidirectional microphones are
        assumed: the shadow of a rigid body and directivity tell some of the aliases apart.

    Raises:
        GeometryError: a threshold outside 0 to 1.

    Warns:
        GeometryWarning: an array so large that the search ends below `highest`.

    Cost: O((f D / c)^rank M), f the frequency where the last direction finds its lobe and D the aperture.
    """
    if not 0 < threshold < 1:
        raise GeometryError(f"aliasing_limits: threshold = {threshold} came; a number between 0 and 1 was wanted")
    for angles in (azimuth, elevation):
        if np.asarray(angles).dtype.kind not in "fiu":
            raise GeometryError(f"aliasing_limits: directions {shown(angles)} came; numbers in radians were wanted")
    azimuths, elevations = np.broadcast_arrays(np.atleast_1d(azimuth), np.atleast_1d(elevation))
    directions = np.column_stack(
        [np.cos(elevations) * np.cos(azimuths), np.cos(elevations) * np.sin(azimuths), np.sin(elevations)]
    )
    limits = np.full(len(directions), math.inf)
    if rank == 0:
        return limits
    centred = positions - positions.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:rank]
    points, toward = centred @ axes.T, directions @ axes.T
    last, half_wave = 2 * np.pi * highest / speed_of_sound, np.pi / float(distances(positions).min())
    reach = min(last, 1.1 * half_wave)
    while True:
        # A lobe at q is out of sight of every direction below k = |q| / 2.
        step, affordable = _step(points, 2 * reach, _COARSE)
        look = _peaks if rank < 3 else _flanks
        if affordable < 2 * reach:
            # Few large arrays have lobes at all: where they lie is worth more than how wide they are.
            (step, affordable), look = _step(points, 2 * reach, _COARSEST), _peaks
        lobes = look(points, affordable, step, threshold)
        found = _first_in_sight(toward, lobes)
        limits = np.where(found <= affordable / 2, found, math.inf)
        if np.isfinite(limits).all() or affordable >= 2 * last:
            break
        if affordable < 2 * reach:
            warnings.warn(
                f"aliasing: {len(points)} microphones up to {np.linalg.norm(points, axis=1).max():.2g} m from their middle are "
                f"searched up to {affordable / 2 * speed_of_sound / (2 * np.pi):.0f} Hz only",
                GeometryWarning,
                stacklevel=3,
            )
            break
        reach = min(last, 1.6 * reach)
    return np.asarray(limits * speed_of_sound / (2 * np.pi))


def _step(points: NDArray[np.float64], largest: float, coarse: float) -> tuple[float, float]:
    """Step of a search over |q| <= `largest`, and how far it may reach, both in rad/m."""
    rank, radius = points.shape[1], float(np.linalg.norm(points, axis=1).max())
    cheap = 2 * largest / (2 * _CELLS) ** (1 / rank)
    step = min(max(cheap, _FINE / radius), coarse / radius)
    return step, min(largest, (2 * _MOST_CELLS) ** (1 / rank) * step / 2)


def _peaks(points: NDArray[np.float64], largest: float, step: float, threshold: float) -> NDArray[np.float64]:
    """(lobe, rank) q of every peak of B, up to `largest` along each axis."""
    from scipy.ndimage import maximum_filter

    grid, likeness = _likeness(points, largest, step, margin=1)
    spread = points.T @ points / len(points)
    # On the grid a peak may be missed by half a cell's diagonal, over which B falls by its curvature, the spread of the points.
    missed = 0.6 * len(grid) * (step / 2) ** 2 * float(np.linalg.eigvalsh(spread)[-1])
    peaks = (likeness >= threshold * max(0.5, 1 - missed)) & (likeness == maximum_filter(likeness, 3))
    q = np.column_stack([axis[index] for axis, index in zip(grid, np.nonzero(peaks), strict=True)])
    for needed in (*[0.0] * 4, 0.9, *[0.0] * 4, 0.98, *[0.0] * 20, 1.0):
        phases = np.exp(1j * q @ points.T)
        mean = phases.mean(axis=1)
        slope = np.real(np.conj(mean)[:, None] * (1j * phases @ points)) / len(points)
        climbed = q + np.linalg.solve(spread, slope.T).T / np.maximum(np.abs(mean) ** 2, 0.1)[:, None]
        q = climbed[np.abs(mean) >= needed * threshold]
    q = q[np.linalg.norm(q @ points.T, axis=1) > 0.1]
    return np.vstack([q, -q])


def _flanks(points: NDArray[np.float64], largest: float, step: float, threshold: float) -> NDArray[np.float64]:
    """(cell, 3) q around every lobe in space where B is near the lobe's peak, up to `largest` along each axis."""
    from scipy.ndimage import binary_erosion, label, maximum_filter

    # Within this distance B falls well below 0.9 of a peak; farther away another lobe may begin.
    widths = [2 * math.ceil(0.6 / (spread * step)) + 1 for spread in points.std(axis=0)]
    grid, likeness = _likeness(points, largest, step, margin=widths[0] // 2)
    alike = likeness >= threshold
    parts, _ = label(alike)
    main = parts[widths[0] // 2, likeness.shape[1] // 2, likeness.shape[2] // 2]
    alike &= parts != main
    if not alike.any():
        return np.empty((0, 3))
    near = alike & (likeness >= _NEAR_PEAK * maximum_filter(likeness, widths))
    # The first cell that comes into sight is on the outside of its lobe.
    outside = near & ~binary_erosion(near)
    q = np.column_stack([axis[index] for axis, index in zip(grid, np.nonzero(outside), strict=True)])
    return np.vstack([q, -q])


def _likeness(
    points: NDArray[np.float64], largest: float, step: float, margin: int
) -> tuple[list[NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]:
    """B on a grid of q: all of it along every axis but the first, where B(-q) = B(q) leaves one half and a margin."""
    n = math.ceil(largest / step)
    grid = [step * np.arange(-margin if axis == 0 else -n, n + 1) for axis in range(points.shape[1])]
    waves = [np.exp(1j * np.outer(line, points[:, axis])).astype(np.complex64) for axis, line in enumerate(grid)]
    if len(grid) == 1:
        return grid, np.abs(waves[0].mean(axis=1))
    if len(grid) == 2:
        return grid, np.abs(waves[0] @ waves[1].T) / np.float32(len(points))
    return grid, np.stack([np.abs((waves[1] * wave) @ waves[2].T) for wave in waves[0]]) / np.float32(len(points))


def _first_in_sight(toward: NDArray[np.float64], lobes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(direction,) lowest wave number that has one of the lobes, (lobe, rank), in sight."""
    lowest = np.full(len(toward), math.inf)
    # Rounding must not make a direction within the array's space longer than 1.
    off = np.maximum(0.0, 1.0 - (toward**2).sum(axis=1))[:, None]
    for start in range(0, len(lobes), _AT_ONCE):
        q = lobes[start : start + _AT_ONCE]
        along, squared = toward @ q.T, (q**2).sum(axis=1)
        with np.errstate(divide="ignore"):
            wave_numbers = squared / np.maximum(along + np.sqrt(along**2 + off * squared), 0.0)
        lowest = np.minimum(lowest, wave_numbers.min(axis=1))
    return lowest
