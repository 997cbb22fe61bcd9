"""Talkers who walk and cross, each by itself: decoders steered from tracks against decoders that believe everybody stands still.

Scenes as in `tracking.py` (other numbers). SI-SDR over the whole recording, of each talker's reverberant image at the first
microphone, outputs matched to talkers. "static": `recover`, told that there are two; "tracked": `arrayscene.tracking.separate`
from the tracks that `track` finds, blocks of 2 s, nothing told. Times are of one thread, by the processor's clock, relative to
the recording's duration.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from common import describe, shared_data, speech_unseen, write_table
from moving_scenes import crossing_scene

from arrayscene import recover
from arrayscene.metrics import match_sources, si_sdr
from arrayscene.tracking import separate, track

ARRAYS, FIRST, N_SCENES = ("respeaker-usb-4", "circular:8:0.05"), 7000, 5


def main() -> None:
    torch.set_num_threads(1)
    speech = speech_unseen(shared_data())
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N_SCENES
    rows = []
    for name in ARRAYS:
        scores = []
        for index in range(FIRST, FIRST + n):
            scene = crossing_scene(index, name, speech)
            start = time.process_time()
            still = recover(scene.recording, n_sources=2, moving=False)
            middle = time.process_time()
            tracks = track(scene.recording)
            moving = separate(scene.recording, tracks)
            end = time.process_time()
            mixture = float(si_sdr(scene.recording.samples[:1], scene.images).mean())
            outputs = (np.stack([source.signal for source in still.sources]), moving)
            static, tracked = (_mean_si_sdr(signals, scene.images, mixture) for signals in outputs)
            seconds = scene.recording.duration
            scores.append((mixture, static, tracked, (middle - start) / seconds, (end - middle) / seconds))
            print(name, index, len(tracks.tracks), *(f"{value:.2f}" for value in scores[-1]), flush=True)
        mixture, static, tracked, static_time, tracked_time = np.mean(scores, axis=0)
        worse = min(one[2] - one[1] for one in scores)
        rows.append(
            {
                "array": name,
                "scenes": n,
                "mixture": f"{mixture:.1f} dB",
                "static": f"{static:.1f} dB",
                "tracked": f"{tracked:.1f} dB",
                "least difference": f"{worse:+.1f} dB",
                "static, time": f"{static_time:.2f}",
                "tracked, time": f"{tracked_time:.2f}",
            }
        )
    write_table("moving_signals", __doc__, describe(), rows)


def _mean_si_sdr(signals: np.ndarray, images: np.ndarray, mixture: float) -> float:
    """Mean over the talkers; one that no output is for counts as the mixture."""
    scores = np.full(len(images), mixture)
    if len(signals):
        _, talkers, found = match_sources(signals, images)
        scores[talkers] = found
    return float(scores.mean())


if __name__ == "__main__":
    main()
