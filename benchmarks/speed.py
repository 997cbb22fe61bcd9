"""Time of the same blind separation here and in other packages, on the same frames, in one run, with the quality beside it.

Two talkers (a third where three are separated) and three microphones on a ring of 10 cm, T60 0.3 s, 10 s at 16 kHz, windows of
2048 samples, a quarter as hop, 20 iterations, four bases; WPE: six microphones, windows of 512, ten taps, three iterations. Every
call gets frames that lie in memory as it wants them; the least of three runs that take turns, one thread. SI-SDR: best assignment
to the reverberant images at the first microphone. Packages that are not installed are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from common import describe, write_table

from arrayscene import STFT, MicrophoneArray, load_voice, simulate_scene, voice_names
from arrayscene.bench.peers import importable
from arrayscene.decoders import ILRMA, WPE, AuxIVA, FastMNMF
from arrayscene.metrics import match_sources
from arrayscene.simulate import SimulatedScene, random_talkers

RATE, SECONDS, N_RUNS, N_ITER, N_BASES = 16000, 10, 3, 20, 4
Call = Callable[[], np.ndarray]
"""Returns (output, freq, frame)."""


def main() -> None:
    torch.set_num_threads(1)
    rows = [*separations(), *dereverberations()]
    write_table("speed", __doc__ or "", describe(), list(rows[0]), rows)


def separations() -> list[dict[str, object]]:
    scene = _scene(3, 0.1, 2)
    stft = STFT(2048)
    y = stft(torch.from_numpy(scene.recording.samples)).contiguous()
    theirs = y.numpy().transpose(2, 1, 0).copy()
    calls: dict[str, dict[str, Call]] = {
        "AuxIVA": {"here": lambda: AuxIVA(n_iter=N_ITER)(y).x.numpy()},
        "ILRMA": {"here": lambda: ILRMA(n_bases=N_BASES, n_iter=N_ITER)(y).x.numpy()},
        "FastMNMF": {"here": lambda: FastMNMF(model=1, n_bases=N_BASES, n_iter=N_ITER)(y).x.numpy()},
        "FastMNMF2": {"here": lambda: FastMNMF(model=2, n_bases=N_BASES, n_iter=N_ITER)(y).x.numpy()},
    }
    if importable("pyroomacoustics"):
        import pyroomacoustics.bss as pra

        def of(name: str, **options: object) -> Call:
            return lambda: getattr(pra, name)(theirs.copy(), n_iter=N_ITER, **options).transpose(2, 1, 0)

        calls["AuxIVA"]["pyroomacoustics"] = of("auxiva", proj_back=True, model="gauss")
        calls["ILRMA"]["pyroomacoustics"] = of("ilrma", proj_back=True, n_components=N_BASES)
        calls["FastMNMF"]["pyroomacoustics"] = of("fastmnmf", n_components=N_BASES)
        calls["FastMNMF2"]["pyroomacoustics"] = of("fastmnmf2", n_components=N_BASES)
    if importable("torchiva"):
        import torchiva

        iss = torchiva.T_ISS(n_iter=N_ITER, n_taps=0, n_delay=0, model=torchiva.GaussModel())
        calls["AuxIVA"]["torchiva ISS, complex64"] = lambda: iss(y[None])[0].numpy()
    return [row for method, several in calls.items() for row in _timed(method, several, lambda x: _si_sdr(x, stft, scene))]


def dereverberations() -> list[dict[str, object]]:
    scene = _scene(6, 0.05, 1)
    y = STFT(512)(torch.from_numpy(scene.recording.samples)).contiguous()
    calls: dict[str, Call] = {"here": lambda: WPE(taps=10, delay=3, n_iter=3)(y).x.numpy()}
    if importable("nara_wpe"):
        from nara_wpe.wpe import wpe

        theirs = y.numpy().transpose(1, 0, 2).astype(np.complex128)
        calls["nara_wpe"] = lambda: wpe(theirs, taps=10, delay=3, iterations=3).transpose(1, 0, 2)
    wanted = calls[list(calls)[-1]]()
    return _timed("WPE, 6 microphones", calls, lambda x: np.abs(x - wanted).max() / np.abs(wanted).max(), "relative difference")


def _timed(
    method: str, calls: dict[str, Call], judge: Callable[[np.ndarray], float], what: str = "SI-SDR dB"
) -> list[dict[str, object]]:
    outputs = {name: call() for name, call in calls.items()}
    seconds = {name: np.inf for name in calls}
    for _ in range(N_RUNS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return [
        {
            "method": method,
            "package": name,
            "seconds": f"{seconds[name]:.3f}",
            "times as long as here": f"{seconds[name] / seconds['here']:.1f}",
            "quality": f"{what} {judge(outputs[name]):.2g}" if what != "SI-SDR dB" else f"{what} {judge(outputs[name]):.2f}",
        }
        for name in calls
    ]


def _si_sdr(x: np.ndarray, stft: STFT, scene: SimulatedScene) -> float:
    samples = stft.inverse(torch.from_numpy(np.ascontiguousarray(x)), scene.recording.samples.shape[-1]).numpy()
    return float(match_sources(samples, scene.images[:, 0])[2].mean())


def _scene(n_mics: int, radius: float, n_talkers: int) -> SimulatedScene:
    names = voice_names()[:n_talkers]
    signals = [np.resize(load_voice(name, RATE), SECONDS * RATE) for name in names]
    talkers = random_talkers(signals, room_size=(6.0, 4.0, 2.7), array_center=(3.0, 2.0, 1.1), seed=1)
    return simulate_scene(MicrophoneArray.circular(n_mics, radius), talkers, sample_rate=RATE, t60=0.3, snr_db=30.0)


if __name__ == "__main__":
    main()
