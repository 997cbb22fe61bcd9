"""The multichannel Wiener filter: what a linear decoder found, as statistics for one that changes from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_kind
from arrayscene.decoders.base import Decoder, Estimate, check_decoder
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.quality import condition
from arrayscene.decoders.transforms import Resynthesising, at_frequencies_of, decode_samples, frequencies_of
from arrayscene.errors import ShapeError
from arrayscene.kernels import image_statistics, multichannel_wiener
from arrayscene.linalg import fit_response, squared_abs
from arrayscene.response import MatrixResponse, Response
from arrayscene.stft import STFT


class WienerState(NamedTuple):
    """What the pilot found, and how far the filter has come.

    Attributes:
        variances: (..., source, freq, frame), the last source being the rest of the recording.
        covariances: (..., freq, source, mic, mic).
        noise: (..., freq) power of the sensor noise.
        linear: (..., source, freq, frame) the pilot's own sources.
        response: the A that was found.
        position: frames already decoded.
    """

    variances: Tensor
    covariances: Tensor
    noise: Tensor
    linear: Tensor
    response: Response
    position: int


class MultichannelWiener(Resynthesising):
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
        strength: 1 filters; less adds the share that is missing of the pilot's own sources. Where the filter takes too much the
            pilot leaves too much, so that their mean is nearer to the truth than either.
        reference: microphone, from 0, at which the sources are heard.

    Cost: the pilot's, plus O(freq frame (mic^3 + source mic^2)). Not differentiable through the pilot's compiled sweeps.
    Latency: the whole recording in `init`.

    Raises: ShapeError for frames that `stft` did not make.

    Reference: N. Q. K. Duong, E. Vincent and R. Gribonval, IEEE TASLP 2010, eq. (30) and (31).
    """

    reference: int

    def __init__(
        self,
        pilot: Decoder,
        stft: STFT,
        pilot_stft: STFT,
        *,
        floor: float = 1e-3,
        noise: float = 1e-3,
        strength: float = 1.0,
        reference: int = 0,
    ) -> None:
        super().__init__()
        check_decoder("MultichannelWiener", pilot)
        for transform in (stft, pilot_stft):
            check_kind("MultichannelWiener", transform, STFT, "the STFT of the frames")
        self.pilot, self.stft, self.pilot_stft = pilot, stft, pilot_stft
        self.floor, self.noise, self.strength, self.reference = floor, noise, strength, reference

    def init_samples(
        self, y: Tensor, samples: Tensor, response: Response | None, generator: torch.Generator | None
    ) -> WienerState:
        """Run the pilot and take its statistics."""
        images = self.stft(self._pilot_images(samples, response, generator))[..., : y.shape[-1]]
        variances, covariances = image_statistics(y, images, self.floor)
        linear = images[..., self.reference, :, :]
        power = squared_abs(y).mean(dim=(-3, -1))
        tiny = torch.finfo(power.dtype).tiny * 1e6
        found = MatrixResponse(fit_response(y, linear), frequencies_of(self.stft, response))
        return WienerState(variances, covariances, self.noise * power + tiny, linear, found, 0)

    def step(self, y: Tensor, state: WienerState) -> tuple[Estimate, WienerState]:
        """Filter the next frames."""
        end = state.position + y.shape[-1]
        if end > state.variances.shape[-1]:
            raise ShapeError(
                f"MultichannelWiener: frames up to {end} came after an init with {state.variances.shape[-1]}; it knows those"
                " only, so init with the whole recording"
            )
        x = torch.lerp(state.linear[..., state.position : end], self.filtered(y, state), self.strength)
        stats = Figures(condition=lambda: condition(state.response.matrix()))
        return Estimate(x, state.response, stats), state._replace(position=end)

    def filtered(self, y: Tensor, state: WienerState) -> Tensor:
        """(..., source, freq, frame): the next frames by the whole filter, whatever the strength."""
        variances = state.variances[..., state.position : state.position + y.shape[-1]]
        x = multichannel_wiener(y, variances, state.covariances, state.noise, self.reference)
        return x[..., :-1, :, :]

    def _pilot_images(self, samples: Tensor, response: Response | None, generator: torch.Generator | None) -> Tensor:
        """(..., source, mic, sample): the pilot's sources as heard at every microphone."""
        known = at_frequencies_of(self.pilot_stft, response)
        x, found, _ = decode_samples(self.pilot, self.pilot_stft, samples, known, generator)
        if found is None:
            raise ShapeError(f"MultichannelWiener: the pilot {type(self.pilot).__name__} returns no response; take one that does")
        # (source, mic, frame, freq) in memory, as the inverse transform reads it; from other orders it takes three times as long.
        A = found.matrix().to(x.dtype).transpose(-3, -1).contiguous()
        images = A[..., :, :, None, :] * x.mT.contiguous()[..., :, None, :, :]
        return self.pilot_stft.inverse(images.mT, samples.shape[-1])
