"""Spherical waves at many places and frequencies: the transfer functions that acoustic maps are made with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled


def spherical_waves(strength: Tensor, detour: Tensor, wave_numbers: Tensor) -> Tensor:
    """Spherical waves s e^{-j k d} in single precision: phases are reduced to one turn in double precision first.

    Args:
        strength: (mic, point) float64, s.
        detour: (mic, point) float64, d in metres.
        wave_numbers: (freq,) float64, k in rad/m.

    Returns: (freq, mic, point) complex64, within 3e-7 of the modulus.

    Cost: O(freq mic point), sixteen at a time.
    """
    if not compiled(strength, detour, wave_numbers):
        return spherical_waves_torch(strength, detour, wave_numbers)
    A = torch.empty((len(wave_numbers), *strength.shape), dtype=torch.complex64)
    turns = wave_numbers.to(torch.float64) / (2 * math.pi)
    _fill(
        strength.to(torch.float32).reshape(-1).contiguous().numpy(),
        detour.to(torch.float64).reshape(-1).contiguous().numpy(),
        turns.contiguous().numpy(),
        torch.view_as_real(A).view(len(wave_numbers), -1, 2).numpy(),
    )
    return A


def spherical_waves_torch(strength: Tensor, detour: Tensor, wave_numbers: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    phase = -wave_numbers[:, None, None] * detour
    return (torch.polar(torch.ones_like(phase), phase) * strength).to(torch.complex64)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _fill(strength: NDArray[Any], detour: NDArray[Any], turns: NDArray[Any], A: NDArray[Any]) -> None:
    single = np.float32
    # Least-squares polynomials of sin and cos on an eighth of a turn either side, in x and x^2.
    s1, s3, s5 = single(-1.6666654611e-1), single(8.3321608736e-3), single(-1.9515295891e-4)
    c4, c6, c8 = single(4.166664568298827e-2), single(-1.388731625493765e-3), single(2.443315711809948e-5)
    quarter = single(math.pi / 2)
    for f in range(len(turns)):
        row = A[f]
        for i in range(len(detour)):
            quarters = -4.0 * turns[f] * detour[i]
            whole = np.rint(quarters)
            x = single(quarters - whole) * quarter
            # Which quarter of the turn, 0 to 3.
            q = np.int32(whole - 4.0 * np.floor(whole * 0.25))
            xx = x * x
            sine = x + x * xx * (s1 + xx * (s3 + xx * s5))
            cosine = single(1) - single(0.5) * xx + xx * xx * (c4 + xx * (c6 + xx * c8))
            odd = (q & 1) == 1
            real = sine if odd else cosine
            imag = cosine if odd else sine
            real = -real if (q == 1) | (q == 2) else real
            imag = -imag if q >= 2 else imag
            row[i, 0] = strength[i] * real
            row[i, 1] = strength[i] * imag
