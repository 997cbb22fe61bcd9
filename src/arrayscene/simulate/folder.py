"""A simulated scene as a folder: the recording that a device would give, and the truth beside it."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arrayscene.errors import RecordingError
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
    target = Path(directory)
    check_new(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        try:
            _fill(scene, work, names, settings or {})
            # mkdtemp keeps others out; a finished folder is as readable as its parent.
            work.chmod(target.parent.stat().st_mode & 0o777)
            work.rename(target)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    except OSError as error:
        raise RecordingError(f"{target}: {error.strerror or error}; choose a folder that you may write to") from error
    return target


def check_new(directory: str | Path) -> None:
    """Refuse early what `write_simulation` would refuse.

    Raises:
        RecordingError: the target is a file or a folder that holds something.
    """
    target = Path(directory)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RecordingError(f"{target} is there already; choose a new or empty folder")


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
