"""The scenes of the benchmark: talkers in simulated rooms, each made from its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.errors import RecordingError
from arrayscene.naming import one_of
from arrayscene.recording import Recording
from arrayscene.simulate import SimulatedScene, random_talkers, simulate_scene
from arrayscene.speakers import find_speech
from arrayscene.voices import load_voice, voice_names

SAMPLE_RATE: Final = 16000


class SceneSet(NamedTuple):
    """A kind of scene: the array's name, the number of talkers, and what a user would call it."""

    array: str
    n_talkers: int
    title: str


SETS: Final = {
    "triangle": SceneSet("circular:3:0.1", 2, "2 talkers, 3 microphones on 20 cm"),
    "ring-2": SceneSet("respeaker-usb-4", 2, "2 talkers, ring of 4 microphones on 6.4 cm"),
    "ring-3": SceneSet("respeaker-usb-4", 3, "3 talkers, ring of 4 microphones on 6.4 cm"),
    "six": SceneSet("respeaker-6", 3, "3 talkers, ring of 6 microphones on 9.2 cm"),
    "pair": SceneSet("linear:2:0.1", 3, "3 talkers, 2 microphones 10 cm apart"),
}
"""T60 0.2 to 0.5 s, SNR 20 to 30 dB, talkers 0.8 to 2 m away and at least 30 degrees apart, equally loud at the array."""


class BenchScene(NamedTuple):
    """A recording and the truth.

    Attributes:
        samples: (mic, sample) what the microphones heard.
        targets: (source, sample) every talker's reverberant image at the first microphone.
        array: name of the array.
    """

    samples: NDArray[np.float32]
    targets: NDArray[np.float32]
    array: str


def make_scenes(kind: str, n: int, *, seconds: float = 8.0, speech: Path | None = None, first: int = 0) -> list[BenchScene]:
    """Scenes number `first` to `first + n - 1` of a kind.

    Args:
        kind: one of `SETS`.
        n: how many.
        seconds: length of each.
        speech: folder with audio files of one talker each, searched to any depth; None: the voices that the package ships.
        first: number of the first scene.

    Raises:
        ShapeError: a kind that does not exist.
        RecordingError: a folder with fewer files than a scene has talkers.

    Cost: about 2 s a scene on one core.
    """
    kind = one_of(kind, list(SETS), "scenes")
    files = None if speech is None else _speech_files(speech, SETS[kind].n_talkers)
    return [_scene(SETS[kind], number, seconds, files) for number in range(first, first + n)]


def _scene(kind: SceneSet, number: int, seconds: float, files: Sequence[Path] | None) -> BenchScene:
    generator = np.random.default_rng([number, *kind.array.encode(), kind.n_talkers])
    room = tuple(generator.uniform([4.0, 3.5, 2.5], [8.0, 6.5, 3.2]))
    center = (*generator.uniform([1.4, 1.4], [room[0] - 1.4, room[1] - 1.4]), generator.uniform(0.8, 1.5))
    talkers = random_talkers(
        _signals(kind.n_talkers, seconds, files, generator),
        room_size=room,
        array_center=center,
        seed=generator,
        separation=np.deg2rad(30.0),
        distances=(0.8, 2.0),
    )
    scene: SimulatedScene = simulate_scene(
        MicrophoneArray.resolve(kind.array),
        talkers,
        sample_rate=SAMPLE_RATE,
        room_size=room,
        t60=float(generator.uniform(0.2, 0.5)),
        array_center=center,
        snr_db=float(generator.uniform(20.0, 30.0)),
        seed=generator,
    )
    return BenchScene(scene.recording.samples, scene.images[:, 0], kind.array)


def _signals(n: int, seconds: float, files: Sequence[Path] | None, generator: np.random.Generator) -> list[NDArray[np.float32]]:
    n_samples = round(seconds * SAMPLE_RATE)
    if files is None:
        names = voice_names()
        clips = [load_voice(names[i], SAMPLE_RATE) for i in generator.choice(len(names), n, replace=False)]
    else:
        chosen = generator.choice(len(files), n, replace=False)
        clips = [Recording.read(files[i]).resample(SAMPLE_RATE).samples[0] for i in chosen]
    starts = [int(generator.integers(len(clip))) for clip in clips]
    return [np.resize(np.roll(clip, -start), n_samples).astype(np.float32) for clip, start in zip(clips, starts, strict=True)]


def _speech_files(folder: Path, least: int) -> list[Path]:
    files = sorted(path for paths in find_speech(folder).values() for path in paths)
    if len(files) < least:
        raise RecordingError(f"{folder}: {len(files)} audio files were found; a scene needs {least}, one for each talker")
    return files
