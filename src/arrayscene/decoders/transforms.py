"""From the frames of one transform to those of another, for decoders that work in two."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arrayscene.errors import ShapeError
from arrayscene.response import AtFrequencies, Response
from arrayscene.stft import STFT


def resynthesised(y: Tensor, stft: STFT, who: str) -> Tensor:
    """Samples (..., mic, sample) of frames (..., mic, freq, frame) that `stft` made.

    Raises: ShapeError for frames of another transform.
    """
    if y.shape[-2] != stft.n_freqs:
        raise ShapeError(f"{who}: frames of {y.shape[-2]} frequencies came; its STFT makes {stft.n_freqs}")
    n_samples = max(y.shape[-1] * stft.hop - stft.latency, stft.hop)
    missing = stft.n_frames(n_samples) - y.shape[-1]
    samples = stft.inverse(nn.functional.pad(y, (0, missing)), n_samples)
    # Up to a hop after the recording's end is rounding alone, which in frames of its own would count as sound from somewhere.
    rounding = 8 * torch.finfo(samples.dtype).eps * samples.detach().abs().amax(dim=(-2, -1), keepdim=True)
    return torch.where(samples.abs() > rounding, samples, 0)


def at_frequencies_of(stft: STFT, response: Response | None) -> Response | None:
    """The response at the frequencies of another transform of the same samples."""
    return None if response is None else AtFrequencies(response, frequencies_of(stft, response))


def frequencies_of(stft: STFT, response: Response | None) -> Tensor:
    """(freq,) hertz of a transform, or its bins where no response says how high they reach."""
    return stft.frequencies(2.0 * (stft.n_freqs - 1) if response is None else 2 * float(response.frequencies[-1]))
