"""Minimising by upper bounds: how methods with auxiliary functions learn a demixing matrix, source model and update apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from arrayscene.decoders.source_models import Model, source_weights
from arrayscene.errors import ShapeError
from arrayscene.kernels import (
    Whitened,
    ip2_update,
    ip_update,
    ipa_update,
    iss_update,
    output_power,
    source_covariances,
    whiten,
)

UPDATES: Final = {"ip": ip_update, "ip2": ip2_update, "ipa": ipa_update, "iss": iss_update}

SWEEPS: Final = {"ip": 4, "ip2": 1, "ipa": 1, "iss": 8}
"""Sweeps between two weightings: beside the covariances they cost little, and the first few are nearly worth a weighting each."""

NOISE = 1e-10
"""Power of the sensor noise that is taken for granted, relative to each bin's mean; recordings hold far more."""


def majorized(
    white: Whitened, start: Tensor, model: Model | float, top: float, update: str, n_iter: int, n_sweeps: int | None
) -> Tensor:
    """D (..., freq, output, mic) of the recording: `n_iter` times the bins are weighted, and W swept against their covariances.

    Args:
        white: the recording, see `whitened`.
        start: (..., freq, output, mic) D of the recording to start from.
        model: source model, see `source_weights`.
        top: hertz of the highest frequency.
        update: name of a sweep of W against weighted covariances.
        n_iter: times that the bins are weighted.
        n_sweeps: sweeps after each; None: as `SWEEPS` says.
    """
    # The updates are the same in any axes of the mixture; in these all that they meet is well-conditioned.
    W = white.demixing(start)
    for _ in range(n_iter):
        weights = source_weights(output_power(white.parts, W, pooled=model != "banded"), model, top)
        W = UPDATES[update](W, source_covariances(white.parts, weights, white.noise), n_sweeps or SWEEPS[update])
    return white.undone(W)


def whitened(mixture: Tensor) -> Whitened:
    """A mixture (..., freq, mic, frame) made white, with the sensor noise that is taken for granted."""
    power = torch.view_as_real(mixture).square().sum(dim=(-3, -2, -1)) / mixture.shape[-2:].numel()
    white = whiten(mixture, NOISE * (power + NOISE))
    # Sums over frames are no more exact than this.
    rounding = torch.finfo(power.dtype).eps * torch.eye(mixture.shape[-2], dtype=white.noise.dtype, device=mixture.device)
    return white._replace(noise=white.noise + rounding)


def held_to_directions(white: Whitened, A: Tensor, n_outputs: int, strength: float) -> Whitened:
    """The same with noise taken for granted from everywhere but each output's direction, which keeps its row turned there.

    N_k gains strength sigma^2 L^-1 (I - a_k a_k^H / |a_k|^2) L^-H, sigma^2 the recording's power at a microphone.

    Args:
        white: the recording.
        A: (..., freq, mic, source) columns a_k; those of the first outputs. Outputs beyond them are held nowhere.
        n_outputs: in all.
        strength: of the noise, relative to the recording; 0 for none.

    Reference: after L. Li and K. Koishida, "Geometrically constrained independent vector analysis for directional speech
    enhancement", ICASSP 2020, whose penalty |w_k a_k - 1|^2 would ask for outputs at a known scale.
    """
    if strength == 0:
        return white
    power = white.factor.abs().square().sum(dim=(-2, -1)) / A.shape[-2]
    inverse = torch.linalg.inv(white.factor)[..., None, :, :]
    noise = inverse @ from_elsewhere(A, n_outputs) @ inverse.mH
    return white._replace(noise=white.noise + strength * power[..., None, None, None] * noise)


def from_elsewhere(A: Tensor, n_outputs: int) -> Tensor:
    """I - a_k a_k^H / |a_k|^2 (..., freq, output, mic, mic) of the columns of A (..., freq, mic, source), 0 for other outputs."""
    n_mics, n_held = A.shape[-2], min(A.shape[-1], n_outputs)
    a = (A / torch.linalg.vector_norm(A, dim=-2, keepdim=True))[..., :n_held].mT[..., None]
    elsewhere = torch.eye(n_mics, dtype=A.dtype, device=A.device) - a @ a.mH
    return torch.nn.functional.pad(elsewhere, (0, 0, 0, 0, 0, n_outputs - n_held))


def check_update(update: str, wanted: Sequence[str], who: str) -> None:
    """Refuse updates that there are not."""
    if update not in wanted:
        raise ShapeError(f"{who}: update {update!r} came; {', '.join(map(repr, wanted))} can be had")
