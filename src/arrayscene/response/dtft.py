"""The discrete-time Fourier transform of impulse responses at whatever frequencies are asked for."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

from arrayscene.errors import ShapeError

LONGEST_FFT = 1 << 20
"""Points of a transform up to which one FFT is taken where the frequencies lie on a common grid."""

BLOCK = 1 << 22
"""Values of e^{-j omega t} held at a time where they do not."""


def dtft(samples: Tensor, sample_rate: float, frequencies: Tensor, who: str) -> Tensor:
    """H(f) = sum_n h[n] e^{-j 2 pi f n / rate}, exact at any frequency up to half the rate.

    Args:
        samples: (..., tap) float64.
        sample_rate: hertz.
        frequencies: (freq,) hertz.
        who: named in errors.

    Returns: (..., freq) complex128. Differentiable in the samples.

    Raises: ShapeError for frequencies above half the rate, of which the samples say nothing.

    Cost: an FFT as long as the grid of the frequencies where they share one, as an STFT's do; else O(freq tap) for each response.
    """
    hertz = frequencies.tolist()
    # The last bin of an STFT may exceed the Nyquist frequency by rounding.
    if hertz and max(hertz) > sample_rate / 2 * (1 + 1e-9):
        raise ShapeError(
            f"{who}: frequencies up to {max(hertz):g} Hz came; responses sampled at {sample_rate:g} Hz say nothing above"
            f" {sample_rate / 2:g} Hz; resample the recording to {sample_rate:g} Hz or less"
        )
    length, bins = _common_grid(hertz, sample_rate)
    # Few taps or few frequencies are summed faster than a long transform is taken.
    if not length or samples.shape[-1] * len(hertz) < length * math.log2(length):
        return _direct(samples, sample_rate, frequencies)
    # Frequencies k rate / length see samples that lie `length` apart alike, so that they may be added up beforehand.
    n_folds = -(-samples.shape[-1] // length)
    padded = torch.nn.functional.pad(samples, (0, n_folds * length - samples.shape[-1]))
    spectrum: Tensor = torch.fft.rfft(padded.reshape(*samples.shape[:-1], n_folds, length).sum(-2))
    return spectrum[..., bins]


def _common_grid(hertz: list[float], sample_rate: float) -> tuple[int, list[int]]:
    """The length of an FFT that has all frequencies among its bins, and those bins; 0 where it would be too long."""
    length = 1
    shares = []
    for value in hertz:
        share = Fraction(value / sample_rate).limit_denominator(LONGEST_FFT)
        if abs(float(share) * sample_rate - value) > 1e-9 * sample_rate / LONGEST_FFT:
            return 0, []
        length = math.lcm(length, share.denominator)
        if length > LONGEST_FFT:
            return 0, []
        shares.append(share)
    return length, [int(share * length) for share in shares]


def _direct(samples: Tensor, sample_rate: float, frequencies: Tensor) -> Tensor:
    times = torch.arange(samples.shape[-1], dtype=torch.float64, device=samples.device) / sample_rate
    step = max(BLOCK // samples.shape[-1], 1)
    parts = []
    for start in range(0, max(len(frequencies), 1), step):
        phase = 2 * torch.pi * times[:, None] * frequencies[start : start + step].to(times)
        parts.append(torch.complex(samples @ torch.cos(phase), -(samples @ torch.sin(phase))))
    return torch.cat(parts, dim=-1)
