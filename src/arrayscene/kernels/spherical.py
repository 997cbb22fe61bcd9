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

    Returns: (freq, mic, point) complex64, within 1e-6 of the modulus.

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
        A.view(len(wave_numbers), -1).numpy(),
    )
    return A


def spherical_waves_torch(strength: Tensor, detour: Tensor, wave_numbers: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    phase = -wave_numbers[:, None, None] * detour
    return (torch.polar(torch.ones_like(phase), phase) * strength).to(torch.complex64)


# Least-squares polynomials in t^2 of sin(pi t) / t and of cos(pi t), |t| <= 1/2; what they miss is below 3e-10.
_S = tuple(np.float32(c) for c in (3.1415927, -5.1677127, 2.5501633, -0.59925222, 0.082050405, -0.0070283869))
_C = tuple(np.float32(c) for c in (1.0, -4.9348021, 4.0587091, -1.3352120, 0.23493733, -0.024396325))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _fill(strength: NDArray[Any], detour: NDArray[Any], turns: NDArray[Any], A: NDArray[Any]) -> None:
    one, two = np.float32(1), np.float32(2)
    for f in range(len(turns)):
        row, turn = A[f], turns[f]
        for i in range(len(detour)):
            whole = turn * detour[i]
            t = np.float32(np.rint(whole) - whole)
            u = t * t
            # Of half the angle, and then doubled: no branch keeps the vectors from running.
            sine = t * (_S[0] + u * (_S[1] + u * (_S[2] + u * (_S[3] + u * (_S[4] + u * _S[5])))))
            cosine = _C[0] + u * (_C[1] + u * (_C[2] + u * (_C[3] + u * (_C[4] + u * _C[5]))))
            row[i] = complex(strength[i] * (one - two * sine * sine), strength[i] * (two * sine * cosine))
