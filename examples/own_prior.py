"""Plug a prior of your own into the diffusion: four voices at three microphones whose response is known.

    python examples/own_prior.py

A prior is anything with a sample rate, a spectrum and a call: noisy samples in, the expected clean ones out. This one knows
that speech is loud in some bins of time and frequency and silent in most, and nothing else; the shipped one has heard speech.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from arrayscene import STFT, MicrophoneArray, load_voice
from arrayscene.decoders import DiffusionPosterior, PseudoInverse
from arrayscene.metrics import si_sdr
from arrayscene.networks import load_speech_prior
from arrayscene.response import PlaneWave

RATE, SECONDS = 16000, 2
VOICES = ("english-allison", "french-june", "italian-carlo-2", "russian-ivrvoice")
AZIMUTHS = (0.3, 1.3, 2.4, -1.5)


class Sparse:
    """E[s | s + sigma n]: a Wiener filter with the power that the noisy bins around suggest."""

    sample_rate = RATE

    def __init__(self, spectrum: Tensor) -> None:
        # What sources are divided by before they come: the spectrum of speech. torch.ones(2) would be white.
        self.spectrum = spectrum
        self.stft = STFT(1024)

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        frames = self.stft(x)
        noise = sigma**2 * self.stft.n_fft / 2
        heard = frames.abs().square().reshape(-1, 1, *frames.shape[-2:])
        around = torch.nn.functional.avg_pool2d(heard, 3, 1, 1, count_include_pad=False).reshape(frames.shape)
        power = (around - noise).clamp_min(1e-3 * noise)
        return self.stft.inverse(frames * power / (power + noise), x.shape[-1])


def main() -> None:
    stft, n = STFT(1024), SECONDS * RATE
    voices = torch.from_numpy(np.stack([load_voice(name)[RATE : RATE + n] for name in VOICES]))
    voices = 0.05 * voices / voices.std(1, keepdim=True)
    A = PlaneWave(MicrophoneArray.circular(3, 0.05), torch.tensor(AZIMUTHS), frequencies=stft.frequencies(RATE))
    noise = torch.randn(3, n, generator=torch.Generator().manual_seed(0))
    y = A(stft(voices)) + stft(2e-3 * noise)

    speech = load_speech_prior()
    for name, decoder in {
        "pseudo-inverse": PseudoInverse(0.01),
        "diffusion, own prior": DiffusionPosterior(stft, prior=Sparse(speech.spectrum), sigma=(1.5, 0.03)),
        "diffusion, speech": DiffusionPosterior(stft, prior=speech, sigma=(1.5, 0.03)),
    }.items():
        with torch.inference_mode():
            x = decoder(y, A).x
        score = si_sdr(stft.inverse(x, n).numpy(), voices.numpy()).mean()
        print(f"{name}: {score:.1f} dB SI-SDR, mean of {len(VOICES)} voices")


if __name__ == "__main__":
    main()
