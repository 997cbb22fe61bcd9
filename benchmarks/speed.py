"""Time of the same blind separation here and in other packages, on the same frames, in one run, with the quality beside it.

Two talkers and three microphones on a ring of 20 cm, T60 0.3 s, 10 s at 16 kHz, windows of 2048 samples, a quarter as hop, 20
iterations, four bases. ILRMA starts from AuxIVA here, and FastMNMF from ILRMA: once with 20 iterations each, once with 20 in
all, both with the time of the start. WPE: six microphones, windows of 512, ten taps, three iterations, and the difference
from nara_wpe's double precision; the recursive form in steps of 16 frames. Every call gets frames that lie in memory as it
wants them; time: the processor's, the least of three runs that take turns, one thread. SI-SDR: mean over twenty such rooms,
best assignment to the reverberant images at the first microphone. Packages that are not installed are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from common import describe, write_table

from arrayscene import STFT, MicrophoneArray, load_voice, simulate_scene, voice_names
from arrayscene.bench.peers import importable
from arrayscene.decoders import ILRMA, WPE, AuxIVA, Decoder, FastMNMF, RecursiveWPE
from arrayscene.metrics import match_sources
from arrayscene.simulate import SimulatedScene, random_talkers

RATE, SECONDS, N_RUNS, N_SCENES, N_ITER, N_BASES = 16000, 10, 3, 20, 20, 4
FIRST = 3000
"""Seeds that no tuning used."""

Call = Callable[[torch.Tensor], np.ndarray]
"""From y (mic, freq, frame) to (output, freq, frame)."""


def main() -> None:
    torch.set_num_threads(1)
    rows = [*separations(), *dereverberation()]
    write_table("speed", __doc__, describe(), rows)


def separations() -> list[dict[str, object]]:
    scenes = [_scene(3, 0.1, 2, seed) for seed in range(FIRST, FIRST + N_SCENES)]
    stft = STFT(2048)
    frames = [stft(torch.from_numpy(scene.recording.samples)).contiguous() for scene in scenes]
    few = AuxIVA(n_iter=N_ITER // 2)
    third = ILRMA(n_bases=N_BASES, n_iter=N_ITER // 4, start=few)
    calls: dict[str, dict[str, Call]] = {
        "AuxIVA": {"here": _ours(AuxIVA(n_iter=N_ITER))},
        "ILRMA": {
            "here": _ours(ILRMA(n_bases=N_BASES, n_iter=N_ITER)),
            "here, 10 + 10 iterations": _ours(ILRMA(n_bases=N_BASES, n_iter=N_ITER // 2, start=few)),
        },
    }
    for model in (1, 2):
        calls["FastMNMF" if model == 1 else "FastMNMF2"] = {
            "here": _ours(FastMNMF(model=model, n_bases=N_BASES, n_iter=N_ITER)),
            "here, 10 + 5 + 5 iterations": _ours(FastMNMF(model=model, n_bases=N_BASES, n_iter=N_ITER // 4, start=third)),
        }
    if importable("pyroomacoustics"):
        import pyroomacoustics.bss as pra

        def of(name: str, **options: object) -> Call:
            return lambda y: getattr(pra, name)(_frames_last(y), n_iter=N_ITER, **options).transpose(2, 1, 0)

        calls["AuxIVA"]["pyroomacoustics"] = of("auxiva", proj_back=True, model="gauss")
        calls["ILRMA"]["pyroomacoustics"] = of("ilrma", proj_back=True, n_components=N_BASES)
        calls["FastMNMF"]["pyroomacoustics"] = of("fastmnmf", n_components=N_BASES)
        calls["FastMNMF2"]["pyroomacoustics"] = of("fastmnmf2", n_components=N_BASES)
    if importable("torchiva"):
        import torchiva

        iss = torchiva.T_ISS(n_iter=N_ITER, n_taps=0, n_delay=0, model=torchiva.GaussModel())
        calls["AuxIVA"]["torchiva ISS, complex64"] = lambda y: iss(y[None])[0].numpy()
    rows = []
    for method, several in calls.items():
        seconds = _seconds(several, frames[0])
        for name, call in several.items():
            scores = [_si_sdr(call(y), stft, scene) for y, scene in zip(frames, scenes, strict=True)]
            rows.append(_row(method, name, seconds, f"SI-SDR {np.mean(scores):.2f} dB"))
    return rows


def dereverberation() -> list[dict[str, object]]:
    y = STFT(512)(torch.from_numpy(_scene(6, 0.05, 1, 0).recording.samples)).contiguous()
    # The floor that nara_wpe has.
    calls: dict[str, Call] = {"here": _ours(WPE(taps=10, delay=3, n_iter=3, floor=1e-9))}
    if importable("nara_wpe"):
        from nara_wpe.wpe import wpe

        theirs = y.numpy().transpose(1, 0, 2).astype(np.complex128)
        single = theirs.astype(np.complex64)
        calls["nara_wpe, complex64"] = lambda y: wpe(single, taps=10, delay=3, iterations=3).transpose(1, 0, 2)
        calls["nara_wpe, complex128"] = lambda y: wpe(theirs, taps=10, delay=3, iterations=3).transpose(1, 0, 2)
    outputs = {name: call(y) for name, call in calls.items()}
    wanted = list(outputs.values())[-1]
    seconds = _seconds(calls, y)
    rows = [
        _row("WPE, 6 microphones", name, seconds, f"difference {np.abs(x - wanted).max() / np.abs(wanted).max():.1g}")
        for name, x in outputs.items()
    ]
    for n_mics in (4, 8):
        y = STFT(512)(torch.from_numpy(_scene(n_mics, 0.05, 1, 0).recording.samples)).contiguous()
        seconds = _seconds({"here": _ours(RecursiveWPE(10, delay=3, block=16))}, y)
        share = f"{seconds['here'] / SECONDS:.3f} of real time"
        rows.append(_row(f"WPE, recursive, {n_mics} microphones", "here", seconds, share))
    return rows


def _ours(decoder: Decoder) -> Call:
    return lambda y: decoder(y).x.numpy()


def _frames_last(y: torch.Tensor) -> np.ndarray:
    """(frame, freq, mic), as pyroomacoustics has it; it writes into what it gets."""
    return y.numpy().transpose(2, 1, 0).copy()


def _seconds(calls: dict[str, Call], y: torch.Tensor) -> dict[str, float]:
    for call in calls.values():
        call(y)
    seconds = {name: np.inf for name in calls}
    for _ in range(N_RUNS):
        for name, call in calls.items():
            start = time.process_time()
            call(y)
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


def _row(method: str, name: str, seconds: dict[str, float], quality: str) -> dict[str, object]:
    return {
        "method": method,
        "package": name,
        "seconds": f"{seconds[name]:.3f}",
        "times as long as here": f"{seconds[name] / seconds['here']:.1f}",
        "quality": quality,
    }


def _si_sdr(x: np.ndarray, stft: STFT, scene: SimulatedScene) -> float:
    samples = stft.inverse(torch.from_numpy(np.ascontiguousarray(x)), scene.recording.samples.shape[-1]).numpy()
    return float(match_sources(samples, scene.images[:, 0])[2].mean())


def _scene(n_mics: int, radius: float, n_talkers: int, seed: int) -> SimulatedScene:
    names = np.random.default_rng(seed).permutation(voice_names())[:n_talkers]
    signals = [np.resize(load_voice(str(name), RATE), SECONDS * RATE) for name in names]
    talkers = random_talkers(signals, room_size=(6.0, 4.0, 2.7), array_center=(3.0, 2.0, 1.1), seed=seed)
    return simulate_scene(MicrophoneArray.circular(n_mics, radius), talkers, sample_rate=RATE, t60=0.3, snr_db=30.0)


if __name__ == "__main__":
    main()
