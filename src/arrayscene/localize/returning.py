"""Whether sources that are known sound in a stretch of the recording, however briefly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arrayscene.localize.grid import Grid
from arrayscene.localize.peaks import SCATTER
from arrayscene.localize.wandering import WINDOW_SECONDS

TWICE: Final = 2.0
"""Multiple of evenly spread votes that a source must have in the second best of its windows: in an hour of three talkers those
who said nothing reached 1.3 in half a minute, those who spoke for 3 s over 2.4."""


def returns(where: NDArray[Any], weight: NDArray[Any], grid: Grid, indices: Sequence[int], seconds: float) -> NDArray[np.bool_]:
    """(source,) whether votes heap up at each of some known directions for a moment.

    A few seconds are lost among the votes of half a minute, and must not be looked for there: a direction that nobody knows
    would be found by chance. One that is known needs less.

    Args:
        where: (band, time) of a `Survey`.
        weight: likewise.
        grid: directions.
        indices: of the sources on it.
        seconds: that the votes span.

    Cost: O(source band time).
    """
    away = np.linalg.norm(grid.embedding[:, None] - grid.embedding[list(indices)][None], axis=-1)
    # Votes nearer to another source are its own.
    near = np.exp(-0.5 * (away / SCATTER) ** 2) * (away == away.min(axis=1, keepdims=True))
    chance = near.mean(axis=0)
    edges = np.linspace(0, where.shape[1], max(round(2 * seconds / WINDOW_SECONDS), 2) + 1).astype(int)
    halves = np.stack([np.tensordot(weight[:, a:b], near[where[:, a:b]], 2) for a, b in pairwise(edges)])
    total = np.array([weight[:, a:b].sum() for a, b in pairwise(edges)])
    share = (halves[1:] + halves[:-1]) / np.maximum(total[1:] + total[:-1], np.finfo(float).tiny)[:, None] / chance
    return np.asarray(np.sort(share, axis=0)[-2:].min(axis=0) >= TWICE)
