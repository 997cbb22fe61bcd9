"""What decodes live: `online` (AuxIVA), the filter that the causal network refines, and both, on scenes unseen in training.

Speakers are those of the shared speech that `Speech.split` keeps for testing. Scenes are those of `arrayscene bench` (rooms of
pyroomacoustics, not of the training's generator), 8 s. The number of talkers is told, nothing else; directions are those that
`recover` finds in the whole recording, all else is learnt as it goes. SI-SDR against each talker's reverberant image at the
first microphone, over all 8 s and over the last 4. Times are of one thread, by the processor's clock, for samples in, frames,
`step` for every 64 ms, and samples out.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from common import describe, folder_unseen, shared_data, write_table

from arrayscene import MicrophoneArray, Recording, recover
from arrayscene.bench import make_scenes
from arrayscene.choice import choose
from arrayscene.metrics import match_sources, si_sdr
from arrayscene.response import far_field
from arrayscene.scene import Scene

KINDS, N_SCENES, FIRST, RATE, SECONDS = ("triangle", "ring-2", "ring-3"), 8, 33000, 16000, 8
METHODS = ("online", "online-wiener", "online-network")


def main() -> None:
    torch.set_num_threads(1)
    root, n = shared_data(), int(sys.argv[1]) if len(sys.argv) > 1 else N_SCENES
    rows, everything = [], []
    with folder_unseen(root) as folder:
        for kind in KINDS:
            found = []
            for scene in make_scenes(kind, n, seconds=SECONDS, speech=folder, first=FIRST):
                found.append(_scores(scene.samples, scene.targets, MicrophoneArray.resolve(scene.array)))
                print(kind, " ".join(f"{value:.2f}" for value in found[-1]), flush=True)
            rows.append(_row(kind, np.array(found)))
            everything += found
    rows.append(_row("all", np.array(everything)))
    write_table("online", __doc__, describe(), rows)


def _scores(samples: np.ndarray, targets: np.ndarray, array: MicrophoneArray) -> list[float]:
    late = samples.shape[1] // 2
    found = [float(si_sdr(samples[:1, start:], targets[:, start:]).mean()) for start in (0, late)]
    scene = None
    for method in METHODS:
        scene = recover(Recording(samples, RATE, array), n_sources=len(targets), method=method, moving=False)
        signals = np.stack([source.signal for source in scene.sources])
        signals = signals[match_sources(signals, targets)[0]]
        found += [float(si_sdr(signals[:, start:], targets[:, start:]).mean()) for start in (0, late)]
    assert scene is not None
    return found + [_real_time_factor(samples, array, scene, method) for method in METHODS[1:]]


def _real_time_factor(samples: np.ndarray, array: MicrophoneArray, scene: Scene, method: str) -> float:
    """Processor time over duration, as a live program would spend it."""
    n_sources = len(scene.sources)
    choice = choose(method, n_mics=len(samples), n_sources=n_sources, duration=SECONDS, sample_rate=RATE)
    stft, decoder = choice.stft, choice.make(None)
    azimuth, elevation = (
        torch.tensor([getattr(source, name) or 0.0 for source in scene.sources]) for name in ("azimuth", "elevation")
    )
    response = far_field(array, azimuth, elevation, frequencies=stft.frequencies(RATE))
    y = torch.from_numpy(samples)
    block = decoder.block * stft.hop
    with torch.no_grad():
        state, before, after = decoder.init(stft(y[:, :block]), response), stft.init(y), stft.init(y[:n_sources])
        start = time.process_time()
        for first in range(0, y.shape[-1] - block + 1, block):
            frames, before = stft.step(y[:, first : first + block], before)
            estimate, state = decoder.step(frames, state)
            _, after = stft.step_inverse(estimate.x, after)
        return (time.process_time() - start) / SECONDS


def _row(kind: str, found: np.ndarray) -> dict[str, object]:
    row: dict[str, object] = {"scenes": kind, "number": len(found)}
    for name, whole, late in zip(("mixture", *METHODS), found[:, :8:2].T, found[:, 1:8:2].T, strict=True):
        row[f"{name} dB"] = f"{whole.mean():.2f} / {late.mean():.2f}"
    gain = found[:, 6] - found[:, 4]
    row["network's gain dB, least"] = f"{gain.mean():+.2f}, {gain.min():+.2f}"
    # The first scene of each kind may hold compilation.
    for name, times in zip(METHODS[1:], found[:, 8:].T, strict=True):
        row[f"{name} x real time"] = f"{np.median(times):.2f}"
    return row


if __name__ == "__main__":
    main()
