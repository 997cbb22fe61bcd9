"""A simulated scene as a folder: the recording that a device would give, and the truth beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arrayscene.folder import write_new
from arrayscene.simulate.room import SimulatedScene


def write_simulation(
    scene: SimulatedScene, directory: str | Path, *, names: Sequence[str] | None = None, settings: Mapping[str, Any] | None = None
) -> Path:
    """Write mixture.wav, array.json, truth.json and images/talker-N.wav, all of them or none.

    Each image is what the first microphone hears of one talker, reverberation included: the target of a separation. Samples are
    32-bit float, so nothing clips.

    Args:
        scene: what `simulate_scene` returned.
        directory: a folder that is new or empty.
        names: one for each talker, for truth.json.
        settings: how the scene was made, for truth.json.

    Returns:
        The folder.

    Raises:
        RecordingError: the folder holds something, or cannot be written.

    Cost: the time to write (talkers + microphones) x samples x 4 bytes.
    """
    return write_new(directory, lambda folder: _fill(scene, folder, names, settings or {}))


def _fill(scene: SimulatedScene, folder: Path, names: Sequence[str] | None, settings: Mapping[str, Any]) -> None:
    import soundfile

    rate = scene.recording.sample_rate
    (folder / "images").mkdir()
    soundfile.write(folder / "mixture.wav", scene.recording.samples.T, rate, subtype="FLOAT")
    talkers = []
    for index, (azimuth, elevation) in enumerate(scene.directions):
        file = f"images/talker-{index + 1}.wav"
        soundfile.write(folder / file, scene.images[index, 0], rate, subtype="FLOAT")
        talkers.append(
            {
                "name": names[index] if names else f"talker {index + 1}",
                "azimuth_deg": round(math.degrees(azimuth), 2),
                "elevation_deg": round(math.degrees(elevation), 2),
                "distance_m": round(float(scene.distances[index]), 3),
                "file": file,
            }
        )
    if scene.recording.array is not None:
        scene.recording.array.save(folder / "array.json")
    truth = {
        "format": "arrayscene.truth",
        "version": 1,
        "sample_rate": rate,
        "recording": "mixture.wav",
        "array": "array.json",
        "reference_channel": 1,
        "settings": dict(settings),
        "talkers": talkers,
    }
    (folder / "truth.json").write_text(json.dumps(truth, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
