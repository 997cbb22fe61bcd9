"""The network inside `recover`, with it and without it, on the same scenes of speakers, rooms and arrays unseen in training.

Speakers are those of the shared speech that `Speech.split` keeps for testing. Scenes are those of `arrayscene bench` (rooms of
pyroomacoustics, not of the training's generator), 8 s, and two talkers through measured responses of a line of microphones (T60
over 1 s). The number of talkers is told, nothing else. Target of the SI-SDR: each talker's reverberant image at the first
microphone. Times are of one thread, by the processor's clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from common import describe, folder_unseen, shared_data, write_table
from measured_line import line_scenes

from arrayscene import MicrophoneArray, Recording, recover
from arrayscene.bench import make_scenes
from arrayscene.metrics import match_sources, si_sdr

KINDS, N_SCENES, FIRST, RATE, SECONDS = ("triangle", "ring-2", "ring-3", "six"), 6, 9500, 16000, 8
METHODS = {"chain": "wiener", "network": "network"}


def main() -> None:
    torch.set_num_threads(1)
    root, n = shared_data(), int(sys.argv[1]) if len(sys.argv) > 1 else N_SCENES
    rows = []
    with folder_unseen(root) as folder:
        for kind in KINDS:
            scenes = make_scenes(kind, n, seconds=SECONDS, speech=folder, first=FIRST)
            made = ((scene.samples, scene.targets, MicrophoneArray.resolve(scene.array)) for scene in scenes)
            rows.append(_row(kind, made))
        rows.append(_row("measured line", _line(root, sorted(folder.glob("*.flac")), n)))
    everything = [row.pop("scores") for row in rows]
    simulated = np.concatenate(everything[:-1])
    rows.append(_summary("all simulated", simulated))
    rows[-1].pop("scores")
    write_table("network", __doc__, describe(), rows)


def _row(kind: str, scenes: Iterator[tuple[np.ndarray, np.ndarray, MicrophoneArray]]) -> dict[str, object]:
    scores = []
    for samples, targets, array in scenes:
        found = [float(si_sdr(samples[:1], targets).mean())]
        for method in METHODS.values():
            recording = Recording(samples, RATE, array)
            start = time.process_time()
            scene = recover(recording, n_sources=len(targets), method=method)
            seconds = time.process_time() - start
            signals = np.stack([source.signal for source in scene.sources])
            found += [float(match_sources(signals, targets)[2].mean()), seconds / (samples.shape[1] / RATE)]
        scores.append(found)
        print(kind, " ".join(f"{value:.2f}" for value in found), flush=True)
    return _summary(kind, np.array(scores))


def _summary(kind: str, scores: np.ndarray) -> dict[str, object]:
    mixture, chain, chain_time, network, network_time = scores.T
    return {
        "scenes": kind,
        "number": len(scores),
        "mixture dB": f"{mixture.mean():.2f}",
        "chain dB": f"{chain.mean():.2f}",
        "network dB": f"{network.mean():.2f}",
        "difference dB": f"{(network - chain).mean():+.2f}",
        "least difference dB": f"{(network - chain).min():+.2f}",
        "worst chain dB": f"{chain.min():.2f}",
        "worst network dB": f"{network.min():.2f}",
        # The first scene of each kind may hold compilation.
        "chain x real time": f"{np.median(chain_time):.2f}",
        "network x real time": f"{np.median(network_time):.2f}",
        "scores": scores,
    }


def _line(root: Path, clips: list[Path], n: int) -> Iterator[tuple[np.ndarray, np.ndarray, MicrophoneArray]]:
    for samples, targets, _, array in line_scenes(root, clips, range(FIRST, FIRST + n)):
        yield samples, targets, array


if __name__ == "__main__":
    main()
