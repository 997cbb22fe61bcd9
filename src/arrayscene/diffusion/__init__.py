"""Drawing sources from what is known of them: a denoiser that knows speech, a recording, and noise that is taken out in steps."""

from arrayscene.diffusion.colour import Prior, at_rate, coloured, resampled, spectrum_at, whitened
from arrayscene.diffusion.gaussian import GaussianPrior, wiener_posterior
from arrayscene.diffusion.guidance import diffpir, dps, proximal, red_diff
from arrayscene.diffusion.likelihood import InWaveform, Likelihood, LinearGaussian, Weighed, to_frames, to_samples, unit
from arrayscene.diffusion.samplers import Denoiser, euler, heun, renoised, stochastic
from arrayscene.diffusion.schedule import noise_levels

__all__ = [
    "Denoiser",
    "GaussianPrior",
    "InWaveform",
    "Likelihood",
    "LinearGaussian",
    "Prior",
    "Weighed",
    "at_rate",
    "coloured",
    "diffpir",
    "dps",
    "euler",
    "heun",
    "noise_levels",
    "proximal",
    "red_diff",
    "renoised",
    "resampled",
    "spectrum_at",
    "stochastic",
    "to_frames",
    "to_samples",
    "unit",
    "whitened",
    "wiener_posterior",
]
