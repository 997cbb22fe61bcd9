"""arrayscene recovers the audio scene from a microphone array's recording: y = A x + n, x = D y.

    capture  ->  A (response)  ->  D (decoders)  ->  Scene  ->  report

    array.py       MicrophoneArray: where the microphones are
    recording.py   Recording: what they heard
    stft.py        STFT: time and frequency
    response/      Response: A, from sources to microphones
    localize/      where the sources are, and how many
    decoders/      Decoder: D, from microphones to sources
    recovery.py    recover: the whole line, one page
    scene.py       Scene and Source: what was recovered
    tracking/      track: sources that move, and who is who
    report/        write_scene: the scene as a folder to read and hear
    simulate/      simulate_scene: recordings with known truth
    datasets/      AudioDiffusionDataset: scenes to train on
    networks/      AudioDiffusionNet: A fixed, D trained
    diffusion/     samplers, guidance: sources drawn from a prior and a recording
    worlds/        World: any number of scenes with known truth, for training and testing
    metrics/       how close a result is to the truth
    imaging/       sound_map: how loud it is at each point of a plane, a sphere or a box
    evaluation/    evaluate: a result on disk against a truth on disk

Names are imported when they are first used, so `import arrayscene` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arrayscene import (
        datasets,
        decoders,
        diffusion,
        evaluation,
        imaging,
        localize,
        metrics,
        networks,
        report,
        response,
        simulate,
        tracking,
        worlds,
    )
    from arrayscene.array import MicrophoneArray
    from arrayscene.datasets import AudioDiffusionDataset
    from arrayscene.decoders import Decoder, Estimate
    from arrayscene.errors import (
        ArraySceneError,
        ConvergenceError,
        DeviceError,
        GeometryError,
        RecordingError,
        ShapeError,
    )
    from arrayscene.imaging import SoundMap, sound_map
    from arrayscene.localize import locate
    from arrayscene.networks import AudioDiffusionNet
    from arrayscene.recording import Recording
    from arrayscene.recovery import recover
    from arrayscene.report import write_scene
    from arrayscene.response import Response
    from arrayscene.scene import Scene, Source
    from arrayscene.simulate import simulate_scene
    from arrayscene.stft import STFT
    from arrayscene.voices import load_voice, voice_names

    __version__: str

__all__ = [
    "STFT",
    "ArraySceneError",
    "AudioDiffusionDataset",
    "AudioDiffusionNet",
    "ConvergenceError",
    "Decoder",
    "DeviceError",
    "Estimate",
    "GeometryError",
    "MicrophoneArray",
    "Recording",
    "RecordingError",
    "Response",
    "Scene",
    "ShapeError",
    "SoundMap",
    "Source",
    "datasets",
    "decoders",
    "diffusion",
    "evaluation",
    "imaging",
    "load_voice",
    "localize",
    "locate",
    "metrics",
    "networks",
    "recover",
    "report",
    "response",
    "simulate",
    "simulate_scene",
    "sound_map",
    "tracking",
    "voice_names",
    "worlds",
    "write_scene",
]

_HOMES = {
    "STFT": "stft",
    "ArraySceneError": "errors",
    "AudioDiffusionDataset": "datasets",
    "AudioDiffusionNet": "networks",
    "ConvergenceError": "errors",
    "Decoder": "decoders",
    "DeviceError": "errors",
    "Estimate": "decoders",
    "GeometryError": "errors",
    "MicrophoneArray": "array",
    "Recording": "recording",
    "RecordingError": "errors",
    "Response": "response",
    "Scene": "scene",
    "ShapeError": "errors",
    "SoundMap": "imaging",
    "Source": "scene",
    "load_voice": "voices",
    "locate": "localize",
    "recover": "recovery",
    "simulate_scene": "simulate",
    "sound_map": "imaging",
    "voice_names": "voices",
    "write_scene": "report",
}
"""Public name: the module that defines it; a public name that is missing here is a module itself."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("arrayscene")
    if name not in __all__:
        raise AttributeError(f"module 'arrayscene' has no attribute {name!r}")
    module = importlib.import_module(f"arrayscene.{_HOMES.get(name, name)}")
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
