"""How far what a decoder found is from the truth, bin by bin: the error that a Wiener filter would make."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

OWN: Final = 0.0112
OTHERS: Final = 1.17
REST: Final = 2.29
BETWEEN: Final = 0.1
FLOOR: Final = 4e-4
"""Fitted by maximum likelihood to the errors of `auto` on ten scenes of two talkers and three microphones (numbers 6000 to 6009):
the true signal lay in the 90 % interval in 90.6 % of the bins."""


def start_error(x: Tensor, mixture: Tensor) -> Tensor:
    """E|x - truth|^2 in every bin: high where a source is as loud as the others, or as what all of them leave unexplained.

    e_k = OWN p_k + OTHERS p_k q_k / s + REST p_k r / s + BETWEEN q_k r / s + FLOOR mean_t p_k,   s = sum_j p_j + r

    with p_k the power of source k, q_k that of all others, and r that of the mixture without them, over 3 x 3 bins.

    Args:
        x: (..., source, freq, frame) sources at the reference microphone.
        mixture: (..., freq, frame) what it heard.

    Returns: (..., source, freq, frame) real, 0 only where everything is silent.
    """
    own = local_mean(x.abs().square())
    total = own.sum(-3, keepdim=True)
    others = total - own
    rest = local_mean((mixture - x.sum(-3)).abs().square())[..., None, :, :]
    whole = (total + rest).clamp_min(torch.finfo(own.dtype).tiny)
    error = OWN * own + OTHERS * own * others / whole + REST * own * rest / whole + BETWEEN * others * rest / whole
    return error + FLOOR * own.mean(-1, keepdim=True) + 1e-9 * total.mean((-3, -2, -1), keepdim=True)


def local_mean(power: Tensor) -> Tensor:
    """(..., freq, frame) the mean over 3 x 3 bins, fewer at the edges."""
    flat = power.reshape(-1, 1, *power.shape[-2:])
    return functional.avg_pool2d(flat, 3, 1, 1, count_include_pad=False).reshape(power.shape)
