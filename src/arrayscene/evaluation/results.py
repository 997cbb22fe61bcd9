"""Results on disk, of whatever job: sources that stay where they are, or tracks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import RecordingError
from arrayscene.tracking import Track
from arrayscene.tracking.files import read_tracks

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class FoundScene:
    """Sources that stay where they are.

    Attributes:
        azimuth, elevation: (source,) radians; what is not known counts as 0.
        level_db: (source,) dB re full scale; nan where not known.
        signals: (source, sample) each alone; None where there are no signals.
    """

    azimuth: FloatArray
    elevation: FloatArray
    level_db: FloatArray
    signals: NDArray[np.float32] | None


@dataclass(frozen=True)
class FoundTracks:
    """Sources that move.

    Attributes:
        tracks: as they were written.
        signals: (track, sample) each alone; None where there are no signals.
    """

    tracks: Sequence[Track]
    signals: NDArray[np.float32] | None


def read_result(path: str | Path) -> FoundScene | FoundTracks:
    """A scene (scene.json, or its folder, or any JSON of ours with "sources") or tracks (as `read_tracks` takes them).

    Raises: RecordingError for anything else.
    """
    path = Path(path)
    if path.is_dir():
        inside = [path / name for name in ("scene.json", "tracks.json") if (path / name).is_file()]
        inside = inside or sorted(path.glob("*.json"))
        if not inside:
            raise RecordingError(f"{path}: holds no result; give the folder that `recover` or `track` wrote")
        path = inside[0]
    if path.suffix.lower() in (".csv", ".jsonl"):
        return FoundTracks(read_tracks(path), None)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read ({error}); give scene.json or tracks.json, or their folder") from error
    if isinstance(document, dict) and isinstance(document.get("tracks"), list):
        tracks = read_tracks(path)
        return FoundTracks(tracks, _signals(path.parent, [entry.get("file") for entry in document["tracks"]]))
    if isinstance(document, dict) and isinstance(document.get("sources"), list):
        return _scene(path, document["sources"])
    raise RecordingError(f"{path}: holds neither sources nor tracks; give scene.json or tracks.json, or their folder")


def _scene(path: Path, sources: Sequence[Mapping[str, Any]]) -> FoundScene:
    def column(key: str, missing: float) -> FloatArray:
        values = [source.get(key) for source in sources]
        return np.array([missing if value is None else float(value) for value in values], np.float64)

    try:
        azimuth, elevation = np.radians(column("azimuth_deg", 0.0)), np.radians(column("elevation_deg", 0.0))
        level = column("level_db", np.nan)
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"{path}: the sources are broken ({error!r}); make the result anew") from error
    return FoundScene(azimuth, elevation, level, _signals(path.parent, [source.get("file") for source in sources]))


def _signals(folder: Path, files: Sequence[str | None]) -> NDArray[np.float32] | None:
    from arrayscene.recording import Recording

    if not files or any(file is None or not (folder / file).is_file() for file in files):
        return None
    return np.concatenate([Recording.read(folder / str(file)).samples for file in files])
