"""Distances of sources so near that their waves are bent across the array, and places above wide flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.localize.grid import to_angles, to_vectors
from arrayscene.localize.near_field import Found as Peak
from arrayscene.localize.near_field import Places, coherence, covariances, find_place, inverse_error, power_at, without
from arrayscene.localize.srp import SRPPHAT
from arrayscene.localize.strength import to_bins
from arrayscene.localize.surveyed import Surveyed

SMALLEST: Final = 0.12
"""Metres across, below which waves are bent by less than positions and rooms do."""

LARGEST: Final = 1.0
"""Metres across, above which a coarse search of all places could miss the peak of a source."""

GROUPS: Final = 4
SURE: Final = 3.0
"""Standard deviations by which a source must be nearer than infinitely far."""

PLAIN, GAIN = 0.65, 0.008
"""Steered power of the place, and what it has more than the best direction for waves that are plane, for a distance to be told:
in rooms where less is left, reflections bend waves as well."""

CLEAR: Final = 0.95
"""Steered power below which reflections turn the direction more than votes for plane waves, which leave them out, are wrong: in
that room, with lines of 0.21 m, 58 % of the votes' azimuths were within 2 degrees, 42 % of the places'."""

RELATIVE: Final = 0.05
"""Error of a distance that does not go away, one standard deviation."""

AROUND: Final = np.deg2rad(12.0)
"""How far a place may lie from the direction that votes give, as waves taken to be plane."""

ABOVE: Final = 0.05
"""What a place anywhere above a flat array must have more steered power than the one at its height."""


LEFT: Final = 0.3
"""Steered power of what is left when found sources are taken out, below which there is no further source."""


SAME: Final = np.deg2rad(10.0)
"""Places in directions that are closer are one: distances differ by chance."""


class NothingLeft(Exception):
    """The votes are for sources that have been found already."""


class Curved(NamedTuple):
    """A place, or a direction where its distance cannot be told.

    Attributes:
        azimuth, elevation: radians, from the array's origin where the distance is known, else from its middle.
        position: (3,) metres in the array's frame; None where the distance cannot be told, as the two that follow.
        distance: metres from its origin.
        distance_error: metres, one standard deviation.
        tall: whether its height was looked for as well.
    """

    azimuth: float
    elevation: float
    position: NDArray[np.float64] | None
    distance: float | None
    distance_error: float | None
    tall: bool


def by_curvature(
    heard: Surveyed,
    srp: SRPPHAT,
    own: NDArray[np.float64],
    azimuth: float,
    elevation: float,
    position: NDArray[np.float64] | None,
    taken: Sequence[NDArray[np.float64]] = (),
) -> Curved | None:
    """The place of a source, where its waves tell it.

    Args:
        heard: recording.
        srp: localiser whose votes `own` are.
        own: (band, time) votes for the source.
        azimuth: radians, as the votes give it.
        elevation: likewise.
        position: (3,) metres where viewpoints' directions cross; None for an array that is one viewpoint.
        taken: (3,) metres each, where other sources have been found anywhere above a flat array.

    Returns: None where it cannot be told, or `position` explains as much.

    Raises: NothingLeft where the votes are for sources that have been found already.

    Cost: below 0.1 s a source with 8 microphones, 0.5 s for a wide flat array of 32.
    """
    array = heard.array
    one_piece = array.aperture <= LARGEST and len(set(array.blocks or (0,))) == 1
    wide_and_flat = bool(heard.views) and heard.level and array.ambiguity == "mirror" and one_piece
    if array.body_radius is not None or not own.any() or not (wide_and_flat or _tells(heard)):
        return None
    middle = array.positions.mean(axis=0)
    positions = array.positions - middle
    _, y = next(iter(heard.blocks()))
    weight = to_bins(srp, torch.from_numpy(own), *y.shape[1:])
    parts, frequencies = covariances(y, weight, heard.frequencies, GROUPS)
    C = coherence(torch.stack(parts).sum(0))
    nearest = max(array.aperture / 2, 0.1)
    if wide_and_flat:
        anywhere = Places(np.deg2rad(np.arange(-180.0, 180.0, 8.0)), np.deg2rad(np.arange(0.0, 91.0, 12.0)), nearest)
        best = find_place(C, frequencies, positions, anywhere)
        others = np.array(taken).reshape(-1, 3) - middle
        toward = to_vectors(np.asarray(best.azimuth), np.asarray(best.elevation))
        if (others @ toward > np.cos(SAME) * np.linalg.norm(others, axis=1)).any():
            # A place that has been found already: what else is there?
            parts = [without(part, frequencies, positions, others) for part in parts]
            C = coherence(torch.stack(parts).sum(0))
            best = find_place(C, frequencies, positions, anywhere)
            if best.power < LEFT:
                raise NothingLeft
        if position is not None and best.power < power_at(C, frequencies, positions, position - middle) + ABOVE:
            return None
        places = _near(best.azimuth, best.elevation, True, nearest)
    else:
        places = _near(azimuth, elevation, heard.grid.elevation_known, nearest)
        best = find_place(C, frequencies, positions, places)
        plane = find_place(C, frequencies, positions, places._replace(nearest=1e6))
        if best.power < max(PLAIN, plane.power + GAIN):
            return None
    stretches = [find_place(coherence(part), frequencies, positions, places) for part in parts]
    error = inverse_error(best, stretches, positions)
    if not wide_and_flat and best.power < CLEAR:
        best = best._replace(azimuth=azimuth, elevation=elevation)
    return _placed(best, error, middle, wide_and_flat)


def _tells(heard: Surveyed) -> bool:
    """Whether the array is one viewpoint, large enough, and tells all the angles that it is looked at with."""
    tells = heard.array.ambiguity == "cone" or heard.grid.elevation_known
    return not heard.views and heard.array.aperture >= SMALLEST and tells and heard.grid.azimuth_known


def _near(azimuth: float, elevation: float, tall: bool, nearest: float) -> Places:
    around = np.linspace(-AROUND, AROUND, 9)
    up = elevation + around[::2] if tall else np.array([elevation])
    # Towards the zenith azimuths lie close together.
    return Places(azimuth + around / max(np.cos(elevation), 0.1), np.clip(up, -np.pi / 2, np.pi / 2), nearest)


def _placed(best: Peak, error: float, middle: NDArray[Any], tall: bool) -> Curved | None:
    if best.inverse <= 0 or best.inverse < SURE * error:
        return Curved(best.azimuth, best.elevation, None, None, None, tall) if tall else None
    position = middle + to_vectors(np.asarray(best.azimuth), np.asarray(best.elevation)) / best.inverse
    azimuth, elevation = map(float, to_angles(position))
    away = 1 / best.inverse
    error_here = float(np.hypot(error * away**2, RELATIVE * away))
    return Curved(azimuth, elevation, position, float(np.linalg.norm(position)), error_here, tall)
