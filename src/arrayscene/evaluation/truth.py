"""The truth: who is where at every moment, when each sounds, and what each sounds like alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.activity import active_segments
from arrayscene.array import MicrophoneArray
from arrayscene.errors import RecordingError
from arrayscene.recording import Recording

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Truth:
    """What really was.

    Attributes:
        names: of the talkers.
        times: (time,) seconds, rising.
        azimuth, elevation: (time, talker) radians.
        active: for each talker, (segment, 2) start and end in seconds.
        images: (talker, sample) each alone at the first microphone, reverberation included.
        mixture: (sample,) what the first microphone heard.
        sample_rate: hertz.
        array: the microphones.
    """

    names: tuple[str, ...]
    times: FloatArray
    azimuth: FloatArray
    elevation: FloatArray
    active: tuple[FloatArray, ...]
    images: NDArray[np.float32]
    mixture: NDArray[np.float32]
    sample_rate: int
    array: MicrophoneArray

    def directions_at(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(time, talker) azimuth and elevation at other times, between the known ones along straight lines."""
        unwrapped = np.unwrap(self.azimuth, axis=0)
        azimuth, elevation = (
            np.stack([np.interp(times, self.times, column) for column in values.T], axis=1)
            for values in (unwrapped, self.elevation)
        )
        return np.angle(np.exp(1j * azimuth)), elevation

    def sounding_at(self, times: FloatArray) -> NDArray[np.bool_]:
        """(time, talker) whether each sounds."""
        return np.stack(
            [((times[:, None] >= one[:, 0]) & (times[:, None] < one[:, 1])).any(axis=1) for one in self.active], axis=1
        )


def read_truth(path: str | Path) -> Truth:
    """The truth in a folder (or its JSON file) that `arrayscene simulate` wrote, with --scenes or without.

    Raises: RecordingError for anything else, or a folder that is broken.

    Cost: reads the recording and the images.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    file = path if path.is_file() else next((folder / n for n in ("truth.json", "scene.json") if (folder / n).is_file()), path)
    if (folder / "world.json").is_file():
        raise RecordingError(f"{folder}: a data set of many scenes; give the folder of one, such as shard-0000/scene-000000")
    if file == path and not path.is_file():
        what = "holds neither truth.json nor a scene.json of a data set" if path.is_dir() else "is not there"
        raise RecordingError(f"{path}: {what}; give the folder that `arrayscene simulate` wrote")
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: no truth can be read there ({error}); give what `arrayscene simulate` wrote") from error
    kind = document.get("format") if isinstance(document, dict) else None
    if kind == "arrayscene.truth":
        return _of_simulation(folder, document)
    if kind == "arrayscene.world-scene":
        return _of_world(folder)
    raise RecordingError(
        f"{file}: format {kind!r} came; a truth.json or a scene of a data set by `arrayscene simulate` is wanted"
    )


def _of_simulation(folder: Path, document: Mapping[str, Any]) -> Truth:
    try:
        talkers = document["talkers"]
        array = MicrophoneArray.load(folder / document["array"])
        recording = Recording.read(folder / document["recording"], array=array)
        images = np.concatenate([Recording.read(folder / talker["file"]).samples for talker in talkers])
        azimuth, elevation = (
            np.radians([[float(talker[key]) for talker in talkers]]) for key in ("azimuth_deg", "elevation_deg")
        )
        names = tuple(str(talker["name"]) for talker in talkers)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{folder}: the truth is broken ({error!r}); simulate it again") from error
    return Truth(
        names=names,
        times=np.zeros(1),
        azimuth=azimuth,
        elevation=elevation,
        active=_active(images, recording.sample_rate),
        images=images,
        mixture=recording.samples[0],
        sample_rate=recording.sample_rate,
        array=array,
    )


def _of_world(folder: Path) -> Truth:
    from arrayscene.worlds import read_scene
    from arrayscene.worlds.plan import PATH_STEP

    scene = read_scene(folder)
    images = scene.images[:, 0].numpy()
    n_points, duration = scene.azimuths.shape[1], scene.mixture.shape[1] / scene.sample_rate
    return Truth(
        names=scene.speakers,
        times=np.append(np.arange(n_points - 1) * PATH_STEP, duration),
        azimuth=scene.azimuths.T.double().numpy(),
        elevation=scene.elevations.T.double().numpy(),
        active=_active(images, scene.sample_rate),
        images=images,
        mixture=scene.mixture[0].numpy(),
        sample_rate=scene.sample_rate,
        array=scene.array,
    )


def _active(images: NDArray[np.float32], sample_rate: int) -> tuple[FloatArray, ...]:
    return tuple(np.reshape(active_segments(image, sample_rate), (-1, 2)) for image in images)
