"""What a prior of speech is worth where A is known: more talkers than microphones, and small arrays, without a room.

Talkers of the shared speech whom the prior was not trained with, 3 s, equally loud, as plane waves from directions that every
decoder is told, and white noise 30 dB below each. The Gaussian prior knows the spectrum of speech and nothing else, and is
otherwise treated alike: what it gives is a Wiener filter. Target of the SI-SDR: each talker as sent. Inside: share of bins in
which the truth lies in the stated 90 % interval. Seconds of one core, by the processor's clock.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from common import describe, shared_data, speech_unseen, write_table

from arrayscene import STFT, MicrophoneArray
from arrayscene.decoders import SDWMWF, Clustering, Decoder, DiffusionPosterior, FromDirections, PseudoInverse, Tikhonov
from arrayscene.decoders.diffusion_posterior import INTERVAL
from arrayscene.diffusion import GaussianPrior
from arrayscene.metrics import si_sdr
from arrayscene.networks import load_speech_prior
from arrayscene.response import PlaneWave
from arrayscene.training.clean_speech import load_clips

RATE, N = 16000, 48000
KINDS = {
    "3 talkers, 2 microphones 10 cm apart": ("linear:2:0.1", (0.3, 1.3, 2.4)),
    "4 talkers, 3 microphones on 10 cm": ("circular:3:0.05", (0.3, 1.3, 2.4, -1.5)),
    "3 talkers, 3 microphones on 10 cm": ("circular:3:0.05", (0.3, 0.9, 2.4)),
}


class Gaussian(GaussianPrior):
    def __init__(self, spectrum: torch.Tensor) -> None:
        super().__init__(torch.tensor(1.0))
        self.sample_rate, self.spectrum = RATE, spectrum


def main() -> None:
    torch.set_num_threads(1)
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    stft, speech = STFT(1024), load_speech_prior()
    settings = {"sigma": (1.5, 0.03), "n_steps": 12}
    decoders: dict[str, Decoder] = {
        "pseudo-inverse": PseudoInverse(0.01),
        "Tikhonov": Tikhonov(),
        "Wiener filter with masks": SDWMWF(Clustering(FromDirections())),
        "diffusion, Gaussian prior": DiffusionPosterior(stft, None, Gaussian(speech.spectrum), **settings),  # type: ignore[arg-type]
        "diffusion, speech prior": DiffusionPosterior(stft, None, speech, **settings),  # type: ignore[arg-type]
    }
    clips = [clip[-N:] for clip in load_clips(speech_unseen(shared_data()), RATE) if len(clip) >= N]
    rows = []
    for kind, (layout, azimuths) in KINDS.items():
        A = PlaneWave(MicrophoneArray.resolve(layout), torch.tensor(azimuths), frequencies=stft.frequencies(RATE))
        scores: dict[str, list[list[float]]] = {name: [] for name in decoders}
        for number in range(n):
            generator = np.random.default_rng(number)
            x = torch.stack([clips[i] for i in generator.choice(len(clips), len(azimuths), replace=False)])
            x = x / x.std(-1, keepdim=True)
            frames = stft(x)
            noise = torch.randn(A.matrix().shape[-2], N, generator=torch.Generator().manual_seed(number))
            y = A(frames) + stft(10**-1.5 * noise)
            for name, decoder in decoders.items():
                begun = time.process_time()
                with torch.inference_mode():
                    found = decoder(y, A)
                seconds = time.process_time() - begun
                score = float(si_sdr(stft.inverse(found.x, N).numpy(), x.numpy()).mean())
                spread = found.stats.get("spread")
                inside = np.nan if spread is None else float(((found.x - frames).abs() <= INTERVAL * spread).double().mean())
                scores[name].append([score, inside, seconds])
        for name, several in scores.items():
            score, inside, seconds = np.mean(several, axis=0)
            row = {"scenes": kind, "decoder": name, "SI-SDR dB": f"{score:.2f}", "s": f"{seconds:.1f}"}
            rows.append(row | {"inside": "" if np.isnan(inside) else f"{inside:.0%}"})
            print(rows[-1], flush=True)
    write_table("diffusion_informed", __doc__, f"{n} scenes each. {describe()}", rows)


if __name__ == "__main__":
    main()
