"""What an array can resolve on a grid, and from where on it sees ghosts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import GeometryWarning, MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.imaging.bands import Band
from arrayscene.imaging.grids import MapGrid
from arrayscene.localize import direction_grid

RAYLEIGH, SPARROW = 1.22, 0.95
"""Angles, in wavelengths over the aperture, at which a disc of microphones tells two equal sources apart: where one's maximum
lies in the other's first zero, and where the dip between them just vanishes."""

_DIRECTIONS = 24
"""Directions of a grid whose aliasing is looked for."""


def rayleigh_resolution(array: MicrophoneArray, grid: MapGrid, frequency: float, speed_of_sound: float = SPEED_OF_SOUND) -> float:
    """Distance between two equal sources that conventional beamforming tells apart: 1.22 c r / (f D), in front of the array.

    Args:
        array: of aperture D, its largest distance between microphones, taken for a disc.
        grid: whose median distance r from the array is meant.
        frequency: hertz.
        speed_of_sound: m/s.

    Returns: metres; radians where the grid is far. Sparrow's criterion is 0.78 times that.
    """
    angle = RAYLEIGH * speed_of_sound / (frequency * array.aperture)
    return angle if grid.far else angle * float(np.median(np.linalg.norm(grid.points, axis=1)))


def aliasing_onset(array: MicrophoneArray, grid: MapGrid, highest: float, speed_of_sound: float = SPEED_OF_SOUND) -> float:
    """Frequency, up to `highest` hertz, from which a source on the grid has a ghost of at least half its power elsewhere.

    Far field, by `aliasing_limits` of some directions of the grid; infinite where there is none.
    """
    towards = grid.points / np.linalg.norm(grid.points, axis=1, keepdims=True)
    chosen = towards[np.unique(np.linspace(0, len(towards) - 1, _DIRECTIONS).astype(int))]
    azimuth, elevation = np.arctan2(chosen[:, 1], chosen[:, 0]), np.arcsin(np.clip(chosen[:, 2], -1, 1))
    with warnings.catch_warnings():
        # A search that ends early found nothing up to there.
        warnings.simplefilter("ignore", GeometryWarning)
        limits = array.aliasing_limits(azimuth, elevation, highest=highest, speed_of_sound=speed_of_sound)
    return float(limits.min())


def limit_warnings(
    array: MicrophoneArray, grid: MapGrid, bands: Sequence[Band], speed_of_sound: float = SPEED_OF_SOUND
) -> list[str]:
    """Sentences on bands in which the array resolves little or sees ghosts, and on what its layout cannot tell."""
    found = []
    size = grid_size(grid)
    coarse = [band for band in bands if rayleigh_resolution(array, grid, band.centre, speed_of_sound) > size / 2]
    if coarse:
        band = max(coarse, key=lambda one: one.centre)
        width = rayleigh_resolution(array, grid, band.centre, speed_of_sound)
        span = f"{np.degrees(width):.0f} degrees" if grid.far else f"{width:.2g} m"
        sparrow = width * SPARROW / RAYLEIGH
        nearer = f"{np.degrees(sparrow):.0f} degrees" if grid.far else f"{sparrow:.2g} m"
        found.append(
            f"Up to the {band.name} the array of {array.aperture:.2g} m resolves no better than {span} there (Rayleigh; Sparrow"
            f" {nearer}), more than half of the map: sources merge; take higher bands, a larger array or a nearer one."
        )
    highest = max(band.high for band in bands)
    onset = aliasing_onset(array, grid, highest, speed_of_sound)
    if onset < highest:
        names = ", ".join(band.name for band in bands if band.high > onset)
        found.append(
            f"From {onset:.0f} Hz on a source of this map may have a ghost of more than half its power elsewhere (spatial"
            f" aliasing), on the map or beside it: mind {names}."
        )
    if array.ambiguity == "cone":
        found.append("The microphones lie on one line, which hears all points of a circle around it alike.")
    elif array.ambiguity == "mirror" and grid.kind != "plane":
        found.append(
            "The microphones lie in one plane, which hears a place and its mirror image alike: sound from behind shows in front."
        )
    if grid.kind == "sphere" and array.ambiguity != "cone" and not direction_grid(array).elevation_known:
        found.append("The array lies level and hardly tells elevation: trust the azimuth of what the map shows, not the height.")
    if array.body_radius is not None and array.body_shape == "cylinder" and not grid.far:
        found.append("Around a rigid cylinder waves are taken as plane: a map nearer than some metres is blurred.")
    return found


def grid_size(grid: MapGrid) -> float:
    """Diagonal of a plane, longest side of a box, metres; of a sphere half its circumference, radians where it is far."""
    if grid.kind == "sphere":
        return float(np.pi * np.linalg.norm(grid.points[0]))
    sides: NDArray[np.float64] = np.ptp(grid.points, axis=0)
    return float(np.linalg.norm(sides)) if grid.kind == "plane" else float(sides.max())
