"""A prior whose every answer is known in closed form: what samplers and guidance are tested on, and the simplest prior of all."""

from __future__ import annotations

import torch
from torch import Tensor


class GaussianPrior:
    """x0 of independent Gaussian elements: D(x, sigma) = mean + v / (v + sigma^2) (x - mean).

    Args:
        variance: v, of a shape that broadcasts with x.
        mean: likewise.
    """

    def __init__(self, variance: Tensor, mean: Tensor | float = 0.0) -> None:
        self.variance, self.mean = variance, mean

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """The posterior mean."""
        return self.mean + self.variance / (self.variance + sigma**2) * (x - self.mean)


def wiener_posterior(y: Tensor, A: Tensor, R: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of x given y = A x + n, for x of independent elements of mean 0.

    C = (A^H R^-1 A + V^-1)^-1,  m = C A^H R^-1 y

    Args:
        y: (..., mic) complex.
        A: (..., mic, source).
        R: (..., mic, mic) covariance of n.
        variance: (..., source) diagonal of V.

    Returns: (..., source) and (..., source, source).
    """
    weighted = torch.linalg.solve(R, A).mH
    C = torch.linalg.inv(weighted @ A + torch.diag_embed(1 / variance).to(A.dtype))
    return (C @ weighted @ y[..., None])[..., 0], C
