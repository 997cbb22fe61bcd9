"""One source in steady noise: a Wiener filter whose noise comes from the recording's own quiet frames."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.errors import ShapeError
from arrayscene.kernels import multichannel_wiener
from arrayscene.linalg import covariance, fit_response, load_diagonal, squared_abs
from arrayscene.response import MatrixResponse, Response


class NoiseState(NamedTuple):
    """Covariances (..., freq, 2, mic, mic) of source (unit mean power) and noise, the noise's power, and the A that was found."""

    covariances: Tensor
    noise_power: Tensor
    response: Response


class QuietNoiseWiener(Decoder):
    """Everything that is not steady noise, as heard at the reference microphone.

    x = v R_s (v R_s + R_n)^-1 y, with R_n the covariance of the quietest frames, R_s what the whole recording has beyond it, and
    v = max(|y|^2 / M - |n|^2 / M, 0) in every bin. For a single source: it keeps the source's reverberation, which separation
    from a direction would take for another source.

    Args:
        quiet: share of the frames, by broad-band level, that are noise alone.
        floor: least v, relative to the noise at each frequency.
        reference: microphone, from 0.

    Cost: O(freq frame mic^3). Differentiable through the torch statement of the filter. Latency: the whole recording in `init`,
    none beyond the transform in `step`.

    Raises: ShapeError for a response of more than one source.

    Reference: S. Doclo and M. Moonen, "GSVD-based optimal filtering for single and multimicrophone speech enhancement", IEEE TSP
    2002.
    """

    reference: int

    def __init__(self, *, quiet: float = 0.1, floor: float = 1e-2, reference: int = 0) -> None:
        super().__init__()
        if not 0 < quiet <= 1:
            raise ShapeError(f"QuietNoiseWiener: quiet={quiet} came; a share between 0 and 1 is needed")
        self.quiet, self.floor, self.reference = quiet, floor, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> NoiseState:
        """Learn both covariances."""
        if response is not None and response.matrix().shape[-1] != 1:
            raise ShapeError(
                f"QuietNoiseWiener: {response.matrix().shape[-1]} sources came; it recovers one, take MultichannelWiener"
            )
        level = squared_abs(y).mean(dim=(-3, -2))
        # Digital silence before and after is not the room's noise.
        level = torch.where(level > 1e-9 * level.amax(-1, keepdim=True), level, torch.inf)
        n_quiet = max(round(self.quiet * y.shape[-1]), 1)
        frames = level.argsort(dim=-1)[..., None, None, :n_quiet].expand(*y.shape[:-1], n_quiet)
        R_n = covariance(y.gather(-1, frames))
        noise_power = R_n.diagonal(dim1=-2, dim2=-1).real.mean(-1)
        values, vectors = torch.linalg.eigh(covariance(y) - R_n)
        R_s = load_diagonal((vectors * values.clamp_min(0)[..., None, :]) @ vectors.mH, 1e-3)
        power = R_s.diagonal(dim1=-2, dim2=-1).real.mean(-1)
        covariances = torch.stack([R_s / power[..., None, None], R_n], dim=-3)
        x = y[..., self.reference : self.reference + 1, :, :]
        top = float(y.shape[-2] - 1) if response is None else float(response.frequencies[-1])
        frequencies = torch.linspace(0.0, top, y.shape[-2], dtype=torch.float64)
        return NoiseState(covariances, noise_power, MatrixResponse(fit_response(y, x), frequencies))

    def step(self, y: Tensor, state: NoiseState) -> tuple[Estimate, NoiseState]:
        """Filter the next frames."""
        power = squared_abs(y).mean(-3)
        tiny = torch.finfo(power.dtype).tiny * 1e6
        least = self.floor * state.noise_power[..., None] + tiny
        variances = torch.stack([(power - state.noise_power[..., None]).maximum(least), torch.ones_like(power)], dim=-3)
        x = multichannel_wiener(y, variances, state.covariances, 1e-3 * state.noise_power + tiny, self.reference)
        return Estimate(x[..., :1, :, :], state.response, {"noise_power": state.noise_power}), state
