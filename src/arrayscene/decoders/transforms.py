"""From the frames of one transform to those of another, for decoders that work in two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.errors import ShapeError
from arrayscene.response import AtFrequencies, Response
from arrayscene.stft import STFT


class Resynthesising(Decoder):
    """A decoder that needs the samples behind its frames, for a transform of its own (abstract).

    A subclass gives `init_samples`, and the `stft` of the frames that come in.
    """

    stft: STFT

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Any:
        """State, learnt from the whole recording."""
        samples = resynthesised(y, self.stft, type(self).__name__)
        # Filters ring on for a moment after a recording that breaks off.
        return self.init_samples(y, nn.functional.pad(samples, (0, self.stft.n_fft)), response, generator)

    def init_samples(self, y: Tensor, samples: Tensor, response: Response | None, generator: torch.Generator | None) -> Any:
        """The same where the samples (..., mic, sample) of y, and silence behind them, are known."""
        raise NotImplementedError


def decode_samples(
    decoder: Decoder, stft: STFT, samples: Tensor, response: Response | None, generator: torch.Generator | None
) -> Estimate:
    """What a decoder makes of samples (..., mic, sample) in the frames of `stft`; made once, however deep decoders are nested."""
    y = stft(samples)
    if not isinstance(decoder, Resynthesising):
        estimate: Estimate = decoder(y, response, generator=generator)
        return estimate
    return decoder.step(y, decoder.init_samples(y, samples, response, generator))[0]


def resynthesised(y: Tensor, stft: STFT, who: str) -> Tensor:
    """Samples (..., mic, sample) of frames (..., mic, freq, frame) that `stft` made.

    Raises: ShapeError for frames of another transform.
    """
    if y.shape[-2] != stft.n_freqs:
        raise ShapeError(f"{who}: frames of {y.shape[-2]} frequencies came; its STFT makes {stft.n_freqs}")
    n_samples = max(y.shape[-1] * stft.hop - stft.latency, stft.hop)
    missing = stft.n_frames(n_samples) - y.shape[-1]
    # Padded as transforms leave frames in memory: the inverse is several times as fast so.
    samples = stft.inverse(nn.functional.pad(y.mT, (0, 0, 0, missing)).mT, n_samples)
    # Up to a hop after the recording's end is rounding alone, which in frames of its own would count as sound from somewhere.
    rounding = 8 * torch.finfo(samples.dtype).eps * samples.detach().abs().amax(dim=(-2, -1), keepdim=True)
    return torch.where(samples.abs() > rounding, samples, 0)


def at_frequencies_of(stft: STFT, response: Response | None) -> Response | None:
    """The response at the frequencies of another transform of the same samples."""
    return None if response is None else AtFrequencies(response, frequencies_of(stft, response))


def frequencies_of(stft: STFT, response: Response | None) -> Tensor:
    """(freq,) hertz of a transform, or its bins where no response says how high they reach."""
    return stft.frequencies(2.0 * (stft.n_freqs - 1) if response is None else 2 * float(response.frequencies[-1]))
