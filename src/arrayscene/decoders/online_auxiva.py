"""Independent vector analysis that learns while it separates, block by block."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_number
from arrayscene.decoders.base import Decoder, Estimate, check_wanted
from arrayscene.decoders.demixing import check_count, starting_matrix
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.linear import relative_to
from arrayscene.decoders.majorization import NOISE, UPDATES, check_update, from_elsewhere
from arrayscene.decoders.quality import noise_gain
from arrayscene.decoders.reliability import reliability
from arrayscene.decoders.source_models import SILENCE, check_model, gauss, generalized_gauss
from arrayscene.errors import ShapeError
from arrayscene.kernels import exact_covariance, output_power, source_covariances
from arrayscene.linalg import fit_linear
from arrayscene.response import MatrixResponse, Response

START = 20
"""Frames that the start counts for."""


class OnlineState(NamedTuple):
    """What the frames so far have taught; all but `frequencies` in complex128 or float64.

    Attributes:
        W: (..., freq, output, mic) demixing, its rows at the scale of the source model.
        V: (..., freq, output, mic, mic) weighted covariances.
        R: (..., freq, mic, mic) covariance of the recording.
        level: (..., 1, output, 1) mean power of the outputs.
        held: (..., freq, output, mic, mic) everywhere but the outputs' directions, see `from_elsewhere`.
        n_frames: frames so far, silent ones not counted.
        frequencies: (freq,) hertz, or bins where no response says them.
    """

    W: Tensor
    V: Tensor
    R: Tensor
    level: Tensor
    held: Tensor
    n_frames: Tensor
    frequencies: Tensor


class OnlineAuxIVA(Decoder):
    """Block-online auxiliary-function independent vector analysis: learns from every block, then separates it.

    V_k <- (1 - g) V_k + g <w_k y y^H>, with the weights w_k of the block's outputs and g = 1 - alpha^block; then W is swept
    against V as by `AuxIVA`, and its outputs are scaled to the reference microphone by the minimal-distortion principle, with a
    covariance R that is averaged alike. In the beginning every frame counts as much as any before. With fewer sources than
    microphones the other outputs are taken to be noise, as by `OverIVA`. Nothing is learnt in digital silence.

    With a response, the demixing starts from its pseudo-inverse and the outputs belong to its sources; without, it starts from
    the first microphones.

    Args:
        n_sources: outputs; None: those of the response, or as many as microphones.
        model: "gauss", "laplace" or the shape of a generalised Gaussian, as of `AuxIVA`.
        update: "ip" (iterative projection) or "ip2" (in pairs), see `arrayscene.kernels`.
        block: frames an update.
        forgetting: alpha, above 0 and below 1; the memory is hop / (1 - alpha) long, e.g. 6.4 s for 0.995 and a hop of 32 ms.
        n_sweeps: sweeps of the update a block.
        directional: how strongly each output is held to its direction, where the response is known, as of `AuxIVA`.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    Cost: O(freq source mic^2) a frame and O(freq source mic^3) a block. Differentiable in y through the torch statements.
    Latency: the block, besides the transform.

    Raises: ShapeError for more sources than microphones, or arguments outside their range.

    Reference: T. Taniguchi, N. Ono, A. Kawamura and S. Sagayama, "An auxiliary-function approach to online independent vector
    analysis for real-time blind source separation", HSCMA 2014.
    """

    block: int
    reference: int

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        model: Literal["gauss", "laplace"] | float = "gauss",
        update: Literal["ip", "ip2"] = "ip2",
        block: int = 4,
        forgetting: float = 0.99,
        n_sweeps: int = 1,
        directional: float = 0.0,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__()
        for name, number in {"forgetting": forgetting, "directional": directional, "loading": loading}.items():
            check_number(f"OnlineAuxIVA: {name}", number)
        check_model(model, "OnlineAuxIVA", banded=False)
        check_update(update, ("ip", "ip2"), "OnlineAuxIVA")
        if block < 1 or not 0 < forgetting < 1:
            raise ShapeError(
                f"OnlineAuxIVA: block={block}, forgetting={forgetting} came; at least 1 frame and a factor between 0 and 1 are"
                " needed"
            )
        check_wanted(n_sources, type(self).__name__)
        self.n_sources, self.model, self.update, self.block, self.forgetting = n_sources, model, update, block, forgetting
        self.n_sweeps, self.directional, self.reference, self.loading = n_sweeps, directional, reference, loading

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> OnlineState:
        """State before the first frame; `y` gives axes and device."""
        n_mics, n_freqs = y.shape[-3:-1]
        leading = y.shape[:-3]
        eye = torch.eye(n_mics, dtype=torch.complex128, device=y.device).expand(*leading, n_freqs, n_mics, n_mics)
        A = None if response is None else response.matrix()
        n_outputs = self.n_sources or (n_mics if A is None else A.shape[-1])
        check_count("OnlineAuxIVA", n_outputs if A is None else max(n_outputs, A.shape[-1]), n_mics)
        start = eye if A is None else starting_matrix(A, self.loading).expand_as(eye)
        held = from_elsewhere(eye[..., :0] if A is None else A, n_outputs)
        mixing = torch.linalg.inv(start)
        frequencies = torch.arange(n_freqs, dtype=torch.float64) if response is None else response.frequencies
        return OnlineState(
            W=start[..., :n_outputs, :],
            V=(mixing @ mixing.mH)[..., None, :, :].expand(*leading, n_freqs, n_outputs, n_mics, n_mics),
            R=eye,
            level=eye.real.new_ones((*leading, 1, n_outputs, 1)),
            held=held.expand(*leading, n_freqs, n_outputs, n_mics, n_mics),
            n_frames=eye.real.new_zeros((*leading, 1, 1, 1)),
            frequencies=frequencies,
        )

    def step(self, y: Tensor, state: OnlineState) -> tuple[Estimate, OnlineState]:
        """Learn from the next frames and separate them."""
        frames = y.movedim(-3, -2).to(torch.complex128).contiguous()
        state = self._learn(frames, state)
        mixing = fit_linear(state.R, state.W)
        D = mixing[..., self.reference, :, None] * state.W
        A = relative_to(mixing, self.reference)
        stats = Figures(noise_gain=lambda: noise_gain(D.detach()), reliability=lambda: reliability(D.detach(), A.detach()))
        x = (D @ frames).movedim(-2, -3).to(y.dtype)
        return Estimate(x, MatrixResponse(A.to(y.dtype), state.frequencies), stats), state

    def _learn(self, frames: Tensor, state: OnlineState) -> OnlineState:
        parts = torch.stack([frames.real, frames.imag], dim=-3)
        sounding = (parts.square().sum(dim=(-4, -3, -2)) > 0).to(parts.dtype)[..., None, None, :]
        n_new = sounding.sum(-1, keepdim=True)
        share = frames.shape[-1] / n_new.clamp_min(1)
        gain = torch.maximum(1 - self.forgetting**n_new, n_new / (START + state.n_frames + n_new))
        first = state.n_frames == 0

        R = exact_covariance(frames) * share
        eye = torch.eye(frames.shape[-2], dtype=R.dtype, device=R.device)
        # Before the first frame all that is known is nothing: white noise as loud as that frame.
        R = (1 - gain) * torch.where(first, _loudness(R) * eye, state.R) + gain * R
        loudness = _loudness(R)[..., None]
        loudness = loudness + NOISE * loudness.amax(dim=-4, keepdim=True) + torch.finfo(loudness.dtype).tiny ** 0.5

        # Outputs start at unit power, so that the model meets the same numbers however loud the recording.
        power = output_power(parts, state.W, pooled=True)
        start = (power.mean(-1, keepdim=True) * share).clamp_min(torch.finfo(power.dtype).tiny)
        W = torch.where(first, state.W * start.rsqrt(), state.W)
        power = torch.where(first, power / start, power)
        level = (1 - gain) * state.level + gain * power.mean(-1, keepdim=True) * share
        if self.model == "gauss":
            # Not in units of the level: V still holds the weights of frames when it was another.
            weights = gauss(power, level) / (level + SILENCE)
        else:
            weights = generalized_gauss(power, 1.0 if self.model == "laplace" else float(self.model), level)
        V = source_covariances(parts, weights * sounding * share, loudness * (NOISE * eye + self.directional * state.held))
        # From the start W is at rest: V as strong as the first frames make it, and nothing in common between outputs.
        strength = (state.W[..., None, :] @ V @ state.W[..., None, :].mH).real
        V = (1 - gain[..., None]) * torch.where(first[..., None], strength * state.V, state.V) + gain[..., None] * V

        L = torch.linalg.cholesky(R + NOISE * loudness[..., 0] * eye)
        inverse = torch.linalg.inv(L)
        white = inverse[..., None, :, :] @ V @ inverse.mH[..., None, :, :]
        W = UPDATES[self.update](W @ L, white, self.n_sweeps) @ inverse
        learnt = state._replace(W=W, V=V, R=R, level=level, n_frames=state.n_frames + n_new)
        silent = n_new == 0
        return learnt._replace(
            W=torch.where(silent, state.W, W),
            V=torch.where(silent[..., None], state.V, V),
            R=torch.where(silent, state.R, R),
            level=torch.where(silent, state.level, level),
        )


def _loudness(R: Tensor) -> Tensor:
    """(..., freq, 1, 1) power at a microphone."""
    return R.diagonal(dim1=-2, dim2=-1).real.mean(-1)[..., None, None]
