"""Source variances seen through three bandwidths: the weights of a source model between AuxIVA's and a free spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled

FLOOR = 1e-3
"""Least variance, relative to its mean over frames."""


def banded_weights(power: Tensor, edges: Tensor) -> Tensor:
    """Inverse of a variance that is the geometric mean of the power in several bands around each bin.

    w(f, t) = prod_b (P_b(f, t) / <P_b(f, t)>)^(-1/B), P_b the mean power over the bins edges[b, f, 0] ... edges[b, f, 1] - 1
    and <.> the mean over frames. The whole band keeps the frequencies of a source together; narrow ones follow its spectrum.

    Args:
        power: (..., freq, source, frame) real, |y|^2.
        edges: (band, freq, 2) integer bins, first and one past the last, neither falling with frequency.

    Returns: (..., freq, source, frame) real.

    Cost: O(band freq source frame). Differentiable through the torch statement.
    """
    if not compiled(power):
        return banded_weights_torch(power, edges)
    flat = power.reshape(-1, *power.shape[-3:]).contiguous().numpy()
    weights = np.empty_like(flat)
    for item in range(len(flat)):
        _banded(flat[item], edges.numpy(), weights[item])
    return torch.from_numpy(weights).reshape(power.shape)


def banded_weights_torch(power: Tensor, edges: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    total = torch.nn.functional.pad(power.double().cumsum(-3), (0, 0, 0, 0, 1, 0))
    tiny = torch.finfo(power.dtype).tiny * 1e6
    logarithm = torch.zeros_like(total[..., 1:, :, :])
    for first, last in (pair.unbind(-1) for pair in edges):
        band = (total[..., last, :, :] - total[..., first, :, :]) / (last - first)[:, None, None]
        logarithm = logarithm + (band / band.mean(-1, keepdim=True).clamp_min(tiny)).clamp_min(FLOOR).log()
    return torch.exp(-logarithm / len(edges)).to(power.dtype)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _banded(power: NDArray[Any], edges: NDArray[Any], weights: NDArray[Any]) -> None:
    n_freqs, n_sources, n_frames = power.shape
    n_bands = len(edges)
    tiny = np.finfo(weights.dtype).tiny * 1e6
    exponent = weights.dtype.type(-1.0 / n_bands)
    product = np.empty(n_frames, weights.dtype)
    for k in range(n_sources):
        # Running sums: bins enter and leave as the band moves up, in double precision so that nothing builds up.
        total = np.zeros((n_bands, n_frames))
        first, last = np.zeros(n_bands, np.int64), np.zeros(n_bands, np.int64)
        for f in range(n_freqs):
            product[:] = 1
            for b in range(n_bands):
                band = total[b]
                while last[b] < edges[b, f, 1]:
                    entering = power[last[b], k]
                    for t in range(n_frames):
                        band[t] += entering[t]
                    last[b] += 1
                while first[b] < edges[b, f, 0]:
                    leaving = power[first[b], k]
                    for t in range(n_frames):
                        band[t] -= leaving[t]
                    first[b] += 1
                mean = 0.0
                for t in range(n_frames):
                    mean += band[t]
                scale = n_frames / max(mean, tiny)
                for t in range(n_frames):
                    product[t] *= max(band[t] * scale, FLOOR)
            for t in range(n_frames):
                weights[f, k, t] = product[t] ** exponent
