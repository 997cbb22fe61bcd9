"""Whether a recording's sound comes from where its sources were found, moment by moment: sources that move leave those places."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arrayscene.localize.grid import Grid, embed
from arrayscene.localize.peaks import SCATTER
from arrayscene.localize.srp import Survey

WINDOW_SECONDS: Final = 1.5
"""Long enough for a heap of votes, short enough for a walker to be almost where it was."""

MOST_WINDOWS: Final = 0.8
"""Quantile of the windows' distances: the last fifth are pauses, reflections, and sources too weak to be found."""

WANDERS: Final = np.deg2rad(3.3)
"""That quantile from which on sources may be moving: below 2.5 degrees in 44 of 48 rooms with talkers at rest, over 3.4 in all 29
with walkers."""

MOST_AT_REST: Final = 4
"""Sources, the strongest, that may be at rest: a walker leaves peaks all along its way, and is always near one of them."""


def window_peaks(survey: Survey, grid: Grid, seconds: float) -> NDArray[np.float64]:
    """(window, k) where the largest heap of votes lies in every short window, in the grid's embedding.

    Args:
        survey: votes of `SRPPHAT`.
        grid: its directions.
        seconds: that the survey spans.

    Cost: below a hundredth of the recording's duration.
    """
    n_times = survey.where.shape[1]
    length = int(np.clip(n_times * WINDOW_SECONDS / max(seconds, 1e-9), 1, max(n_times, 1)))
    peaks = []
    for first in range(0, n_times - length + 1, max(length // 2, 1)):
        span = slice(first, first + length)
        votes = np.bincount(survey.where[:, span].ravel(), survey.weight[:, span].ravel(), len(grid.embedding))
        used = np.flatnonzero(votes > 0)
        if not len(used):
            continue
        places, votes = grid.embedding[used], votes[used]
        length_2 = np.square(places).sum(axis=1)
        apart = length_2[:, None] + length_2 - 2 * places @ places.T
        near = np.exp(-0.5 * apart / SCATTER**2) * votes
        best = near[int(np.argmax(near.sum(axis=1)))]
        peaks.append(best @ places / best.sum())
    return np.array(peaks, np.float64).reshape(-1, grid.embedding.shape[1])


def wanders(peaks: NDArray[Any], grid: Grid, azimuth: NDArray[Any], elevation: NDArray[Any]) -> bool:
    """Whether the sound leaves the places of the sources often enough that some of them may be moving.

    Args:
        peaks: (window, k) as `window_peaks` returns them.
        grid: directions.
        azimuth: (source,) radians, where the sources were found, strongest first.
        elevation: likewise.
    """
    if len(peaks) < 3 or not len(azimuth):
        return False
    places = np.array([embed(grid, float(a), float(e)) for a, e in zip(azimuth, elevation, strict=True)][:MOST_AT_REST])
    away = np.linalg.norm(peaks[:, None] - places[None], axis=-1).min(axis=1)
    return bool(np.quantile(away, MOST_WINDOWS) > WANDERS)
