"""Weighted prediction error beside nara_wpe: seconds, and how far the outputs differ.

Six microphones on a ring of 10 cm, one talker, T60 0.5 s, 10 s at 16 kHz; 32 ms windows, 8 ms hops, 10 taps, delay 3, 3
iterations, the power of each frame by itself, the same complex64 frames for both; also nara_wpe in complex128, which its own
transform makes. One thread each; the least of five runs by turns. Then the recursive form: seconds of one core for a second of
sound.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from common import describe, write_table
from nara_wpe.wpe import wpe_v8

from arrayscene import STFT, MicrophoneArray, load_voice, simulate_scene, voice_names
from arrayscene.decoders import WPE, RecursiveWPE
from arrayscene.simulate import Talker

RATE, SECONDS, RUNS = 16000, 10, 6
TRANSFORM = STFT(512, 128)


def main() -> None:
    torch.set_num_threads(1)
    y = frames(6)
    theirs = np.ascontiguousarray(y.numpy().transpose(1, 0, 2))
    decoder = WPE(10, delay=3, n_iter=3, floor=1e-10)
    found: dict[str, np.ndarray] = {}
    calls: dict[str, Callable[[], np.ndarray]] = {
        "arrayscene, complex64": lambda: decoder(y).x.numpy().transpose(1, 0, 2),
        "nara_wpe, complex64": lambda: wpe_v8(theirs, taps=10, delay=3, iterations=3),
        "nara_wpe, complex128": lambda: wpe_v8(theirs.astype(np.complex128), taps=10, delay=3, iterations=3),
    }
    seconds = dict.fromkeys(calls, np.inf)
    for _ in range(RUNS):
        for name, call in calls.items():
            found[name], spent = timed(call)
            seconds[name] = min(seconds[name], spent)
    truth = found["nara_wpe, complex128"]
    rows = [
        {
            "method": name,
            "seconds": f"{seconds[name]:.2f}",
            "largest difference": f"{np.abs(found[name] - truth).max() / np.abs(truth).max():.1e}",
        }
        for name in calls
    ]
    for n_mics in (4, 8):
        recursive = RecursiveWPE(10, delay=3, block=16)
        y = frames(n_mics)
        spent = min(timed(lambda recursive=recursive, y=y: recursive(y).x.numpy())[1] for _ in range(3))
        rows.append({"method": f"RecursiveWPE, {n_mics} microphones, per second", "seconds": f"{spent / SECONDS:.3f}"})
    write_table("dereverberation", __doc__, describe(), ["method", "seconds", "largest difference"], rows)


def frames(n_mics: int) -> torch.Tensor:
    """(mic, freq, frame) complex64."""
    signal = np.resize(load_voice(voice_names()[0], RATE), SECONDS * RATE)
    array = MicrophoneArray.circular(n_mics, 0.05)
    scene = simulate_scene(array, [Talker(signal, 0.5, distance=2.0)], sample_rate=RATE, t60=0.5, snr_db=30)
    transformed: torch.Tensor = TRANSFORM(torch.from_numpy(scene.recording.samples))
    return transformed


def timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.thread_time()
    result = call()
    return result, time.thread_time() - start


if __name__ == "__main__":
    main()
