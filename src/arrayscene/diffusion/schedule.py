"""Noise levels, from the loudest to silence."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.errors import ShapeError


def noise_levels(n_steps: int, sigma_max: float, sigma_min: float, *, rho: float = 7.0) -> Tensor:
    """(n_steps + 1,) float64, falling from sigma_max to sigma_min, then 0.

    sigma_i = (sigma_max^(1/rho) + i / (n_steps - 1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho

    Args:
        n_steps: calls of a first-order sampler.
        sigma_max: first level.
        sigma_min: last one above 0.
        rho: 1 spaces them evenly; more puts more of them near the end.

    Raises: ShapeError for no step, or levels that do not fall.

    Reference: Karras et al., "Elucidating the design space of diffusion-based generative models", NeurIPS 2022, eq. (5).
    """
    if n_steps < 1 or not 0 < sigma_min <= sigma_max < float("inf") or rho <= 0:
        raise ShapeError(
            f"noise_levels: {n_steps} steps from {sigma_max} to {sigma_min} with rho {rho} came; at least one step, "
            "sigma_max >= sigma_min > 0 and rho > 0 are needed"
        )
    place = torch.linspace(0, 1, n_steps, dtype=torch.float64)
    first, last = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    levels = (first + place * (last - first)) ** rho
    return torch.cat([levels, levels.new_zeros(1)])
