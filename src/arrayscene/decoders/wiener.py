"""The multichannel Wiener filter: what a linear decoder found, as statistics for one that changes from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.quality import condition
from arrayscene.errors import ShapeError
from arrayscene.kernels import multichannel_wiener
from arrayscene.linalg import fit_response
from arrayscene.response import MatrixResponse, Response
from arrayscene.stft import STFT


class WienerState(NamedTuple):
    """What the pilot found, and how far the filter has come.

    Attributes:
        variances: (..., freq, frame, source), the last source being the rest of the recording.
        covariances: (..., freq, source, mic, mic).
        noise: (..., freq) power of the sensor noise.
        response: the A that was found.
        position: frames already decoded.
    """

    variances: Tensor
    covariances: Tensor
    noise: Tensor
    response: Response
    position: int


class MultichannelWiener(Decoder):
    """A linear pilot in a long window, then a full-rank multichannel Wiener filter in a short one.

    The pilot's sources are projected back to all microphones. Each image, and what they leave of the recording, gives a spatial
    covariance R_k(f) and a variance v_k(f, t); the filter x_k = v_k R_k (sum_j v_j R_j + sigma^2 I)^-1 y takes out what a
    time-invariant D cannot: reverberation beyond the pilot's window, and whatever is quiet at the moment.

    Args:
        pilot: decoder whose sources come first; any that returns its response.
        stft: transform of the frames that come in.
        pilot_stft: transform that the pilot works in, usually four times as long.
        floor: least variance of a source, relative to its mean at that frequency.
        noise: sensor noise, relative to the mean power at each frequency.
        reference: microphone, from 0, at which the sources are heard.

    Cost: the pilot's, plus O(freq frame (mic^3 + source mic^2)). Not differentiable through the pilot's compiled sweeps.
    Latency: the whole recording in `init`.

    Raises: ShapeError for frames that `stft` did not make.

    Reference: N. Q. K. Duong, E. Vincent and R. Gribonval, IEEE TASLP 2010, eq. (30) and (31).
    """

    reference: int

    def __init__(
        self, pilot: Decoder, stft: STFT, pilot_stft: STFT, *, floor: float = 1e-3, noise: float = 1e-3, reference: int = 0
    ) -> None:
        super().__init__()
        self.pilot, self.stft, self.pilot_stft = pilot, stft, pilot_stft
        self.floor, self.noise, self.reference = floor, noise, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> WienerState:
        """Run the pilot and take its statistics."""
        if y.shape[-2] != self.stft.n_freqs:
            raise ShapeError(f"MultichannelWiener: frames of {y.shape[-2]} frequencies came; its STFT makes {self.stft.n_freqs}")
        n_samples = max(y.shape[-1] * self.stft.hop - self.stft.latency, self.stft.hop)
        missing = self.stft.n_frames(n_samples) - y.shape[-1]
        samples = self.stft.inverse(nn.functional.pad(y, (0, missing)), n_samples)
        images = self._pilot_images(samples, response, generator)
        rest = samples[..., None, :, :] - images.sum(-3, keepdim=True)
        frames = self.stft(torch.cat([images, rest], dim=-3))[..., : y.shape[-1]]
        # (..., freq, source, frame, mic) from here on.
        frames = frames.movedim(-2, -4).mT
        power = y.abs().square().mean(dim=(-3, -1))
        tiny = torch.finfo(power.dtype).tiny * 1e6
        variances = frames.abs().square().mean(-1)
        variances = variances.clamp_min(tiny).maximum(
            self.floor * variances.mean(-1, keepdim=True) + 1e-6 * power[..., None, None]
        )
        whitened = frames / variances.sqrt()[..., None]
        covariances = whitened.mT @ whitened.conj()
        trace = covariances.diagonal(dim1=-2, dim2=-1).real.mean(-1)
        covariances = covariances / trace.clamp_min(tiny)[..., None, None]
        found = MatrixResponse(fit_response(y, self._reference_frames(frames)), self._frequencies(response, self.stft.n_freqs))
        return WienerState(variances.mT, covariances, self.noise * power + tiny, found, 0)

    def step(self, y: Tensor, state: WienerState) -> tuple[Estimate, WienerState]:
        """Filter the next frames."""
        end = state.position + y.shape[-1]
        if end > state.variances.shape[-2]:
            raise ShapeError(
                f"MultichannelWiener: frames up to {end} came after an init with {state.variances.shape[-2]}; it knows those"
                " only, so init with the whole recording"
            )
        variances = state.variances[..., state.position : end, :]
        x = multichannel_wiener(y.movedim(-3, -1), variances, state.covariances, state.noise, self.reference)
        x = x.movedim(-1, -3)[..., :-1, :, :]
        stats = {"condition": condition(state.response.matrix())}
        return Estimate(x, state.response, stats), state._replace(position=end)

    def _pilot_images(self, samples: Tensor, response: Response | None, generator: torch.Generator | None) -> Tensor:
        """(..., source, mic, sample): the pilot's sources as heard at every microphone."""
        if response is not None:
            frequencies = self._frequencies(response, self.pilot_stft.n_freqs)
            response = MatrixResponse(response.matrix(frequencies), frequencies, response.diffuse(frequencies))
        x, found, _ = self.pilot(self.pilot_stft(samples), response, generator=generator)
        if found is None:
            raise ShapeError(f"MultichannelWiener: the pilot {type(self.pilot).__name__} returns no response; take one that does")
        A = found.matrix().to(x.dtype)
        images = torch.einsum("...fms,...sft->...smft", A, x)
        return self.pilot_stft.inverse(images, samples.shape[-1])

    def _reference_frames(self, frames: Tensor) -> Tensor:
        return frames[..., :-1, :, self.reference].movedim(-3, -2)

    @staticmethod
    def _frequencies(response: Response | None, n_freqs: int) -> Tensor:
        top = float(n_freqs - 1) if response is None else float(response.frequencies[-1])
        return torch.linspace(0.0, top, n_freqs, dtype=torch.float64)
