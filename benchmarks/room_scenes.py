"""Talkers in simulated rooms: what several benchmarks share.

T60 0.25 to 0.5 s, talkers 0.8 to 2 m away and at least 35 degrees apart, equally loud at the array, 8 s at 16 kHz, SNR 20 dB;
speech from the shared LibriSpeech clips where they are, else the shipped voices.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import soundfile as sf
from common import shared_folder, speech_files

from arrayscene import MicrophoneArray, load_voice, simulate_scene, voice_names
from arrayscene.simulate import SimulatedScene, random_talkers

RATE, SECONDS = 16000, 8


def room_scene(array: str, n_talkers: int, seed: int) -> SimulatedScene:
    """Scene number `seed`."""
    generator = np.random.default_rng(7000 + seed)
    clips = _speech()
    room = tuple(generator.uniform([4.0, 3.5, 2.5], [7.0, 6.0, 3.2]))
    center = (*generator.uniform([1.3, 1.3], [room[0] - 1.3, room[1] - 1.3]), generator.uniform(0.8, 1.4))
    chosen = generator.choice(len(clips), n_talkers, replace=False)
    talkers = random_talkers(
        [np.resize(clips[c]()[: SECONDS * RATE], SECONDS * RATE) for c in chosen],
        room_size=room,
        array_center=center,
        seed=generator,
        separation=np.deg2rad(35),
        distances=(0.8, 2.0),
    )
    t60 = float(generator.uniform(0.25, 0.5))
    microphones = MicrophoneArray.resolve(array)
    return simulate_scene(
        microphones, talkers, sample_rate=RATE, room_size=room, t60=t60, array_center=center, snr_db=20, seed=seed
    )


def _speech() -> list[Callable[[], np.ndarray]]:
    root = shared_folder()
    if root is None:
        return [lambda name=name: load_voice(name, RATE) for name in voice_names()]
    return [lambda path=path: sf.read(str(path), dtype="float32")[0] for path in speech_files(root)]
