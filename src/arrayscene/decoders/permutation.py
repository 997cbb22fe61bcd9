"""Which output is which source: the order of each frequency's outputs, where every frequency was separated by itself."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from arrayscene.errors import ShapeError

N_STARTS = 16
"""Frequencies whose activities are tried as first guesses at those of the sources."""

N_ROUNDS = 20
"""Rounds of the clustering and of the refinement, at most; both end by themselves sooner."""

NEIGHBOURS = 3
"""Bins to either side that the refinement looks at."""

TABLE = 5
"""Sources up to which all orders are tried at once; beyond, frequency by frequency by the Hungarian method."""


def align(activities: Tensor, weights: Tensor | None = None, *, start: Tensor | None = None) -> Tensor:
    """The order of the outputs at each frequency in which every output is one source throughout.

    A source's activity rises and falls at many frequencies at once. Activities v(f, k, t), brought to zero mean and unit norm
    over time, are first clustered like by k-means: c_k is the mean over frequency of those of source k, and each frequency takes
    the order that makes sum_k <v(f, order_k), c_k> largest. Then each frequency in turn takes the order that agrees best with
    its neighbours and with the frequencies at half and twice its own.

    Args:
        activities: (..., freq, source, frame) real: the share of each output in each bin (better than its power).
        weights: (..., freq) real, >= 0: how much each frequency counts in the clustering, e.g. the share of its frames in which
            it is loud, see `loudness`; alike by default. Where noise rules, activities only say how loud everything is, and lead
            astray.
        start: (..., freq, source) an order to begin with, e.g. from directions; None tries the activities of several frequencies
            as first guesses and keeps what fits best.

    Returns: (..., freq, source) integer; `in_order(activities, order)` is in order.

    Cost: O(freq source^2 frame) a round, on the CPU.

    Raises: ShapeError for activities without these axes.

    Reference: H. Sawada, S. Araki and S. Makino, "Underdetermined convolutive blind source separation via frequency bin-wise
    clustering and permutation alignment", IEEE TASLP 2011.
    """
    if activities.ndim < 3 or activities.is_complex() or 0 in activities.shape:
        raise ShapeError(
            f"align: {activities.dtype} activities of shape {tuple(activities.shape)} came; real (..., freq, source, frame) is"
            " needed"
        )
    values = activities.detach().to("cpu", torch.float64)
    values = values - values.mean(-1, keepdim=True)
    values = (values / values.square().sum(-1, keepdim=True).sqrt().clamp_min(1e-12)).float()
    n_freqs, n_sources = values.shape[-3:-1]
    counts = torch.ones(n_freqs) if weights is None else weights.detach().cpu().float()
    counts = (counts / counts.amax(-1, keepdim=True).clamp_min(1e-30)).expand(values.shape[:-2]).reshape(-1, n_freqs)
    starts = None if start is None else start.cpu().expand(values.shape[:-1]).reshape(-1, n_freqs, n_sources).numpy()
    flat = values.reshape(-1, *values.shape[-3:]).numpy()
    orders = []
    for number, item in enumerate(flat):
        first = None if starts is None else starts[number]
        orders.append(_refined(item, _clustered(item * counts[number].numpy()[:, None, None], first)))
    return torch.from_numpy(np.stack(orders)).reshape(values.shape[:-1]).to(activities.device)


def in_order(values: Tensor, order: Tensor) -> Tensor:
    """Values (..., freq, source, any) of each frequency in the order (..., freq, source)."""
    return values.gather(-2, order[..., None].expand(*order.shape, values.shape[-1]))


def loudness(y: Tensor) -> Tensor:
    """(..., freq) 0 to 1: how much of the time each frequency of y (..., mic, freq, frame) is loud compared with the whole."""
    power = y.detach().abs().square().mean(-3)
    mean = power.mean(dim=(-2, -1), keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
    return (power / (power + mean)).mean(-1)


def best_order(score: Tensor) -> Tensor:
    """(..., place) the item for each place that makes the sum of score (..., place, item) largest."""
    return torch.from_numpy(_best_order(score.detach().cpu().numpy())).to(score.device)


def likeness(found: Tensor, wanted: Tensor) -> Tensor:
    """How alike the columns of two responses are, as a score for `best_order`.

    Args:
        found: (..., mic, source) what was found.
        wanted: (..., mic, known) with at most as many columns; any found source may take the places behind them.

    Returns: (..., source, source) the squared cosine of the angle between wanted (place) and found (item).
    """
    unit = [A / torch.linalg.vector_norm(A, dim=-2, keepdim=True).clamp_min(1e-30) for A in (wanted.to(found.dtype), found)]
    score = (unit[0].mH @ unit[1]).abs().square()
    return nn.functional.pad(score, (0, 0, 0, found.shape[-1] - wanted.shape[-1]))


def _best_order(score: NDArray[Any]) -> NDArray[np.int64]:
    n = score.shape[-1]
    flat = score.reshape(-1, n, n)
    if n <= TABLE:
        orders, chosen = _orders(n)
        found = orders[(flat.reshape(-1, n * n) @ chosen).argmax(-1)]
    else:
        found = np.stack([linear_sum_assignment(one, maximize=True)[1] for one in flat])
    ordered: NDArray[np.int64] = found.reshape(score.shape[:-1])
    return ordered


@cache
def _orders(n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """All orders (order, place) and, for each, which (place, item) pairs it is made of: (place item, order)."""
    orders = np.array(list(permutations(range(n))))
    chosen = np.zeros((n, n, len(orders)), np.float32)
    for number, order in enumerate(orders):
        chosen[np.arange(n), order, number] = 1
    return orders, chosen.reshape(n * n, -1)


def _clustered(values: NDArray[np.float32], start: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """(freq, source) order by the activities that all frequencies have in common."""
    if start is not None:
        return _clustered_from(values, _centroids(values, start))[0]
    bins = np.unique(np.linspace(0, len(values) - 1, N_STARTS + 2).round().astype(int)[1:-1])
    return max((_clustered_from(values, values[f]) for f in bins), key=lambda found: found[1])[0]


def _clustered_from(values: NDArray[np.float32], centroids: NDArray[np.float32]) -> tuple[NDArray[np.int64], float]:
    """The order, and how well it fits."""
    n_freqs, n_sources, n_frames = values.shape
    order = np.zeros((n_freqs, n_sources), np.int64)
    for _ in range(N_ROUNDS):
        score = (values.reshape(-1, n_frames) @ centroids.T).reshape(n_freqs, n_sources, n_sources).swapaxes(1, 2)
        found = _best_order(score)
        if np.array_equal(found, order):
            break
        order, centroids = found, _centroids(values, found)
    return order, float(np.take_along_axis(score, order[..., None], -1).sum())


def _centroids(values: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    n_freqs, n_sources, n_frames = values.shape
    mean: NDArray[np.float32] = _places(order).reshape(n_freqs * n_sources, n_sources).T @ values.reshape(-1, n_frames)
    mean /= np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-12)
    return mean


def _places(order: NDArray[np.int64]) -> NDArray[np.float32]:
    """(freq, item, place) 1 where the item has that place."""
    return np.asarray(order[:, None, :] == np.arange(order.shape[-1])[:, None], dtype=np.float32)


def _refined(values: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order after every frequency has been compared with those around it and its harmonics."""
    n_freqs = len(values)
    related = [_related(f, n_freqs) for f in range(n_freqs)]
    # (other, own item, other's item): how alike the activities are.
    alike = [values[f] @ values[others].swapaxes(1, 2) for f, others in enumerate(related)]
    places = _places(order)
    for _ in range(N_ROUNDS):
        changed = False
        for f, others in enumerate(related):
            score = (alike[f] @ places[others]).sum(0).T
            better = _best_order(score)
            if not np.array_equal(better, order[f]):
                order[f], changed = better, True
                places[f] = _places(better[None])[0]
        if not changed:
            break
    return order


def _related(f: int, n_freqs: int) -> NDArray[np.int64]:
    """Bins whose activities resemble those of bin f."""
    around = range(f - NEIGHBOURS, f + NEIGHBOURS + 1)
    harmonics = (f // 2 - 1, f // 2, f // 2 + 1, 2 * f - 1, 2 * f, 2 * f + 1)
    return np.array(sorted({g for g in (*around, *harmonics) if 0 <= g < n_freqs} - {f}), dtype=np.int64)
