"""Run every method on every scene, each method in a process of its own, and score what comes out."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.bench.peers import importable, peers
from arrayscene.bench.scenes import SAMPLE_RATE, BenchScene

Progress = Callable[[str, float], None]

COUNTING = "auto, counting"
"""The automatic method, not told how many talkers there are."""

OURS = ("auto", COUNTING, "auxiva", "ilrma", "fastmnmf", "mwf", "mvdr", "delay-and-sum")
"""Methods of ours that are compared where nobody says which."""

UNIT = 2**20 if sys.platform == "darwin" else 2**10
"""What the system counts memory in, for megabytes: bytes on macOS, kilobytes on Linux."""


class Result(NamedTuple):
    """One method on one scene.

    Attributes:
        method: its name.
        kind: of the scene.
        gain_db: mean SI-SDR of the talkers above that of the mixture, target the reverberant image at the first microphone.
        si_sdr_db: the same, not above the mixture.
        estoi, pesq: means, NaN where pystoi or pesq is not installed.
        count_right: whether as many sources were found as there are; True where the method cannot count.
        seconds: of the call, compilation not included.
        peak_mb: most memory of the process up to the end of the call, its imports included.
    """

    method: str
    kind: str
    gain_db: float
    si_sdr_db: float
    estoi: float
    pesq: float
    count_right: bool
    seconds: float
    peak_mb: float


Bench = list[Result]


def run(methods: Sequence[str], scenes: dict[str, list[BenchScene]], progress: Progress | None = None) -> Bench:
    """Score methods on scenes.

    Args:
        methods: names of our own (`arrayscene.methods.METHODS`; "auto, counting" is not told the number of talkers) and of peers
            (`arrayscene.bench.peers.peers`).
        scenes: by kind.
        progress: called with the name of a method and the fraction of its scenes that are done.

    Returns: one result a method and scene; a method that cannot separate a kind of scene has none for it.

    Cost: one process a method, one after the other, so that neither time nor memory of one tells on another.
    """
    results: Bench = []
    n_scenes = sum(map(len, scenes.values()))
    context = multiprocessing.get_context("spawn")
    for method in methods:
        done, warm = 0, False
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            for kind, several in scenes.items():
                for number, scene in enumerate(several):
                    if progress is not None:
                        progress(method, (done + number) / n_scenes)
                    result = pool.submit(_run_scene, method, kind, scene, warm).result()
                    if result is None:
                        break
                    results.append(result)
                    warm = True
                done += len(several)
        if progress is not None:
            progress(method, 1.0)
    return results


def _run_scene(method: str, kind: str, scene: BenchScene, warm: bool) -> Result | None:
    """One method on one scene; None where it cannot separate such scenes."""
    import torch

    from arrayscene.errors import ArraySceneError

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    try:
        separate = _separator(method, scene)
        if not warm:
            # Kernels are compiled or loaded before the clock runs.
            separate(scene.samples[:, : 2 * SAMPLE_RATE])
        start = time.perf_counter()
        estimates = separate(scene.samples)
        seconds = time.perf_counter() - start
    except ArraySceneError:
        return None
    # Read before the scores are computed, whose packages need memory too.
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT
    return _score(method, kind, scene, estimates, seconds, peak_mb)


def _separator(method: str, scene: BenchScene) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    from arrayscene.errors import ShapeError
    from arrayscene.methods import METHODS
    from arrayscene.recording import Recording
    from arrayscene.recovery import recover

    name = "auto" if method == COUNTING else method
    if name not in METHODS:
        if len(scene.targets) > len(scene.samples):
            raise ShapeError(f"{method} separates at most {len(scene.samples)} talkers")
        # Only here: the memory of other packages is not that of our methods.
        return peers()[method]

    def separate(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        n_sources = None if method == COUNTING else len(scene.targets)
        found = recover(Recording(samples, SAMPLE_RATE), scene.array, n_sources=n_sources, method=name)
        signals = [source.signal for source in found.sources]
        return np.stack(signals) if signals else np.zeros((0, samples.shape[-1]), np.float32)

    return separate


def _score(method: str, kind: str, scene: BenchScene, estimates: NDArray[np.float32], seconds: float, peak_mb: float) -> Result:
    from arrayscene.metrics import match_sources, si_sdr

    before = si_sdr(scene.samples[:1], scene.targets)
    # A talker that was missed is heard as in the mixture; so is one that came out as NaN.
    heard = np.repeat(scene.samples[:1], len(scene.targets), axis=0)
    finite = estimates[np.isfinite(estimates).all(axis=-1)]
    if len(finite):
        estimate, target, _ = match_sources(finite, scene.targets)
        heard[target] = finite[estimate]
    after = si_sdr(heard, scene.targets)
    return Result(
        method,
        kind,
        float((after - before).mean()),
        float(after.mean()),
        _estoi(heard, scene.targets),
        _pesq(heard, scene.targets),
        method != COUNTING or len(estimates) == len(scene.targets),
        seconds,
        peak_mb,
    )


def _estoi(heard: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    if not importable("pystoi"):
        return float("nan")
    from pystoi import stoi

    return float(np.mean([stoi(t, h, SAMPLE_RATE, extended=True) for h, t in zip(heard, targets, strict=True)]))


def _pesq(heard: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    if not importable("pesq"):
        return float("nan")
    from pesq import pesq

    return float(np.mean([pesq(SAMPLE_RATE, t, h, "wb") for h, t in zip(heard, targets, strict=True)]))
