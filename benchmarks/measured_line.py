"""Two talkers through measured responses of a line of microphones: `recover` beside pyroomacoustics' AuxIVA-Gauss.

Needs the shared recordings (ARRAYSCENE_SHARED_DATA, or ../shared/data beside the repository). Target of the SI-SDR: each talker's
reverberant image at the first microphone. pyroomacoustics separates into as many outputs as microphones and the best-fitting
outputs are scored, which favours it; `recover` is told the count in one run (scored) and counts by itself in the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyroomacoustics as pra
import soundfile as sf
import soxr
import torch
from common import describe, shared_data, speech_files, write_table
from scipy.io import loadmat
from scipy.signal import fftconvolve

from arrayscene import STFT, MicrophoneArray, Recording, recover
from arrayscene.metrics import match_sources, si_sdr

RATE, SECONDS, N_SCENES, WINDOW = 16000, 8, 12, 4096
STEP = 0.03
"""Metres between the line's microphones."""


def main() -> None:
    root = shared_data()
    clips = speech_files(root)
    rows = []
    for seed, (y, images, azimuths, array) in enumerate(line_scenes(root, clips, range(N_SCENES))):
        rows.append(_score(y, images, azimuths, array, seed))
        print(rows[-1], flush=True)
    columns = list(rows[0])
    mean = {c: (f"{np.mean([row[c] for row in rows]):.2f}" if c not in ("scene", "counted") else "mean") for c in columns}
    mean["counted"] = f"{np.mean([row['counted'] == 2 for row in rows]):.0%} right"
    write_table("measured_line", __doc__, describe(), [*rows, mean])


@cache
def line_responses(root: Path, rate: int = RATE) -> tuple[list[np.ndarray], np.ndarray]:
    """Responses (mic, tap) of six loudspeakers at a line of 32 microphones (rs_mnmf_ula32), and their places (6, 2) in metres."""
    folder = root / "measured" / "rs_mnmf_ula32" / "sources"
    read = [sf.read(folder / f"rir_source_{n}.wav")[0] for n in range(1, 7)]
    responses = [(taps if rate == 48000 else soxr.resample(taps, 48000, rate)).T for taps in read]
    return responses, loadmat(folder / "source_location.mat")["sourceLocation"][:6]


def line_positions(mics: np.ndarray) -> np.ndarray:
    """(mic, 3) metres of microphones of that line, counted from 0."""
    return np.stack([0 * mics, STEP * mics, 0 * mics], axis=-1)


def line_scenes(
    root: Path, clips: list[Path], seeds: Iterable[int]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, MicrophoneArray]]:
    """Two talkers at least 25 degrees apart, 4 to 8 of the 32 microphones, SNR 30 dB: samples, images, azimuths, array."""
    responses, places = line_responses(root)
    for seed in seeds:
        generator = np.random.default_rng(seed)
        n_mics, stride = int(generator.integers(4, 9)), int(generator.integers(1, 4))
        first = int(generator.integers(0, 32 - (n_mics - 1) * stride))
        mics = first + stride * np.arange(n_mics)
        positions = line_positions(mics)
        center = positions.mean(axis=0)[:2]
        azimuths = np.arctan2(places[:, 1] - center[1], places[:, 0] - center[0])
        while True:
            pair = generator.choice(6, 2, replace=False)
            if abs(np.diff(azimuths[pair])[0]) > np.deg2rad(25):
                break
        chosen = generator.choice(len(clips), 2, replace=False)
        images = np.stack([_image(responses[s][mics], clips[c]) for s, c in zip(pair, chosen, strict=True)])
        noise = generator.standard_normal(images.shape[1:]) * 10 ** (-30 / 20) * images.sum(0)[0].std()
        array = MicrophoneArray.from_positions(positions, name="line", layout="mic-first")
        yield (images.sum(0) + noise).astype(np.float32), images[:, 0], azimuths[pair], array


def _image(response: np.ndarray, clip: object) -> np.ndarray:
    speech = sf.read(str(clip))[0][: SECONDS * RATE]
    speech = np.resize(speech, SECONDS * RATE)
    image = fftconvolve(response, speech[None], axes=1)[:, : SECONDS * RATE]
    return image / image[0].std() * 0.05


def _score(y: np.ndarray, images: np.ndarray, azimuths: np.ndarray, array: MicrophoneArray, seed: int) -> dict[str, object]:
    before = si_sdr(y[:1], images).mean()
    stft = STFT(WINDOW)
    start = time.perf_counter()
    frames = stft(torch.from_numpy(y)).numpy()
    peer = pra.bss.auxiva(frames.transpose(2, 1, 0), n_iter=20, proj_back=True, model="gauss").transpose(2, 1, 0)
    peer = stft.inverse(torch.from_numpy(np.ascontiguousarray(peer)), y.shape[1]).numpy()
    peer_time = time.perf_counter() - start
    start = time.perf_counter()
    told = recover(Recording(y, RATE, array), n_sources=2)
    told_time = time.perf_counter() - start
    counted = recover(Recording(y, RATE, array))
    signals = np.stack([source.signal for source in told.sources])
    estimate, target, score = match_sources(signals, images)
    error = [abs(np.rad2deg(told.sources[e].azimuth - azimuths[t])) for e, t in zip(estimate, target, strict=True)]
    return {
        "scene": seed,
        "mics": array.n_mics,
        "mixture dB": round(float(before), 2),
        "pyroomacoustics dB": round(float(match_sources(peer, images)[2].mean()), 2),
        "recover dB": round(float(score.mean()), 2),
        "pyroomacoustics s": round(peer_time, 2),
        "recover s": round(told_time, 2),
        "azimuth error deg": round(float(np.max(error)), 1),
        "counted": len(counted.sources),
    }


if __name__ == "__main__":
    main()
