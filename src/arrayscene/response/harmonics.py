"""Real spherical harmonics, the channels of Ambisonics."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import lpmv
from torch import Tensor


def spherical_harmonics(order: int, azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Real spherical harmonics up to an order, in Ambisonics' channel order ACN and normalisation N3D.

    Y_nm = N_n|m| P_n^|m|(sin elevation) cos(m azimuth), sin(|m| azimuth) for m < 0, at channel n^2 + n + m; their mean square
    over the sphere is 1. First order: 1, sqrt(3) y, sqrt(3) z, sqrt(3) x. Divided by sqrt(2 n + 1) they are SN3D.

    Args:
        order: highest n.
        azimuth: (direction,) radians.
        elevation: (direction,) radians.

    Returns: ((order + 1)^2, direction) float64, on the directions' device.

    Reference: C. Nachbar, F. Zotter, E. Deleflie and A. Sontacchi, "ambiX - a suggested Ambisonics format", Ambisonics Symposium
    2011.
    """
    phi, height = azimuth.detach().double().cpu().numpy(), np.sin(elevation.detach().double().cpu().numpy())
    channels = []
    for n in range(order + 1):
        for m in range(-n, n + 1):
            k = abs(m)
            # scipy's Legendre functions carry the factor (-1)^m, which Ambisonics leaves out.
            scale = (-1) ** k * math.sqrt((2 * n + 1) * (1 if m == 0 else 2) * math.factorial(n - k) / math.factorial(n + k))
            turn = np.cos(k * phi) if m >= 0 else np.sin(k * phi)
            channels.append(scale * lpmv(k, n, height) * turn)
    return torch.from_numpy(np.stack(channels)).to(azimuth.device)


def channel_orders(order: int) -> Tensor:
    """The order n of every channel, ((order + 1)^2,) integers."""
    return torch.tensor([n for n in range(order + 1) for _ in range(2 * n + 1)])
