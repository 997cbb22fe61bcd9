"""Fixed-point iterations of independent component analysis: white mixtures turned until their sources are least Gaussian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import torch
from torch import Tensor

from arrayscene.errors import ShapeError

Contrast = Literal["exp", "kurtosis", "log", "logcosh", "sqrt"]
Algorithm = Literal["deflation", "symmetric"]

OFFSET = 0.1
"""Power that keeps the "log" and "sqrt" contrasts smooth at zero, relative to the source's."""

CACHED = 1 << 16
"""Values worked on at once."""

SEED = 0
"""Of the start where no generator comes: any that no mixture is symmetric about."""


def fixed_points(
    z: Tensor,
    contrast: Contrast,
    algorithm: Algorithm,
    *,
    n_iter: int,
    tolerance: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """W (..., source, source), unitary, that makes the rows of W z extremes of the contrast; z (..., source, sample) white."""
    n = z.shape[-2]
    generator = torch.Generator().manual_seed(SEED) if generator is None else generator
    start = torch.randn(n, n, dtype=torch.promote_types(z.dtype, torch.float64), generator=generator, device=generator.device)
    W: Tensor = torch.linalg.qr(start)[0].to(z).expand(*z.shape[:-2], n, n)
    if algorithm == "symmetric":
        return _iterate(z, W, contrast, _orthonormal, n_iter, tolerance)
    found = W[..., :0, :]
    for k in range(n):
        row = _iterate(z, W[..., k : k + 1, :], contrast, lambda w, kept=found: _apart(w, kept), n_iter, tolerance)  # type: ignore[misc]
        found = torch.cat([found, row], dim=-2)
    return found


def check_contrast(contrast: str, algorithm: str, who: str) -> None:
    """Refuse what there is not."""
    if contrast not in _CONTRASTS or algorithm not in ("deflation", "symmetric"):
        raise ShapeError(
            f"{who}: contrast {contrast!r}, algorithm {algorithm!r} came; {', '.join(map(repr, sorted(_CONTRASTS)))}, and"
            " 'deflation' or 'symmetric', can be had"
        )


def _iterate(
    z: Tensor, W: Tensor, contrast: Contrast, constrain: Callable[[Tensor], Tensor], n_iter: int, tolerance: float
) -> Tensor:
    W = constrain(W)
    settled = torch.zeros((*W.shape[:-2], 1, 1), dtype=torch.bool, device=W.device)
    for _ in range(n_iter):
        new = constrain(_step(z, W, contrast))
        change = 1 - (new * W.conj()).sum(-1, keepdim=True).abs()
        # Each recording ends by itself, so that it comes out alike alone and among others.
        W = torch.where(settled, W, new)
        settled = settled | (change.amax(-2, keepdim=True) < tolerance)
        if bool(settled.all()):
            break
    return W


def _step(z: Tensor, W: Tensor, contrast: Contrast) -> Tensor:
    """E{f(|s|) s / |s| z^H} - E{f'} W, s = W z: what Newton's method makes of each row."""
    moment, slope = torch.zeros_like(W), torch.zeros_like(W[..., :1].real)
    # A stretch at a time, of which all that follows stays in the cache.
    stretch = max(CACHED // max(z.shape[:-1].numel(), 1), 1)
    for start in range(0, z.shape[-1], stretch):
        part = z[..., start : start + stretch]
        s = W @ part
        gain, steepness = _CONTRASTS[contrast](s.abs())
        if z.is_complex():
            # The mean over the two directions of the complex plane, along which f' and across which f / r is the slope.
            steepness = 0.5 * (steepness + gain)
        moment = moment + (gain * s) @ part.mH
        slope = slope + steepness.sum(-1, keepdim=True)
    return (moment - slope * W) / z.shape[-1]


def _orthonormal(W: Tensor) -> Tensor:
    """(W W^H)^(-1/2) W, the nearest matrix with orthonormal rows."""
    # By singular vectors, which are orthonormal also where noise leaves W nearly singular.
    U, _, V = torch.linalg.svd(W, full_matrices=False)
    nearest: Tensor = U @ V
    return nearest


def _apart(w: Tensor, kept: Tensor) -> Tensor:
    """Row w (..., 1, source) of unit length, orthogonal to those that were found."""
    # Twice, since the first time leaves rounding errors of a row that is nearly among those.
    for _ in range(2):
        w = w - w @ kept.mH @ kept
        w = w / torch.linalg.vector_norm(w, dim=-1, keepdim=True).clamp_min(torch.finfo(w.dtype).tiny)
    return w


def _logcosh(r: Tensor) -> tuple[Tensor, Tensor]:
    t = torch.tanh(r)
    return t / r.clamp_min(torch.finfo(r.dtype).tiny), 1 - t.square()


def _exp(r: Tensor) -> tuple[Tensor, Tensor]:
    e = torch.exp(-0.5 * r.square())
    return e, (1 - r.square()) * e


def _kurtosis(r: Tensor) -> tuple[Tensor, Tensor]:
    power = r.square()
    return power, 3 * power


def _log(r: Tensor) -> tuple[Tensor, Tensor]:
    power = r.square()
    return 1 / (OFFSET + power), (OFFSET - power) / (OFFSET + power).square()


def _sqrt(r: Tensor) -> tuple[Tensor, Tensor]:
    power = OFFSET + r.square()
    return 0.5 * power.rsqrt(), 0.5 * OFFSET * power**-1.5


_CONTRASTS: Final[dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]]] = {
    "exp": _exp,
    "kurtosis": _kurtosis,
    "log": _log,
    "logcosh": _logcosh,
    "sqrt": _sqrt,
}
"""From the modulus r to f(r) / r and f'(r)."""
