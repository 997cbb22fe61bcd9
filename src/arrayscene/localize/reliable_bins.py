"""Which bins of a recording one wavefront dominates: weights for covariances that ignore reverberation and noise."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

SMOOTHING = 4
"""Frames over which cross-spectra are averaged; with the window of `localization_stft` about 56 ms."""

AUDIBLE = 0.05
"""Share of the mean power at a frequency below which a bin does not count."""

MAX_PAIRS = 28
"""Pairs that the coherence is averaged over, at most."""


def reliable_bins(y: Tensor) -> Tensor:
    """Weight of every bin: the square of the coherence over a few frames, mean over pairs of microphones; 0 where it is quiet.

    Where one wavefront dominates it is near 1. Reverberation and noise come from many directions at once and lower it.

    Args:
        y: (mic, freq, frame) complex.

    Returns: (freq, frame) weights, 0 to 1.

    Cost: O(freq frame pair), 28 pairs at most.

    Reference: S. Mohan et al., "Localization of multiple acoustic sources with small arrays using a coherence test", JASA 2008.
    """
    pairs = list(combinations(range(y.shape[0]), 2))
    pairs = pairs[:: -(-len(pairs) // MAX_PAIRS)]
    own = _moving_mean(_power(y))
    size = torch.zeros_like(own[0])
    for first, second in pairs:
        cross = _moving_mean(y[first] * y[second].conj())
        size += _power(cross) / (own[first] * own[second]).clamp_min(1e-30)
    level = own.mean(0)
    return size / len(pairs) * (level > AUDIBLE * level.mean(-1, keepdim=True))


def _power(x: Tensor) -> Tensor:
    # The modulus would take a root first, which costs most of it.
    return torch.view_as_real(x).square().sum(-1)


def _moving_mean(x: Tensor) -> Tensor:
    """Mean over `SMOOTHING` frames around each, fewer at the ends; as long as x."""
    n = min(SMOOTHING, x.shape[-1])
    total = torch.nn.functional.pad(x, (n, n - 1)).cumsum(-1)
    width = torch.nn.functional.pad(torch.ones_like(x[..., :1, :].real), (n, n - 1)).cumsum(-1)
    first = (n - 1) // 2 + 1
    # Frame t sees t - n + first to t + first - 1.
    stop = slice(first + n - 1, first + n - 1 + x.shape[-1])
    start = slice(first - 1, first - 1 + x.shape[-1])
    return (total[..., stop] - total[..., start]) / (width[..., stop] - width[..., start])
