"""Talkers in simulated rooms: `recover`, which counts and localises by itself, beside pyroomacoustics' AuxIVA-Gauss.

Rooms of T60 0.25 to 0.5 s, talkers 0.8 to 2 m away and at least 35 degrees apart, equally loud at the array, 8 s at 16 kHz, SNR
20 dB; speech from the shared LibriSpeech clips where they are, else the shipped voices. Target of the SI-SDR: each talker's
reverberant image at the first microphone. pyroomacoustics separates into as many outputs as microphones and its best-fitting
outputs are scored, which favours it; a talker that `recover` misses scores the mixture.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyroomacoustics as pra
import soundfile as sf
import torch
from common import describe, shared_folder, write_table

from arrayscene import STFT, MicrophoneArray, load_voice, recover, simulate_scene, voice_names
from arrayscene.metrics import match_sources, si_sdr
from arrayscene.simulate import SimulatedScene, random_talkers

RATE, SECONDS, N_SCENES = 16000, 8, 10
CASES = (("respeaker-usb-4", 2), ("respeaker-usb-4", 3), ("respeaker-6", 3), ("circular:3:0.1", 2))
WINDOWS = (2048, 4096)


def main() -> None:
    rows = []
    for array, n_talkers in CASES:
        scenes = [_score(_scene(array, n_talkers, seed)) for seed in range(N_SCENES)]
        row: dict[str, object] = {"array": array, "talkers": n_talkers}
        row |= {key: f"{np.mean([scene[key] for scene in scenes]):.2f}" for key in scenes[0]}
        row["worst gain dB"] = f"{min(scene['recover dB'] - scene['mixture dB'] for scene in scenes):.1f}"
        rows.append(row)
        print(row, flush=True)
    write_table("rooms", __doc__, describe(), list(rows[0]), rows)


def _scene(name: str, n_talkers: int, seed: int) -> SimulatedScene:
    generator = np.random.default_rng(7000 + seed)
    clips = _speech()
    room = tuple(generator.uniform([4.0, 3.5, 2.5], [7.0, 6.0, 3.2]))
    center = (*generator.uniform([1.3, 1.3], [room[0] - 1.3, room[1] - 1.3]), generator.uniform(0.8, 1.4))
    chosen = generator.choice(len(clips), n_talkers, replace=False)
    talkers = random_talkers(
        [clips[c]() for c in chosen],
        room_size=room,
        array_center=center,
        seed=generator,
        separation=np.deg2rad(35),
        distances=(0.8, 2.0),
    )
    t60 = float(generator.uniform(0.25, 0.5))
    array = MicrophoneArray.resolve(name)
    return simulate_scene(array, talkers, sample_rate=RATE, room_size=room, t60=t60, array_center=center, snr_db=20, seed=seed)


def _speech() -> list:
    root = shared_folder()
    if root is None:
        return [lambda name=name: np.resize(load_voice(name, RATE), SECONDS * RATE) for name in voice_names()]
    paths = sorted((root / "speech_train").glob("*/*.flac"))
    return [lambda path=path: _clip(path) for path in paths]


def _clip(path: Path) -> np.ndarray:
    return np.resize(sf.read(str(path), dtype="float32")[0][: SECONDS * RATE], SECONDS * RATE)


def _score(scene: SimulatedScene) -> dict[str, float]:
    y, images = scene.recording.samples, scene.images[:, 0]
    before = si_sdr(y[:1], images)
    row = {"mixture dB": float(before.mean())}
    for window in WINDOWS:
        start = time.perf_counter()
        stft = STFT(window)
        frames = stft(torch.from_numpy(y)).numpy().transpose(2, 1, 0)
        peer = pra.bss.auxiva(frames, n_iter=20, proj_back=True, model="gauss").transpose(2, 1, 0)
        peer = stft.inverse(torch.from_numpy(np.ascontiguousarray(peer)), y.shape[1]).numpy()
        row[f"pyroomacoustics {window} dB"] = float(match_sources(peer, images)[2].mean())
        row[f"pyroomacoustics {window} s"] = time.perf_counter() - start
    start = time.perf_counter()
    found = recover(scene.recording)
    row["recover s"] = time.perf_counter() - start
    after, close = before.copy(), 0
    if found.sources:
        estimate, target, score = match_sources(np.stack([source.signal for source in found.sources]), images)
        after[target] = score
        error = np.array([found.sources[e].azimuth - scene.directions[t, 0] for e, t in zip(estimate, target, strict=True)])
        close = int((np.abs(np.angle(np.exp(1j * error))) < np.deg2rad(5)).sum())
    row["recover dB"] = float(after.mean())
    row["count right"] = float(len(found.sources) == len(images))
    row["azimuth within 5 deg"] = close / len(images)
    return row


if __name__ == "__main__":
    main()
