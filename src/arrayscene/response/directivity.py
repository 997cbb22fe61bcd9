"""What a microphone that is no mere point makes of a sound field: gain by direction, and the covariance of diffuse sound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from arrayscene.errors import GeometryError


@dataclass(frozen=True, eq=False)
class Directivity:
    """First-order directivity of microphones: gain p + (1 - p) <axis, direction from the microphone to the source>.

    Args:
        p: (..., mic) 1 omnidirectional, 0.5 cardioid, 0.25 hypercardioid, 0 figure of eight.
        axes: (..., mic, 3) vectors of any length in which the microphones look.

    Differentiable in both.

    Raises: GeometryError for p outside of 0 to 1, or axes of another number or without length.
    """

    p: Tensor
    axes: Tensor

    def __post_init__(self) -> None:
        p, axes = self.p.to(torch.float64), self.axes.to(torch.float64)
        lengths = axes.square().sum(-1, keepdim=True).sqrt()
        if axes.ndim < 2 or axes.shape[-1] != 3 or p.shape[-1:] != axes.shape[-2:-1]:
            raise GeometryError(
                f"Directivity: p of shape {tuple(p.shape)} and axes of shape {tuple(axes.shape)} came; (..., mic) and"
                " (..., mic, 3) are needed"
            )
        if not bool(((p >= 0) & (p <= 1)).all() and (torch.isfinite(lengths) & (lengths > 0)).all()):
            raise GeometryError("Directivity: p outside of 0 to 1, or an axis without direction, came; correct that microphone")
        object.__setattr__(self, "p", p)
        object.__setattr__(self, "axes", axes / lengths)


def gain(p: Tensor, cosine: Tensor) -> Tensor:
    """(..., mic, source) gain p + (1 - p) cos of microphones with p (..., mic)."""
    return p[..., None] + (1 - p[..., None]) * cosine


def diffuse_covariance(positions: Tensor, k: Tensor, p: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
    """Covariance of free-field microphones in a spherically isotropic field of unit power plane waves, in closed form.

    Gamma_mn = (1 / 4 pi) integral g_m(u) g_n(u) e^{j k <u, p_m - p_n>} du; sin(k d) / (k d) for omnidirectional microphones. A
    cosine in g is a derivative of that along the axis, which leads to spherical Bessel functions of orders 1 and 2.

    Args:
        positions: (..., mic, 3) metres.
        k: (freq,) wave numbers, rad/m.
        p: (..., mic) as in `Directivity`; None for omnidirectional microphones.
        axes: (..., mic, 3) unit vectors.

    Returns: (..., freq, mic, mic) complex128. Differentiable in all, coinciding microphones included.

    Reference: M. Brandstein and D. Ward (eds.), "Microphone Arrays", 2001, chapter 4 (omnidirectional microphones).
    """
    apart = positions[..., :, None, :] - positions[..., None, :, :]
    k = k[:, None, None]
    flat, first, second = _bessel_quotients(k.square() * apart.square().sum(-1)[..., None, :, :])
    if p is None or axes is None:
        return flat.to(torch.complex128)
    q, p = (1 - p)[..., None, :], p[..., None, :]
    # How far apart two microphones are along the axis of the first, and along that of the second.
    ahead = (axes[..., :, None, :] * apart).sum(-1)[..., None, :, :]
    behind = (axes[..., None, :, :] * apart).sum(-1)[..., None, :, :]
    pp, qq, pq = ((a[..., :, None] * b[..., None, :]) for a, b in ((p, p), (q, q), (p, q)))
    aligned = (axes @ axes.mT)[..., None, :, :]
    even = pp * flat + qq * (aligned * first - k.square() * ahead * behind * second)
    odd = k * first * (pq * behind + pq.mT * ahead)
    return torch.complex(even, odd)


def _bessel_quotients(squared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """j_0(x), j_1(x) / x and j_2(x) / x^2 from x^2, smooth at 0."""
    near = squared < 1
    x = torch.where(near, 1.0, squared).sqrt()
    flat = torch.sin(x) / x
    first = (flat - torch.cos(x)) / x.square()
    second = (3 * first - flat) / x.square()
    small = torch.where(near, squared, 0.0)
    far = (flat, first, second)
    return tuple(torch.where(near, _series(small, n), far[n]) for n in range(3))  # type: ignore[return-value]


def _series(squared: Tensor, n: int) -> Tensor:
    """j_n(x) / x^n = sum_k (-x^2 / 2)^k / (k! (2 n + 2 k + 1)!!), to double precision for x <= 1."""
    term = torch.full_like(squared, 1 / (1, 3, 15)[n])
    total = term
    for i in range(1, 10):
        term = term * squared * (-0.5 / (i * (2 * n + 2 * i + 1)))
        total = total + term
    return total
