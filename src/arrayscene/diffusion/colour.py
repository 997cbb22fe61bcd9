"""Noise of the colour of speech, so that it hides as much of it at every frequency, and priors of other rates."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from arrayscene.diffusion.samplers import Denoiser


class Prior(Protocol):
    """What is known of a source by itself; put your own in place of `arrayscene.networks.SpeechPrior`.

    Attributes:
        sample_rate: hertz of the samples it takes.
        spectrum: (freq,) the root mean square of a source's spectrum from 0 to half the rate, in any number of even steps; ones
            for white noise. Sources reach the prior divided by it, with RMS 1.
    """

    sample_rate: int
    spectrum: Tensor

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """E[s | x = s + sigma n], both (..., sample), n white and of unit variance."""
        ...


def whitened(samples: Tensor, prior: Prior, rate: float) -> Tensor:
    """Samples (..., sample) at any rate, divided by the prior's spectrum; above its half rate, by its highest value there.

    Without delay. Cost: two Fourier transforms of the whole.
    """
    return _filtered(samples, prior, rate, -1)


def coloured(samples: Tensor, prior: Prior, rate: float) -> Tensor:
    """The inverse of `whitened`, but for the ends."""
    return _filtered(samples, prior, rate, 1)


def at_rate(prior: Prior, rate: float) -> Denoiser:
    """The prior as a denoiser of samples at another rate.

    Samples are resampled to the prior's rate and back. What lies above its half rate is taken for Gaussian of unit variance; what
    the samples lack below it is taken for silence. The level of white noise, in a hertz, stays what it was.
    """
    if rate == prior.sample_rate:
        return prior

    def denoise(x: Tensor, sigma: float) -> Tensor:
        own = resampled(x, rate, prior.sample_rate)
        low = resampled(prior(own, sigma), prior.sample_rate, rate, x.shape[-1])
        above = x - resampled(own, prior.sample_rate, rate, x.shape[-1])
        return low + above / (1 + sigma**2)

    return denoise


def resampled(x: Tensor, rate: float, to: float, n_samples: int | None = None) -> Tensor:
    """Samples at another rate by cutting or padding their spectrum, scaled so that white noise stays as loud a sample.

    Args:
        x: (..., sample).
        rate: hertz, before.
        to: hertz, after.
        n_samples: to return; None: as many as last as long.
    """
    n = x.shape[-1]
    wanted = math.ceil(n * to / rate) if n_samples is None else n_samples
    # Whole periods of both rates, so that time is not stretched.
    common = math.gcd(round(rate), round(to))
    period, own = round(rate) // common, round(to) // common
    blocks = -(-max(n + n // 16, 2 * period) // (2 * period)) * 2
    blocks = max(blocks, -(-wanted // own))
    spectrum = torch.fft.rfft(x, n=blocks * period)
    bins = blocks * own // 2 + 1
    spectrum = functional.pad(spectrum, (0, max(bins - spectrum.shape[-1], 0)))[..., :bins]
    samples: Tensor = torch.fft.irfft(spectrum, n=blocks * own)[..., :wanted]
    return samples * math.sqrt(to / rate)


def spectrum_at(prior: Prior, frequencies: Tensor, rate: float) -> Tensor:
    """(freq,) float64 the prior's spectrum at frequencies in hertz, in samples of a rate."""
    spectrum = prior.spectrum.to(frequencies.device, torch.float64)
    last = len(spectrum) - 1
    place = (frequencies / (prior.sample_rate / 2) * last).clamp(max=last)
    low = place.floor().long()
    return torch.lerp(spectrum[low], spectrum[(low + 1).clamp(max=last)], place - low) * math.sqrt(prior.sample_rate / rate)


def _filtered(samples: Tensor, prior: Prior, rate: float, power: int) -> Tensor:
    n = (samples.shape[-1] + 2 * len(prior.spectrum) + 1) // 2 * 2
    hertz = torch.arange(n // 2 + 1, dtype=torch.float64, device=samples.device) * (rate / n)
    gains = (spectrum_at(prior, hertz, rate) ** power).to(samples.dtype)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(samples, n=n) * gains, n=n)[..., : samples.shape[-1]]
    return filtered
