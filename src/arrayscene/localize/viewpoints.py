"""Wide arrays as several viewpoints: each sees directions, together they see places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares, linear_sum_assignment

from arrayscene.array import MicrophoneArray
from arrayscene.array_checks import distances
from arrayscene.errors import GeometryError
from arrayscene.localize.grid import FloatArray, Grid, direction_grid, to_angles, to_vectors

COMPACT = 0.3
"""Metres across, up to which microphones are one viewpoint."""

WIDE = 0.4
"""Metres across, from which on an array is looked at as several viewpoints."""

SCATTERED = 2.0
"""Metres that a viewpoint may be wide; beyond, waves from nearby are not plane across it and its delays tell nothing."""

ALIKE = 0.1
"""Correlation of their votes over bands and time from which on two viewpoints may see the same source."""

MISSED = np.sin(np.deg2rad(10.0))
"""Root mean square by which the rays of viewpoints may miss each other."""

AZIMUTH_STEP = np.deg2rad(4.0)
NEAREST = 0.1
"""Metres from the middle of the array, at least, at which a source is looked for."""

N_INVERSES = 32
OUTERMOST = np.deg2rad(60.0)


class Viewpoint(NamedTuple):
    """A part of an array.

    Attributes:
        mics: counted from 0.
        center: (3,) metres, in the array's frame.
        array: the part, around its center.
        grid: directions that it can tell apart.
        axes: (k, 3) unit vectors along which it tells them.
    """

    mics: list[int]
    center: FloatArray
    array: MicrophoneArray
    grid: Grid
    axes: FloatArray

    def project(self, toward: FloatArray) -> FloatArray:
        """(..., k) what the part can tell of directions (..., 3) of any length."""
        across = toward @ self.axes.T
        whole = across if len(self.axes) == 2 and not self.grid.elevation_known else toward
        return np.asarray(across / np.linalg.norm(whole, axis=-1, keepdims=True).clip(1e-12))


class Place(NamedTuple):
    """Where rays meet.

    Attributes:
        azimuth, elevation: radians, from the middle of the viewpoints.
        inverse: 1 / metres from there; 0 infinitely far.
        inverse_error: one standard deviation for rays that err by one radian.
        miss: root mean square by which the rays miss it, in units of the directions' sines.
    """

    azimuth: float
    elevation: float
    inverse: float
    inverse_error: float
    miss: float


def viewpoints(array: MicrophoneArray) -> list[Viewpoint]:
    """The parts of a wide array that see directions by themselves; none for an array that is one viewpoint.

    Its `blocks` are parts; others are split at their widest gap, or in the middle, until they are `COMPACT`.

    Raises: GeometryError for microphones that stand metres apart and nowhere as a group.
    """
    if array.aperture < WIDE or array.body_radius is not None:
        return []
    parts = [part for part in _parts(array) if len(part) > 1 and distances(array.positions[part]).max() <= SCATTERED]
    if len(parts) > 1:
        return [_viewpoint(array, part) for part in parts]
    if array.aperture > SCATTERED:
        raise GeometryError(
            f"locate: the microphones of array {array.name!r} stand up to {array.aperture:.1f} m apart, and fewer than two groups"
            f" of them within {SCATTERED:g} m: delays between them tell no directions; give an array of two or more groups"
        )
    return []


def _parts(array: MicrophoneArray) -> list[list[int]]:
    if array.blocks is not None and len(set(array.blocks)) > 1:
        groups = [np.flatnonzero(np.array(array.blocks) == block) for block in sorted(set(array.blocks))]
    else:
        groups = [np.arange(array.n_mics)]
    done: list[list[int]] = []
    while groups:
        group = groups.pop(0)
        positions = array.positions[group]
        if len(group) < 4 or distances(positions).max() <= COMPACT:
            done.append(group.tolist())
            continue
        centred = positions - positions.mean(0)
        along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
        order = np.argsort(along, kind="stable")
        # Each side keeps two; where all gaps are alike, the middle one.
        gaps = np.diff(along[order])[1:-1]
        middle = np.abs(np.arange(len(gaps)) - (len(gaps) - 1) / 2)
        cut = 2 + int(np.lexsort((middle, -gaps.round(4)))[0])
        groups += [group[np.sort(order[:cut])], group[np.sort(order[cut:])]]
    return sorted(done)


def _viewpoint(array: MicrophoneArray, part: list[int]) -> Viewpoint:
    center = array.positions[part].mean(0)
    own = array.select(part).moved(-center)
    grid = direction_grid(own)
    axes = np.linalg.svd(own.positions, full_matrices=True)[2]
    if own.ambiguity == "cone":
        axes = axes[:1]
    elif not grid.elevation_known:
        axes = np.eye(3)[:2]
    elif own.ambiguity == "mirror":
        axes = axes[:2]
    return Viewpoint(part, center, own, grid, axes)


def matched(
    views: Sequence[Viewpoint],
    rays: Sequence[FloatArray],
    votes: Sequence[FloatArray],
    middle: FloatArray,
    candidates: FloatArray,
) -> list[dict[int, int]]:
    """Which directions of different viewpoints are one source's: those heard at the same moments in the same bands.

    Rays of different sources cross as well; only what they carry tells such ghosts from sources.

    Args:
        views: the viewpoints.
        rays: for each, (source, 3) directions.
        votes: for each, (source, band, time) votes.
        middle: (3,) metres.
        candidates: (direction, 3) unit vectors to look for places along.

    Returns: for each source the viewpoints that see it, each with its number there; at least two.
    """
    tracks: list[dict[int, int]] = []
    flat = [_standardised(of_view) for of_view in votes]
    for v in sorted(range(len(views)), key=lambda v: -float(votes[v].sum())):
        if not len(rays[v]):
            continue
        likeness = np.zeros((len(tracks), len(rays[v])))
        for t, track in enumerate(tracks):
            for s in range(len(rays[v])):
                trial = track | {v: s}
                place = cross([views[w] for w in trial], [rays[w][n] for w, n in trial.items()], middle, candidates)
                if place.miss <= MISSED:
                    likeness[t, s] = np.mean([flat[w][n] @ flat[v][s] for w, n in track.items()])
        taken = set()
        if tracks:
            for t, s in zip(*linear_sum_assignment(-likeness), strict=True):
                if likeness[t, s] >= ALIKE:
                    tracks[t] = tracks[t] | {v: int(s)}
                    taken.add(int(s))
        tracks += [{v: s} for s in range(len(rays[v])) if s not in taken]
    return [track for track in tracks if len(track) > 1]


def _standardised(votes: FloatArray) -> FloatArray:
    """(source, cell) votes without their mean, of unit norm: products are correlations."""
    flat = np.asarray(votes.reshape(len(votes), int(np.prod(votes.shape[1:]))), dtype=np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True).clip(1e-12))


def cross(views: Sequence[Viewpoint], rays: Sequence[FloatArray], middle: FloatArray, candidates: FloatArray) -> Place:
    """Where rays of viewpoints come nearest to one place, in the least squares of what each part can tell.

    Args:
        views: the viewpoints.
        rays: (3,) direction from each.
        middle: (3,) metres.
        candidates: (direction, 3) unit vectors to start along; elevation is sought where they have any.
    """
    measured = [view.project(ray) for view, ray in zip(views, rays, strict=True)]
    tall = bool(np.ptp(candidates[:, 2]) > 1e-9)

    def residual(parameters: FloatArray) -> FloatArray:
        toward = to_vectors(np.asarray(parameters[0]), np.asarray(parameters[1] if tall else 0.0))
        # The direction to middle + toward / inverse, times inverse: finite however far.
        inverse = parameters[-1]
        seen = [view.project(toward + inverse * (middle - view.center)) for view in views]
        return np.concatenate([s - m for s, m in zip(seen, measured, strict=True)])

    inverses = np.linspace(0, 1 / NEAREST, N_INVERSES) ** 2 * NEAREST
    cost = np.zeros((len(candidates), N_INVERSES))
    for view, wanted in zip(views, measured, strict=True):
        seen = view.project(candidates[:, None] + inverses[None, :, None] * (middle - view.center))
        cost += np.square(seen - wanted).sum(-1)
    best, near = np.unravel_index(int(np.argmin(cost)), cost.shape)
    azimuth, elevation = to_angles(candidates[best])
    start = np.array([azimuth, elevation, inverses[near]] if tall else [azimuth, inverses[near]], dtype=float)
    limits = np.full(len(start), np.inf)
    lowest = -limits
    lowest[-1], limits[-1] = -1e-9, 1 / NEAREST
    fit = least_squares(residual, np.clip(start, lowest + 1e-6, limits), bounds=(lowest, limits))
    normal = fit.jac.T @ fit.jac
    error = float(np.sqrt(max(np.linalg.pinv(normal)[-1, -1], 0.0)))
    miss = float(np.sqrt(2 * fit.cost / len(views)))
    up = float(fit.x[1]) if tall else 0.0
    return Place(float(np.angle(np.exp(1j * fit.x[0]))), up, max(float(fit.x[-1]), 0.0), error, miss)


def candidate_directions(array: MicrophoneArray) -> FloatArray:
    """(direction, 3) unit vectors in which a wide array looks for places: level ones where it cannot tell elevation."""
    flat = direction_grid(array)
    if array.ambiguity == "cone" or (array.ambiguity == "mirror" and flat.elevation_known):
        # Of the sides that sound alike, the one of the array's own grid.
        return to_vectors(flat.azimuth[::3], flat.elevation[::3])
    azimuth = np.arange(-np.pi + AZIMUTH_STEP, np.pi + 1e-9, AZIMUTH_STEP)
    levels = np.linspace(-OUTERMOST, OUTERMOST, 7) if flat.elevation_known else np.zeros(1)
    around, up = (part.ravel() for part in np.meshgrid(azimuth, levels, indexing="ij"))
    return to_vectors(around, up)
