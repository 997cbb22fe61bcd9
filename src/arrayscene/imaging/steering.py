"""Steering vectors: the weights with which a map listens to each of its points."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from arrayscene.errors import GeometryError, ShapeError
from arrayscene.kernels.inner import real_inner

Formulation = Literal["classic", "inverse", "true level", "true location"]
"""Names of the four formulations of Sarradj's article, where they are numbered I to IV."""

FORMULATIONS: tuple[Formulation, ...] = get_args(Formulation)


def steering_vectors(A: Tensor, formulation: Formulation = "true level", factor: float = 1.0) -> Tensor:
    """Weights h of B = h^H C h, from transfer functions a of M microphones.

    I, "classic": h_m = a_m / (M |a_m|), phases alone. II, "inverse": h_m = 1 / (M a_m^*). III, "true level": h = a / |a|^2,
    right level of a source at its place. IV, "true location": h = a / (|a| sqrt(M)), highest at a source's place.

    Args:
        A: (freq, mic, point) complex.
        formulation: one of these names.
        factor: what all are multiplied by.

    Returns: (freq, mic, point), in the dtype of A.

    Raises:
        ShapeError: another name or shape.
        GeometryError: "classic" or "inverse" where a microphone hears nothing of a point.

    Reference: E. Sarradj, "Three-dimensional acoustic source mapping with different beamforming steering vector formulations",
    Advances in Acoustics and Vibration 2012, equations (12) to (15).
    """
    if formulation not in FORMULATIONS:
        raise ShapeError(f"steering vectors: {formulation!r} came; one of {', '.join(FORMULATIONS)} is needed")
    if A.ndim != 3 or not A.is_complex():
        raise ShapeError(f"steering vectors: {A.dtype} of shape {tuple(A.shape)} came; complex (freq, mic, point) is needed")
    n_mics = A.shape[-2]
    if formulation in ("true level", "true location"):
        total = real_inner(A, A)[..., None, :].clamp_min(torch.finfo(A.real.dtype).tiny)
        return _scaled(A, factor / total if formulation == "true level" else factor * (total * n_mics).rsqrt())
    squared = A.real.square() + A.imag.square()
    if not bool((squared > 0).all()):
        raise GeometryError(
            f"steering vectors: a microphone hears nothing of a point, so {formulation!r} is not defined; take 'true level'"
        )
    return _scaled(A, factor / n_mics / (squared.sqrt() if formulation == "classic" else squared))


def _scaled(A: Tensor, scale: Tensor) -> Tensor:
    """A times real numbers, which torch would make complex first."""
    return torch.view_as_complex(torch.view_as_real(A.resolve_conj()) * scale[..., None])
