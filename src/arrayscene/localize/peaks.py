"""From votes over directions to sources: peaks, count and refinement off the grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.localize.grid import Grid, to_angles, to_vectors

KERNEL = np.sin(np.deg2rad(3.5))
"""Width of the kernel that smooths the votes, in embedding units: wider ones melt talkers 20 degrees apart into one peak."""

SCATTER = np.sin(np.deg2rad(7.0))
"""How far the votes for one talker scatter in a room; those within it tell the direction of a peak."""

SEPARATION = 2 * np.sin(np.deg2rad(17.0) / 2)
"""Least distance between two sources when they are counted; 17 degrees."""

CLOSEST = 2 * np.sin(np.deg2rad(10.0) / 2)
"""Least distance when the user gave the count."""

RELATIVE = 0.1
"""A peak counts if it reaches this share of the highest; below lie reflections."""

ABOVE_UNIFORM = 1.05
"""... and this multiple of what votes spread evenly over all directions would give."""

IN_HALF_THE_BANDS, IN_SOME_BANDS = 1.1, 1.8
"""... and the median over the bands reaches the first, or the root mean square the second of these multiples. Between two
sources wide lobes meet at low frequencies and get votes there, hardly ever elsewhere; a tone gets many in its own bands."""

LEAST_UNALIASED = 2
"""Lowest bands that tell of another source even where an array is so wide that they alias."""

SURE = 4.0
"""Standard deviations by which a peak must rise above evenly spread votes: few votes heap up anywhere by chance."""

STRONGEST_ABOVE_UNIFORM = 1.6
"""Where even the highest peak stays below this multiple, the votes are noise and there is no source at all."""


class Directions(NamedTuple):
    """Directions of sources, strongest first.

    Attributes:
        azimuth, elevation: (source,) radians.
        support: (source,) share of the votes within the kernel, relative to the strongest source.
    """

    azimuth: NDArray[np.float64]
    elevation: NDArray[np.float64]
    support: NDArray[np.float64]


def smoothed(
    votes: NDArray[Any], distance: NDArray[Any], width: float = KERNEL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A Gaussian kernel (direction, direction) on the grid, and the votes (direction,) averaged under it.

    Args:
        votes: (direction,) on a grid.
        distance: (direction, direction) of the grid, as `distances` returns them.
        width: standard deviation of the kernel, in embedding units.
    """
    kernel = np.exp(-0.5 * (distance / width) ** 2)
    # The kernel's mass is less at the edge of a half circle or half sphere: votes there are not fewer for it.
    return kernel, kernel @ votes / kernel.sum(axis=1)


def distances(grid: Grid) -> NDArray[np.float64]:
    """(direction, direction) in embedding units."""
    return np.asarray(np.linalg.norm(grid.embedding[:, None] - grid.embedding[None], axis=-1))


def find_directions(
    votes: NDArray[Any],
    grid: Grid,
    n_sources: int | None = None,
    *,
    unaliased: NDArray[np.bool_] | None = None,
    n_votes: float = np.inf,
) -> Directions:
    """Peaks of the smoothed votes, each at the mean direction of the votes around it.

    Args:
        votes: (band, direction) or (direction,) on `grid`.
        grid: directions.
        n_sources: how many to return; None counts the peaks that stand out.
        unaliased: (band,) whether the array tells all directions apart there; None: in every band. What is heard in other bands
            alone is no second source: copies of the first, and places where copies of two meet, gather votes there.
        n_votes: how many equal votes these are worth, (sum w)^2 / sum w^2 of their weights.
    """
    chosen, support = find_peaks(votes, grid, n_sources, unaliased=unaliased, n_votes=n_votes)
    azimuth, elevation = mean_directions(np.atleast_2d(votes).sum(axis=0), grid, chosen)
    return Directions(azimuth, elevation, support)


def find_peaks(
    votes: NDArray[Any],
    grid: Grid,
    n_sources: int | None = None,
    *,
    unaliased: NDArray[np.bool_] | None = None,
    n_votes: float = np.inf,
) -> tuple[list[int], NDArray[np.float64]]:
    """Peaks of the smoothed votes: (source,) indices into the grid, strongest first, and support as of `Directions`.

    The arguments are those of `find_directions`.
    """
    by_band = np.atleast_2d(votes)
    votes = by_band.sum(axis=0)
    total = votes.sum()
    if total <= 0 and n_sources is None:
        return [], np.zeros(0)
    distance = distances(grid)
    kernel, smooth = smoothed(votes, distance)
    uniform = max(total / len(votes), np.finfo(float).tiny)
    order = np.argsort(-smooth, kind="stable")
    highest = smooth[order[0]]
    apart = SEPARATION if n_sources is None else CLOSEST
    if n_sources is not None:
        least = 0.0
    elif highest >= STRONGEST_ABOVE_UNIFORM * uniform:
        # The variance of evenly spread votes under a kernel, relative to the square of their mean; the widest kernel's is least.
        chance = len(votes) * (kernel**2).sum(axis=1) / kernel.sum(axis=1) ** 2 / n_votes
        least = max(RELATIVE * highest, (1 + SURE * float(np.sqrt(chance.min()))) * uniform, ABOVE_UNIFORM * uniform)
    else:
        least = np.inf
    telling = np.ones(len(by_band), bool) if unaliased is None else unaliased.copy()
    telling[:LEAST_UNALIASED] = True
    heard: list[int] = []
    doubtful: list[int] = []
    for index in order:
        if smooth[index] < least or len(heard) == n_sources:
            break
        is_peak = smooth[index] >= smooth[distance[index] < apart / 2].max()
        if is_peak and all(distance[index, other] >= apart for other in (*heard, *doubtful)):
            told = telling if heard else np.ones(len(by_band), bool)
            (heard if _is_heard(by_band, told, kernel[index] / kernel[index].sum()) else doubtful).append(int(index))
    chosen = heard
    if n_sources is not None:
        # A count beyond the number of peaks is filled with the best directions that are left.
        for index in (*doubtful, *order):
            if len(chosen) < n_sources and all(distance[index, other] >= CLOSEST for other in chosen):
                chosen.append(int(index))
        chosen.sort(key=lambda index: -smooth[index])
    return chosen, smooth[chosen] / max(highest, np.finfo(float).tiny)


def _is_heard(by_band: NDArray[Any], telling: NDArray[np.bool_], kernel: NDArray[Any]) -> bool:
    """Whether enough bands, as multiples of their evenly spread votes, speak for the place under the kernel (direction,)."""
    share = (by_band @ kernel) / np.maximum(by_band.mean(axis=1), np.finfo(float).tiny)
    half = min(np.median(share), np.median(share[telling]))
    return bool(half >= IN_HALF_THE_BANDS or np.sqrt(np.mean(share[telling] ** 2)) >= IN_SOME_BANDS)


def mean_directions(votes: NDArray[Any], grid: Grid, chosen: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Azimuth and elevation of the mean of the votes around each peak; votes nearer to another peak are left out."""
    if not chosen:
        return np.zeros(0), np.zeros(0)
    vectors = to_vectors(grid.azimuth, grid.elevation)
    distance = np.linalg.norm(grid.embedding[chosen][:, None] - grid.embedding[None], axis=-1)
    nearest = distance.argmin(axis=0)
    azimuth, elevation = np.empty(len(chosen)), np.empty(len(chosen))
    for n, index in enumerate(chosen):
        weight = votes * np.exp(-0.5 * (distance[n] / SCATTER) ** 2) * (nearest == n)
        mean = weight @ vectors if weight.sum() > 0 else vectors[index]
        azimuth[n], elevation[n] = to_angles(mean)
    return azimuth, elevation if grid.elevation_known else np.zeros_like(elevation)


def own_votes(where: NDArray[Any], weight: NDArray[Any], grid: Grid, indices: Sequence[int], source: int) -> NDArray[np.float64]:
    """(band, time) votes for one of the sources: those within its scatter that are not nearer to another.

    Args:
        where: (band, time) of a `Survey`.
        weight: likewise.
        grid: directions.
        indices: of the sources on it.
        source: which of them.
    """
    away = np.linalg.norm(grid.embedding[:, None] - grid.embedding[list(indices)][None], axis=-1)
    near = np.exp(-0.5 * (away[:, source] / SCATTER) ** 2) * (away.argmin(axis=1) == source)
    return np.asarray(weight * near[where])
