"""The gate of the prior: noise that it takes out of clean speech, level by level, on speakers that it was not trained with.

Noise has the colour of speech; its level is relative to the speech. Gains are those of the mean square error over the Wiener
filter that knows the spectrum of speech and nothing else, which is what the network is before it is trained. Beside it the Wiener
filter that takes the power of the speech from the noisy bins around (5 x 5 of 64 ms windows, less the known noise), as spectral
subtraction does: a prior must beat that one, too. Speakers are those of the shared speech that `Speech.split` keeps for testing.
"""

from __future__ import annotations

import time

import matplotlib
import numpy as np
import torch
from common import ROOT, describe, shared_data, speech_unseen, write_table
from torch import Tensor

from arrayscene.diffusion import to_frames, to_samples, whitened
from arrayscene.networks import load_speech_prior
from arrayscene.stft import STFT
from arrayscene.training.clean_speech import load_clips

LEVELS, N_CLIPS, SECONDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0), 24, 3


def main() -> None:
    torch.set_num_threads(1)
    prior, stft = load_speech_prior(), STFT(1024)
    speech = speech_unseen(shared_data())
    clips = load_clips(speech, prior.sample_rate)[:N_CLIPS]
    n = SECONDS * prior.sample_rate
    clean = torch.stack([whitened(clip[-n:], prior, prior.sample_rate) for clip in clips if len(clip) >= n])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    rows, curves = [], []
    for sigma in LEVELS:
        noisy = clean + sigma * noise
        plain, begun = noisy / (1 + sigma**2), time.process_time()
        with torch.inference_mode():
            found = prior(noisy, sigma)
        seconds = (time.process_time() - begun) / (len(clean) * SECONDS)
        local = _subtracted(noisy, sigma, stft)
        gains = [10 * np.log10(_error(plain, clean) / _error(x, clean)) for x in (local, found)]
        scene_gains = 10 * np.log10(_error(local, clean) / _error(found, clean))
        rows.append(
            {
                "level": f"{sigma:g}",
                "Wiener, error dB": f"{10 * np.log10(_error(plain, clean).mean()):.2f}",
                "spectral subtraction, gain dB": f"{gains[0].mean():+.2f}",
                "prior, gain dB": f"{gains[1].mean():+.2f}",
                "worst clip": f"{gains[1].min():+.2f}",
                "clips where the prior beats both": f"{np.mean((scene_gains > 0) & (gains[1] > 0)):.0%}",
                "seconds a second": f"{seconds:.3f}",
            }
        )
        curves.append([sigma, gains[0].mean(), gains[1].mean(), gains[1].min(), gains[1].max()])
    _plot(np.array(curves))
    write_table("prior", __doc__, f"{len(clean)} clips. {describe()}", rows)


def _subtracted(noisy: Tensor, sigma: float, stft: STFT) -> Tensor:
    frames = to_frames(noisy, stft)
    around = torch.nn.functional.avg_pool2d(frames.abs().square()[:, None], 5, 1, 2, count_include_pad=False)[:, 0]
    power = (around - sigma**2).clamp_min(1e-3 * sigma**2)
    return to_samples(frames * power / (power + sigma**2), stft, noisy.shape[-1])


def _error(x: Tensor, clean: Tensor) -> np.ndarray:
    return (x - clean).square().mean(-1).double().numpy()


def _plot(curves: np.ndarray) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    sigma, local, prior, worst, best = curves.T
    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=110, layout="constrained")
    axes.fill_between(sigma, worst, best, color="#0a5ea8", alpha=0.15, linewidth=0, label="prior: worst and best clip")
    axes.plot(sigma, prior, color="#0a5ea8", marker="o", label="prior")
    axes.plot(sigma, local, color="#d1690e", marker="s", label="spectral subtraction")
    axes.axhline(0, color="#59636e", linewidth=1, linestyle="--", label="Wiener filter with the spectrum of speech")
    axes.set_xscale("log")
    axes.set_xticks(LEVELS, [f"{level:g}" for level in LEVELS])
    axes.minorticks_off()
    axes.set(xlabel="Level of the noise, relative to the speech", ylabel="Gain (dB)")
    axes.grid(color="#eceef0")
    axes.legend(frameon=False)
    figure.savefig(ROOT / "results" / "prior.png", metadata={"Software": None})


if __name__ == "__main__":
    main()
