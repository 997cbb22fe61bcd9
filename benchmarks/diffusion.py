"""Diffusion from several starts, against the starts themselves.

Two talkers of speakers that neither network nor prior was trained with, 3 microphones on a ring of 20 cm, T60 0.2 to 0.5 s, SNR
20 to 30 dB, 4 s (the rooms of `arrayscene bench`, numbers from 7000). The number of talkers is told, nothing else. Target: each
talker's reverberant image at the first microphone. Starts are `recover`'s methods; every diffusion makes the same number of draws
from its start. Step (start) and step (truth): a single proximal step towards the recording, without prior, for the A of TAPS
frames that predicts the microphones best from the start, and from the truth: what the recording alone can add, found blindly, and
if A were known as well as such an A can be. Inside: share of time-frequency bins in which the truth lies within the stated 90 %
interval. Times are of one thread, by the processor's clock, of decoding alone; memory is the most that the process has held.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import torch
from common import describe, folder_unseen, shared_data, write_table

from arrayscene import MicrophoneArray, Recording
from arrayscene.bench import make_scenes
from arrayscene.bench.run import UNIT
from arrayscene.bench.scenes import BenchScene
from arrayscene.choice import DRAWS, choose
from arrayscene.decoders import Decoder, DiffusionPosterior, Estimate
from arrayscene.decoders.diffusion_posterior import INTERVAL
from arrayscene.decoders.start_error import local_mean, start_error
from arrayscene.diffusion import LinearGaussian
from arrayscene.health import check
from arrayscene.linalg import load_diagonal
from arrayscene.listening import listen
from arrayscene.metrics import match_sources
from arrayscene.response import ConvolutiveResponse, Response, far_field, fit_convolutive

N_SCENES, FIRST, RATE, SECONDS = 20, 7000, 16000, 4
TAPS = 12
STARTS = ("network", "wiener", "ilrma")
"""`auto` is `network` here."""


Scores = dict[str, list[list[float]]]


class Known(Decoder):
    """A start that has been computed already."""

    def __init__(self, found: Estimate) -> None:
        super().__init__()
        self.found = found

    def init(self, y: torch.Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> int:
        return 0

    def step(self, y: torch.Tensor, state: int) -> tuple[Estimate, int]:
        end = state + y.shape[-1]
        return self.found._replace(x=self.found.x[..., state:end]), end


def main() -> None:
    torch.set_num_threads(1)
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N_SCENES
    scores: Scores = {start: [] for start in STARTS}
    for scene in scenes(FIRST, n):
        add(scores, scene)
    write(scores, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT)


def scenes(first: int, n: int) -> list[BenchScene]:
    """Of speakers that nothing was trained with."""
    with folder_unseen(shared_data()) as folder:
        return make_scenes("triangle", n, seconds=SECONDS, speech=folder, first=first)


def add(scores: Scores, scene: BenchScene) -> None:
    """One scene from every start."""
    for start in STARTS:
        scores[start].append(_scored(start, scene.samples, scene.targets, MicrophoneArray.resolve(scene.array)))
        print(start, " ".join(f"{value:.2f}" for value in scores[start][-1]), flush=True)


def write(scores: Scores, peak_mb: float) -> None:
    """The table."""
    rows = [_row(start, np.array(several)) for start, several in scores.items()]
    n = len(scores[STARTS[0]])
    machine = f"{n} scenes, {DRAWS} draws each. Most memory: {peak_mb:.0f} MB. {describe()}"
    write_table("diffusion", __doc__, machine, rows)


def _scored(start: str, samples: np.ndarray, targets: np.ndarray, array: MicrophoneArray) -> list[float]:
    """SI-SDR of the start, of the mean and of the likeliest draw, seconds of start and diffusion, share inside, stated error."""
    recording = Recording(samples, RATE, array)
    dc = check(recording).dc
    heard = listen(recording, dc, len(targets), None, None, lambda step, fraction: None)
    stft = choose("network", n_mics=3, n_sources=2, duration=SECONDS, sample_rate=RATE).stft
    choice = choose(start, n_mics=3, n_sources=2, duration=SECONDS, sample_rate=RATE)
    y = torch.from_numpy(samples - dc[:, None].astype(np.float32))
    angles = torch.from_numpy(heard.azimuth), torch.from_numpy(heard.elevation)
    with torch.inference_mode():
        begun = time.process_time()
        at_start = far_field(array, *angles, frequencies=choice.stft.frequencies(RATE))
        first = choice.make(None)(choice.stft(y), at_start)
        seconds = time.process_time() - begun
        # The diffusion works in windows of its own.
        waves = choice.stft.inverse(first.x, y.shape[-1])
        response = far_field(array, *angles, frequencies=stft.frequencies(RATE))
        begun = time.process_time()
        decoder = DiffusionPosterior(stft, Known(Estimate(stft(waves), response, {})), draws=DRAWS)
        found = decoder(stft(y), response)
        diffused = time.process_time() - begun
        truth = stft(torch.from_numpy(targets[_order(waves.numpy(), targets)]))
        steps = [_step(stft(y), stft(waves), source, response.frequencies) for source in (stft(waves), truth)]
    made = [stft.inverse(x, y.shape[-1]).numpy() for x in (found.x, found.stats["likeliest"], *steps)]
    before = match_sources(waves.numpy(), targets)
    inside = ((found.x - truth).abs() <= INTERVAL * found.stats["spread"])[..., 4:-4].double().mean()
    after = [match_sources(signals, targets)[2] for signals in made]
    worst = min(float(a - b) for a, b in zip(_by_target(made[0], targets), _by_target(waves.numpy(), targets), strict=True))
    stated = 10 * torch.log10(found.stats["spread"].square().sum() / found.x.abs().square().sum())
    return [*(float(v.mean()) for v in (before[2], *after)), worst, seconds, diffused, float(inside), float(stated)]


def _step(y: torch.Tensor, start: torch.Tensor, guide: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """Sources that explain the recording better, for an A fitted to a guide; no prior but the start and its errors."""
    taps = fit_convolutive(y, guide, TAPS)
    taps[:, 0] = 0
    taps[:, 0, :, 0] = 1
    A = ConvolutiveResponse(taps.to(y.dtype), frequencies)
    power = local_mean(y.abs().square().mean(0))
    level = power + 1e-2 * power.mean(-1, keepdim=True)
    e = (y - A(guide)) / level.sqrt()
    R = load_diagonal(torch.einsum("mft,nft->fmn", e, e.conj()) / e.shape[-1], 1e-2)
    return LinearGaussian(y, A, R, level, n_iter=10).proximal(start, start_error(start, y[0]))


def _order(signals: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The target of each signal."""
    signal, target, _ = match_sources(signals, targets)
    return target[np.argsort(signal)]


def _by_target(signals: np.ndarray, targets: np.ndarray) -> np.ndarray:
    _, target, score = match_sources(signals, targets)
    return score[np.argsort(target)]


def _row(start: str, scores: np.ndarray) -> dict[str, object]:
    before, mean, likeliest, blind, known, worst, seconds, diffused, inside, stated = scores.T
    change = mean - before
    return {
        "start": start,
        "start dB": f"{before.mean():.2f}",
        "diffusion dB": f"{mean.mean():.2f}",
        "change dB": f"{change.mean():+.2f} ± {change.std(ddof=1) / len(change) ** 0.5:.2f}",
        "worst scene": f"{change.min():+.2f}",
        "worst talker": f"{worst.min():+.2f}",
        "step (start) dB": f"{(blind - before).mean():+.2f}",
        "step (truth) dB": f"{(known - before).mean():+.2f}",
        "likeliest draw dB": f"{likeliest.mean():.2f}",
        "start s": f"{np.median(seconds):.1f}",
        "diffusion s": f"{np.median(diffused):.1f}",
        "inside": f"{inside.mean():.1%}",
        "stated error dB": f"{stated.mean():.1f}",
    }


if __name__ == "__main__":
    main()
