"""Source models of independent vector analysis: how much a bin of a source counts, from how loud the source is around it.

Each is a function from powers |y|^2 to the weights of an auxiliary function, sum_t w |y|^2: one over the variance that the model
would give the bin. Spherical models take the mean power over frequency, (..., 1, source, frame); the banded one every bin.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.kernels import banded_weights

Model = Literal["banded", "gauss", "laplace"]

FLOOR = 1e-3
"""Least variance of a Gaussian, relative to its mean over frames: so that a pause does not rule everything."""

QUIETEST = 1e-6
"""The same of a generalised Gaussian, whose weights grow less with silence."""

SILENCE = 1e-20
"""Power of an output below which it is silent, and no frame counts more than another; recordings are brought to about 1."""

BANDS_HZ = (31.0, 250.0)
"""Least half widths of the two bands of the banded model; the second grows to `RELATIVE_BAND` of the frequency."""

RELATIVE_BAND = 0.2


def source_weights(power: Tensor, model: Model | float, top: float) -> Tensor:
    """Weights of the model with that name, or of the generalised Gaussian with that shape.

    Args:
        power: (..., freq, source, frame) of every bin for "banded", else its mean over frequency.
        model: "banded", "gauss", "laplace", or beta.
        top: hertz of the highest frequency.
    """
    if model == "banded":
        return banded(power, top)
    if model == "gauss":
        return gauss(power)
    return generalized_gauss(power, 1.0 if model == "laplace" else model)


def check_model(model: Model | float, who: str, *, banded: bool = True) -> None:
    """Refuse models that there are not; `banded`: whether that one may be asked for."""
    names = ("banded", "gauss", "laplace") if banded else ("gauss", "laplace")
    if model not in names and not (isinstance(model, float | int) and 0 < model < 2):
        raise ShapeError(
            f"{who}: model {model!r} came; {', '.join(map(repr, names))}, or the shape of a generalised Gaussian, above 0 and"
            " below 2, is needed"
        )


def gauss(power: Tensor, level: Tensor | None = None) -> Tensor:
    """A Gaussian whose variance changes in time, alike at all frequencies: w = 1 / |y|^2, in units of its mean over time.

    Args:
        power: (..., freq, source, frame) real.
        level: (..., freq, source, 1) long-term mean; None: that of these frames.

    Reference: N. Ono, "Auxiliary-function-based independent vector analysis with power of vector-norm type weighting functions",
    APSIPA 2012.
    """
    level = power.mean(-1, keepdim=True) if level is None else level
    return (level + SILENCE) / (power + FLOOR * level + SILENCE)


def generalized_gauss(power: Tensor, beta: float, level: Tensor | None = None) -> Tensor:
    """A spherical generalised Gaussian, p(y) ~ exp(-r^beta), r the root of the power: w = (beta / 2) r^(beta - 2).

    Args:
        power: (..., freq, source, frame) real.
        beta: shape, above 0 and below 2; the smaller, the sparser; 1 is the spherical Laplacian, w = 1 / 2r.
        level: (..., freq, source, 1) long-term mean; None: that of these frames.

    Reference: N. Ono, "Auxiliary-function-based independent vector analysis with power of vector-norm type weighting functions",
    APSIPA 2012.
    """
    level = power.mean(-1, keepdim=True) if level is None else level
    return 0.5 * beta * (power + QUIETEST * level + SILENCE) ** (0.5 * beta - 1)


def banded(power: Tensor, top: float) -> Tensor:
    """A variance that is the geometric mean of those in a narrow band, a wide band and all frequencies; see `banded_weights`.

    Args:
        power: (..., freq, source, frame) real, every bin.
        top: hertz of the highest frequency.
    """
    return banded_weights(power, _band_edges(power.shape[-3], top).to(power.device))


def _band_edges(n_freqs: int, top: float) -> Tensor:
    """(3, freq, 2) bins of the narrow band, the wide band and all frequencies around each bin."""
    bins = torch.arange(n_freqs)
    narrow, wide = (half * (n_freqs - 1) / top for half in BANDS_HZ)
    halves = (torch.full((n_freqs,), narrow), torch.clamp(RELATIVE_BAND * bins, min=wide), torch.full((n_freqs,), float(n_freqs)))
    return torch.stack(
        [torch.stack([(bins - h.long()).clamp(min=0), (bins + h.long() + 1).clamp(max=n_freqs)], dim=-1) for h in halves]
    )
