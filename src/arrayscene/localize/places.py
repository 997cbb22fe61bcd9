"""Places to look at: points near an array so wide, or made of parts so far apart, that it can tell how far a source is."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from arrayscene.array import MicrophoneArray
from arrayscene.array_checks import distances
from arrayscene.localize.grid import FloatArray, Grid, direction_grid, to_angles, to_vectors
from arrayscene.localize.peaks import SCATTER

COMPACT = 0.3
"""Metres across, up to which microphones are one viewpoint: what they see is a direction."""

WIDE = 0.4
"""Metres across, from which on an array is looked at as several viewpoints."""

MICS_A_PART = 4
"""Microphones of a part whose pairs are used, spread as widely as possible."""

AZIMUTH_STEP = np.deg2rad(4.0)
N_DISTANCES = 16
ELEVATIONS = np.deg2rad([-30.0, 0.0, 30.0])
CLEARANCE = 0.05
"""Metres around every microphone in which no source is looked for."""


class Places(NamedTuple):
    """Points around an array.

    Attributes:
        points: (place, 3) metres, in the array's frame.
        grid: the same seen from the array's middle; its embedding holds what every part sees.
        parts: microphones, counted from 0, of each viewpoint.
        middle: (3,) metres, mean of the viewpoints.
    """

    points: FloatArray
    grid: Grid
    parts: list[list[int]]
    middle: FloatArray


def compact_parts(array: MicrophoneArray) -> list[list[int]]:
    """The array in viewpoints: split at the widest gap, or in the middle, until each is `COMPACT` or would hold one microphone."""
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
        along = (positions - positions.mean(0)) @ np.linalg.svd(positions - positions.mean(0), full_matrices=False)[2][0]
        order = np.argsort(along, kind="stable")
        gaps = np.diff(along[order])[1:-1]
        # Where all gaps are alike, the middle one.
        middle = np.abs(np.arange(len(gaps)) - (len(gaps) - 1) / 2)
        cut = 2 + int(np.lexsort((middle, -gaps.round(4)))[0])
        groups += [group[np.sort(order[:cut])], group[np.sort(order[cut:])]]
    return sorted(done)


def place_grid(array: MicrophoneArray) -> Places | None:
    """Points around a wide array, in polar rings about its middle; None for one that sees directions only.

    Where the array cannot tell elevation they lie level with its middle; of the two sides of a line, on that of its
    `direction_grid`. Distances grow evenly near the array and their inverses fall evenly far from it.
    """
    if array.aperture < WIDE or array.body_radius is not None:
        return None
    parts = compact_parts(array)
    if len(parts) < 2:
        return None
    centers = np.stack([array.positions[part].mean(0) for part in parts])
    middle = centers.mean(0)
    flat = direction_grid(array)
    if array.ambiguity == "cone":
        azimuth, elevation = flat.azimuth[::3], flat.elevation[::3]
    else:
        turn = np.arange(-np.pi + AZIMUTH_STEP, np.pi + 1e-9, AZIMUTH_STEP * (1 if array.ambiguity == "mirror" else 2))
        levels = ELEVATIONS if array.ambiguity == "none" and flat.elevation_known else np.zeros(1)
        azimuth, elevation = (part.ravel() for part in np.meshgrid(turn, levels, indexing="ij"))
    wide = float(distances(centers).max()) / 2
    share = np.linspace(0.15, 0.97, N_DISTANCES)
    reach = wide * share / (1 - share)
    toward = to_vectors(azimuth, elevation)
    points = (middle + reach[None, :, None] * toward[:, None]).reshape(-1, 3)
    free = np.linalg.norm(points[:, None] - array.positions[None], axis=-1).min(1) > CLEARANCE
    points = points[free]
    rank = {"cone": 1, "mirror": 2}.get(array.ambiguity, 3)
    axes = np.linalg.svd(array.positions - array.positions.mean(0), full_matrices=True)[2][:rank]
    if rank == 3 and not flat.elevation_known:
        axes = np.eye(3)[:2]
    seen = points[:, None] - centers[None]
    seen = seen / np.linalg.norm(seen, axis=-1, keepdims=True)
    embedding = (seen @ axes.T).reshape(len(points), -1) / np.sqrt(len(parts))
    around = to_angles(points - middle)
    return Places(points, Grid(*around, embedding, flat.azimuth_known, flat.elevation_known), parts, middle)


def part_pairs(array: MicrophoneArray, parts: list[list[int]]) -> list[tuple[int, int]]:
    """Pairs of microphones within the parts; all pairs where hardly any part has two microphones."""
    pairs: list[tuple[int, int]] = []
    for part in parts:
        if len(part) > 1:
            kept = [part[mic] for mic in array.select(part).spread(MICS_A_PART)]
            pairs += combinations(kept, 2)
    seeing = {mic for pair in pairs for mic in pair}
    if sum(any(mic in seeing for mic in part) for part in parts) < 2:
        return list(combinations(array.spread(8), 2))
    return pairs


def refine_place(places: Places, votes: FloatArray, index: int, mine: FloatArray) -> FloatArray:
    """(3,) where the votes around a peak lie: their mean direction from the middle, at their mean inverse distance.

    Args:
        places: points.
        votes: (place,).
        index: the peak.
        mine: (place,) whether a place is nearer to this peak than to another.
    """
    away = np.linalg.norm(places.grid.embedding - places.grid.embedding[index], axis=1)
    weight = votes * np.exp(-0.5 * (away / SCATTER) ** 2) * mine
    offset = places.points - places.middle
    if not weight.sum() > 0:
        return np.asarray(places.points[index])
    reach = np.linalg.norm(offset, axis=1)
    toward = weight @ (offset / reach[:, None])
    return np.asarray(places.middle + toward / np.linalg.norm(toward) / (weight @ (1 / reach) / weight.sum()))
