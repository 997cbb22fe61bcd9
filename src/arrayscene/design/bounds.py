"""How well any method could tell a source's direction: the Cramer-Rao lower bound for one source in sensor noise."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.localize.grid import to_angles
from arrayscene.response import far_field

STEP = 1e-5
"""Radians to either side, between which responses are differenced."""

BLIND = 1e-7
"""Smallest eigenvalue of the information, relative to the largest, below which a direction counts as not told."""


def direction_information(A: Tensor, dA: Tensor, snr: Tensor, n_snapshots: Tensor) -> Tensor:
    """Fisher information about the direction of one Gaussian source whose power and noise level are unknown at each frequency.

    With R(f) = p(f) a a^H + s(f) I, r = p / s and d_i = da / dq_i:
    J_ij = sum_f 2 T(f) r^2 |a|^2 / (1 + r |a|^2) Re(d_i^H (I - a a^H / |a|^2) d_j).
    Its inverse bounds the covariance of any unbiased estimate of the angles q.

    Args:
        A: (..., freq, mic, source) responses.
        dA: (angle, ..., freq, mic, source) their derivatives by the angles, per radian.
        snr: (..., freq) r, power density of the source over that of the noise at a microphone of unit response.
        n_snapshots: (freq,) T, independent snapshots: duration times bandwidth, where frequencies stand for bands.

    Returns: (..., source, angle, angle), radians^-2.

    Cost: O(freq mic source angle^2). Differentiable in all.

    Reference: P. Stoica and A. Nehorai, "Performance study of conditional and unconditional direction-of-arrival estimation",
    IEEE Trans. ASSP, 1990.
    """
    power = A.abs().square().sum(-2).clamp_min(torch.finfo(A.real.dtype).tiny)
    along = (A.conj() * dA).sum(-2)
    across = torch.einsum("i...ms,j...ms->...sij", dA.conj(), dA)
    across = across - torch.einsum("i...s,j...s->...sij", along.conj(), along / power)
    weight = 2 * n_snapshots[:, None] * snr[..., None].square() * power / (1 + snr[..., None] * power)
    information: Tensor = (weight[..., None, None] * across.real).sum(-4)
    return information


def angular_derivatives(array: MicrophoneArray, toward: NDArray[np.float64], along: NDArray[np.float64], f: Tensor) -> Tensor:
    """How an array's far-field response changes as its sources move: central differences.

    Args:
        array: microphones.
        toward: (source, 3) unit vectors to the sources.
        along: (angle, source, 3) unit vectors, perpendicular to those, along which they move.
        f: (freq,) hertz.

    Returns: (angle, freq, mic, source) per radian.

    Cost: two responses for each angle and source.
    """
    moved = np.stack([np.cos(STEP) * toward + sign * np.sin(STEP) * along for sign in (1, -1)])
    azimuth, elevation = to_angles(moved.reshape(-1, 3))
    A = far_field(array, torch.tensor(azimuth), torch.tensor(elevation), frequencies=f).matrix()
    ahead, behind = A.reshape(*A.shape[:-1], 2, *along.shape[:2]).movedim((-3, -2), (0, 1))
    slope: Tensor = (ahead - behind) / (2 * STEP)
    return slope


def angle_error(information: Tensor) -> Tensor:
    """Least standard deviation (..., source), radians, of the first angle where the others are known; infinite where blind.

    Blind: the response does not change with the angle, as that of a line for a source in its direction.
    """
    told = information[..., 0, 0].clamp_min(0)
    largest = told.amax(-1, keepdim=True)
    return torch.where(told > BLIND * largest, told, 0).rsqrt()


def direction_error(information: Tensor) -> Tensor:
    """Least root mean square angle (..., source), radians, between estimated and true direction, two unknown angles.

    sqrt(trace J^-1); infinite where a change of direction leaves the response as it is, as around a line's cone.
    """
    values = torch.linalg.eigvalsh(information)
    told = values[..., 0] > BLIND * values[..., -1]
    smallest = torch.finfo(values.dtype).tiny
    return torch.where(told, values.clamp_min(smallest).reciprocal().sum(-1).sqrt(), torch.inf)
