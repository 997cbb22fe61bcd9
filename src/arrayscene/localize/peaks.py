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

LEAST_SHARE = 0.018
"""A peak counts if it holds this share of all votes, in the root mean square over the bands: below lie reflections ..."""

IN_HALF_THE_BANDS, IN_SOME_BANDS = 0.009, 0.06
"""... if the median over the bands reaches the first of these shares, or the root mean square the second: where lobes of two
talkers meet, few bands see a third; a tone gets many votes in its own ..."""

STANDS_OUT = 2.0
"""... and this multiple of what the votes that no stronger peak explains would give it if they were spread evenly ..."""

SURE = 3.0
"""... and so many standard deviations above that, were there many votes: few heap up anywhere by chance."""

LEAST_UNALIASED = 2
"""Lowest bands that tell of another source even where an array is so wide that they alias."""

MOST = 16
"""Peaks that are looked at."""

TINY = float(np.finfo(float).tiny)


class Directions(NamedTuple):
    """Directions of sources, strongest first.

    Attributes:
        azimuth, elevation: (source,) radians.
        support: (source,) cube root of the density of votes, relative to the strongest source: they weigh a third power.
    """

    azimuth: NDArray[np.float64]
    elevation: NDArray[np.float64]
    support: NDArray[np.float64]


def vote_shares(votes: NDArray[Any], grid: Grid, width: float = KERNEL) -> NDArray[np.float64]:
    """(direction,) share, 0 to 1, of the votes (direction,) that lie around each direction of a grid, under a Gaussian.

    Where directions lie densely in the embedding, each counts for less of it; at the edge of half a circle or half a sphere the
    share is that of the half that lies inside, doubled.

    Args:
        votes: on `grid`.
        grid: directions.
        width: standard deviation, in embedding units.
    """
    kernels = _kernels(distances(grid), width)
    mass = kernels @ _cells(grid)
    return np.asarray(kernels @ votes / mass * np.median(mass) / max(float(votes.sum()), TINY))


def _kernels(distance: NDArray[np.float64], width: float = KERNEL) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2))


def _cells(grid: Grid) -> NDArray[np.float64]:
    """(direction,) of the grid's embedding, 1 on average."""
    return np.ones(len(grid.azimuth)) if grid.cells is None else np.asarray(grid.cells / grid.cells.mean())


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
    if votes.sum() <= 0 and n_sources is None:
        return [], np.zeros(0)
    total = max(float(votes.sum()), TINY)
    distance = distances(grid)
    cells, kernels = _cells(grid), _kernels(distance)
    # At the edge of half a circle or sphere half of a kernel lies outside.
    mass = kernels @ cells
    smooth, spread = kernels @ votes / mass, float(np.median(mass))
    apart = SEPARATION if n_sources is None else CLOSEST
    telling = np.ones(len(by_band), bool) if unaliased is None else unaliased.copy()
    telling[:LEAST_UNALIASED] = True
    worth = np.maximum(by_band.sum(axis=1), TINY)
    order = np.argsort(-smooth, kind="stable")
    heard: list[int] = []
    doubtful: list[int] = []
    unexplained = np.ones(len(votes), bool)
    for index in order:
        if len(heard) == n_sources or len(heard) + len(doubtful) == MOST or smooth[index] <= 0:
            break
        near = distance[index] < apart
        if smooth[index] < smooth[distance[index] < apart / 2].max() or near[[*heard, *doubtful]].any():
            continue
        share = by_band @ kernels[index] * spread / mass[index] / worth
        told = telling if heard else np.ones(len(by_band), bool)
        half = min(np.median(share), np.median(share[told]))
        level = float(np.sqrt(np.average(share[told] ** 2, weights=worth[told])))
        left, size = float(votes[unexplained].sum()), max(float(cells[unexplained].sum()), TINY)
        # The variance of evenly spread votes under the kernel, relative to the square of their mean.
        chance = size * (kernels[index] ** 2 @ cells) / mass[index] ** 2 / max(n_votes * left / total, TINY)
        clear = smooth[index] >= max(STANDS_OUT, _bound(chance)) * left / size
        is_heard = clear and level >= LEAST_SHARE and (half >= IN_HALF_THE_BANDS or level >= IN_SOME_BANDS)
        (heard if is_heard else doubtful).append(int(index))
        unexplained &= ~near
    chosen = heard
    if n_sources is not None:
        # A count beyond the number of peaks is filled with the best directions that are left.
        for index in (*doubtful, *order):
            if len(chosen) < n_sources and all(distance[index, other] >= CLOSEST for other in chosen):
                chosen.append(int(index))
        chosen.sort(key=lambda index: -smooth[index])
    return chosen, np.cbrt(smooth[chosen] / max(float(smooth.max()), TINY))


def _bound(chance: float) -> float:
    """Multiple of the mean that few votes hardly ever reach; Bernstein's inequality for a relative variance."""
    third = SURE**2 * chance / 6
    return 1 + third + float(np.sqrt(third**2 + SURE**2 * chance))


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
