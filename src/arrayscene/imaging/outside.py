"""Whether the loudest sound comes, or may come, from where a map does not look."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.array_points import fibonacci_sphere
from arrayscene.imaging.cross_spectra import CrossSpectra
from arrayscene.imaging.grids import MapGrid
from arrayscene.imaging.result import SoundMap
from arrayscene.imaging.transfer import grid_response, possible_points
from arrayscene.localize import direction_grid
from arrayscene.report.sentences import minus

LOUDER_DB: Final = 1.5
"""Decibels by which a beam beyond the map must exceed all beams of the map."""

MOST_POINTS: Final = 600
"""Points of the map that are looked at."""

DIRECTIONS: Final = 600
BINS: Final = 40


def sound_from_outside(sound_map: SoundMap, spectra: CrossSpectra, speed_of_sound: float) -> str | None:
    """A sentence where beams from far away in all directions find more power than those of the map; None elsewhere.

    Args:
        sound_map: of the spectra.
        spectra: of its bands.
        speed_of_sound: m/s.

    Cost: O(mic^2) for 600 directions, 600 points and 40 frequencies.
    """
    array, grid = sound_map.array, sound_map.grid
    if grid.kind == "sphere" and grid.far and array.ambiguity != "mirror":
        return None
    bins = torch.from_numpy(np.unique(np.linspace(0, len(spectra.frequencies) - 1, BINS).round().astype(np.int64)))
    frequencies = spectra.frequencies[bins]
    C = spectra.matrices[bins]
    # Every frequency counts alike, and the microphones' own noise not at all.
    C = (C - torch.diag_embed(C.diagonal(dim1=1, dim2=2))) / C.diagonal(dim1=1, dim2=2).real.sum(1)[:, None, None].clamp_min(
        1e-30
    )
    possible = np.flatnonzero(possible_points(array, grid))
    points = grid.points[possible[:: -(-len(possible) // MOST_POINTS)]]
    inner = MapGrid(grid.kind, points, (len(points),), grid.increment, far=grid.far)
    towards = fibonacci_sphere(DIRECTIONS)
    outer = MapGrid("sphere", towards, (DIRECTIONS,), 0.1, far=True)
    own, all_around = (_power(C, array, one, frequencies, speed_of_sound) for one in (inner, outer))
    best = int(np.argmax(all_around))
    if not all_around[best] > own.max() * 10 ** (LOUDER_DB / 10):
        return None
    if array.ambiguity == "cone":
        place, remedy = _beside_line(array, towards[best]), "place the plane there"
    else:
        azimuth = math.degrees(math.atan2(towards[best, 1], towards[best, 0]))
        place = f"azimuth {minus(f'{azimuth:z.0f}')} degrees"
        if direction_grid(array).elevation_known:
            place += f", elevation {minus(f'{math.degrees(math.asin(float(towards[best, 2]))):z.0f}')} degrees"
        remedy = "map all directions with a sphere, or place the plane there"
    return (
        f"The loudest sound comes from outside of this map, from about {place}: what the map shows is its side lobes and edges;"
        f" {remedy}."
    )


def loudest_on_edge(sound_map: SoundMap) -> str | None:
    """A sentence where the loudest point of a plane lies on its edge in some band; None elsewhere."""
    grid = sound_map.grid
    if grid.kind != "plane" or min(grid.shape) < 3:
        return None
    inside = np.zeros(grid.shape, dtype=np.bool_)
    inside[1:-1, 1:-1] = True
    loudest = sound_map.power.argmax(axis=1)
    heard = sound_map.power.max(axis=1) > 0
    names = [sound_map.bands[band].name for band in np.flatnonzero(heard & ~inside.ravel()[loudest])]
    if not names:
        return None
    other = "a larger plane, or one at another distance"
    if sound_map.array.ambiguity != "cone":
        other = "a larger plane, one at another distance, or all directions with a sphere"
    return f"The loudest point lies on the edge of the map ({', '.join(names)}), so its source may lie beyond: map {other}."


def _beside_line(array: MicrophoneArray, towards: NDArray[np.float64]) -> str:
    """A direction as a line of microphones hears it: its angle to the end that it is nearer to."""
    axis = np.linalg.svd(array.positions - array.positions.mean(axis=0))[2][0]
    along = float(axis @ towards)
    last = int(np.argmax(array.positions @ axis * along))
    angle = math.degrees(math.acos(min(1.0, abs(along))))
    return f"{angle:.0f} degrees off the line of microphones, towards microphone {last + 1}"


def _power(C: Tensor, array: MicrophoneArray, grid: MapGrid, frequencies: Tensor, speed_of_sound: float) -> NDArray[np.float64]:
    """(point,) power of beams of unit gain for noise, sum over frequencies."""
    A = grid_response(array, grid, frequencies, speed_of_sound).matrix(frequencies).to(C.dtype)
    A = A / A.abs().square().sum(1, keepdim=True).sqrt().clamp_min(1e-20)
    power: NDArray[np.float64] = ((C @ A) * A.conj()).real.sum(dim=(0, 1)).double().numpy()
    return power
