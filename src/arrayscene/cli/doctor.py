"""`arrayscene doctor`: does it work here, and if not, what to do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

NEEDED_PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "numba",
    "soundfile",
    "soxr",
    "typer",
    "rich",
    "matplotlib",
    "safetensors",
    "tomli-w",
)
OPTIONAL_PACKAGES = {
    "pyroomacoustics": "for `simulate` and `demo`: pip install 'arrayscene[rooms]'",
    "lightning-fabric": "for `train`: pip install 'arrayscene[train]'",
    "sounddevice": "to list audio devices: pip install sounddevice",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it is there and works.
        needed: whether the main job fails without it.
        detail: version, count or what went wrong.
        remedy: what to do where it is not ok.
    """

    name: str
    ok: bool
    needed: bool
    detail: str
    remedy: str = ""


class _NotThereError(Exception):
    """Something optional that this machine lacks."""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at versions, kernels, GPU, audio and caches, and recover a tiny scene; exit 1 if the main job does not work."""
    checks = examine()
    works = all(check.ok for check in checks if check.needed)
    if as_json:
        print(json.dumps({"ok": works, "checks": [asdict(check) for check in checks]}, indent=2, ensure_ascii=False))
    else:
        for check in checks:
            state = "ok  " if check.ok else "FAIL" if check.needed else "none"
            print(f"{state}  {check.name}: {check.detail}" + ("" if check.ok or not check.remedy else f"; {check.remedy}"))
        print("the main job works here" if works else "the main job does not work here; mend what says FAIL")
    if not works:
        raise typer.Exit(1)


def examine() -> list[Check]:
    """Every check in the order in which a failure explains the next ones."""
    checks = [_python(), *(_package(name, True) for name in ("arrayscene", *NEEDED_PACKAGES))]
    checks += [_package(name, False, remedy) for name, remedy in OPTIONAL_PACKAGES.items()]
    probes: tuple[tuple[str, bool, Callable[[], str], str], ...] = (
        ("audio formats", True, _audio_formats, "reinstall soundfile"),
        ("numba cache", False, _numba_cache, "set NUMBA_CACHE_DIR to a folder that can be written, or every start compiles"),
        ("kernels", True, _kernels, "reinstall numba; if that does not help, report this message"),
        ("gpu", False, _gpu, "everything runs on the CPU"),
        ("audio devices", False, _audio_devices, "recovering files needs none"),
        ("recover a tiny scene", True, _recover, "report this message"),
    )
    return checks + [_probe(*probe) for probe in probes]


def _probe(name: str, needed: bool, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, True, needed, look())
    except _NotThereError as absence:
        return Check(name, False, needed, str(absence), remedy)
    # A doctor survives every illness that it finds; what went wrong is its finding.
    except Exception as error:
        return Check(name, False, needed, f"{type(error).__name__}: {' '.join(str(error).split())}", remedy)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), True, found, "install Python 3.11 or newer")


def _package(name: str, needed: bool, remedy: str = "") -> Check:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check(name, True, needed, version(name))
    except PackageNotFoundError:
        return Check(name, False, needed, "not installed", remedy or f"pip install {name}")


def _audio_formats() -> str:
    import soundfile

    wanted = {"WAV", "FLAC", "OGG", "AIFF", "CAF", "MP3"}
    missing = sorted(wanted - set(soundfile.available_formats()))
    formats = f"without {', '.join(missing)}" if missing else ", ".join(sorted(wanted))
    return f"libsndfile {soundfile.__libsndfile_version__}, {formats}"


def _numba_cache() -> str:
    import arrayscene
    from arrayscene.folder import not_writable

    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(arrayscene.__file__).parent
    existing = next(step for step in (folder, *folder.parents) if step.exists())
    if reason := not_writable(existing):
        raise PermissionError(f"{folder} cannot be written ({reason})")
    return "can be written"


def _kernels() -> str:
    from arrayscene import kernels

    verdict: str = kernels.self_test()
    return verdict


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        raise _NotThereError("no CUDA device")
    return ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _audio_devices() -> str:
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise _NotThereError("sounddevice cannot be loaded") from error

    inputs = [device["name"] for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
    if not inputs:
        raise _NotThereError("no input device")
    return ", ".join(inputs)


def _recover() -> str:
    """Two seconds of noise from 60 degrees reach a circle of four microphones as a plane wave."""
    import math

    import numpy as np

    from arrayscene.array import MicrophoneArray
    from arrayscene.constants import SPEED_OF_SOUND
    from arrayscene.recording import Recording
    from arrayscene.recovery import recover

    array, rate, azimuth = MicrophoneArray.circular(4, 0.04), 16000, math.radians(60)
    generator = np.random.default_rng(0)
    spectrum = np.fft.rfft(0.1 * generator.standard_normal(2 * rate))
    arrival = -array.positions @ [math.cos(azimuth), math.sin(azimuth), 0.0] / SPEED_OF_SOUND
    frequencies = np.fft.rfftfreq(2 * rate, 1 / rate)
    heard = np.fft.irfft(spectrum * np.exp(-2j * math.pi * frequencies * arrival[:, None]))
    heard += 1e-3 * generator.standard_normal(heard.shape)
    scene = recover(Recording(heard, rate, array=array), n_sources=1)
    found = scene.sources[0].azimuth
    if found is None or abs(math.degrees(math.remainder(found - azimuth, math.tau))) > 10:
        raise RuntimeError(f"azimuth {found} came, {azimuth:.2f} radians was wanted")
    return f"azimuth {math.degrees(found):.0f} degrees of 60, {sum(scene.timings.values()):.1f} s"
