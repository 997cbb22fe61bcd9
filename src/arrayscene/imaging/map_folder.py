"""A sound map as a folder: numbers, pictures and, for a video, frames; complete or not there at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from arrayscene import folder as folders
from arrayscene.imaging.cross_spectra import Progress
from arrayscene.imaging.pictures import map_figure
from arrayscene.imaging.result import SoundMap

KIND = folders.Kind("sound map", "map.json", "arrayscene.map")


def write_map(
    sound_map: SoundMap,
    directory: str | Path,
    *,
    frames: Iterable[SoundMap] = (),
    range_db: float = 15.0,
    microphones: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write map.json, map.npz and a picture of each band; with frames also frames.npz and frames/frame-0001.png and so on.

    map.npz holds power (band, point), points (point, 3), shape, band_low, band_high. frames.npz holds power (frame, band, point)
    and start (frame,) in seconds; their pictures show all bands together, on one scale.

    Args:
        sound_map: of the whole recording.
        directory: a folder that is new or empty, or with `overwrite` one that holds an earlier map and nothing else.
        frames: maps of the same grid and bands, one after the other in time.
        range_db: decibels from the highest level drawn to the lowest.
        microphones: whether the pictures show them.
        overwrite: replace an earlier map.
        progress: called with the step's name and the fraction of it that is done.

    Returns: the folder.

    Raises: RecordingError where the folder holds something or cannot be written; nothing is left behind.

    Cost: about 0.3 s a picture.
    """

    def fill(folder: Path) -> None:
        _fill(sound_map, folder, list(frames), range_db, microphones, progress)

    return folders.write_folder(directory, KIND, fill, overwrite=overwrite)


def check_target(directory: str | Path, overwrite: bool = False) -> None:
    """Refuse early what `write_map` would refuse. Raises: RecordingError."""
    folders.check_target(directory, KIND, overwrite)


def picture_name(sound_map: SoundMap, band: int) -> str:
    """File name of a band's picture, such as map-2-khz-third-octave.png."""
    return f"map-{re.sub(r'[^a-z0-9.]+', '-', sound_map.bands[band].name.lower())}.png"


def _fill(
    sound_map: SoundMap,
    folder: Path,
    frames: list[SoundMap],
    range_db: float,
    microphones: bool,
    progress: Progress | None,
) -> None:
    drawn = {picture_name(sound_map, band): (sound_map, band) for band in range(len(sound_map.bands))}
    if len(sound_map.bands) > 1:
        drawn["map-all-bands.png"] = sound_map.total(), 0
    if frames:
        (folder / "frames").mkdir()
    drawn |= {f"frames/frame-{number:04d}.png": (one.total(), 0) for number, one in enumerate(frames, start=1)}
    pictures = [name for name in drawn if "/" not in name]
    highest = max((float(one.total().levels_db.max()) for one in frames), default=-np.inf)
    for done, (name, (one, band)) in enumerate(drawn.items()):
        # Frames of a video share a scale, so that it does not flicker.
        top = highest if "/" in name and np.isfinite(highest) else None
        map_figure(one, band, range_db=range_db, top_db=top, microphones=microphones).savefig(folder / name)
        if progress is not None:
            progress("pictures", (done + 1) / len(drawn))
    arrays: dict[str, Any] = {
        "points": sound_map.grid.points,
        "shape": np.array(sound_map.grid.shape),
        "band_low": np.array([band.low for band in sound_map.bands]),
        "band_high": np.array([band.high for band in sound_map.bands]),
    }
    np.savez_compressed(folder / "map.npz", power=sound_map.power, **arrays)
    document = {"format": KIND.format} | sound_map.to_dict() | {"pictures": pictures}
    if frames:
        document["frames"] = {"n_frames": len(frames), "start_s": [one.start for one in frames], "duration_s": frames[0].duration}
        powers, starts = np.stack([one.power for one in frames]), np.array([one.start for one in frames])
        np.savez_compressed(folder / "frames.npz", power=powers, start=starts, **arrays)
    document["files"] = sorted([*folders.files_under(folder), KIND.document])
    (folder / KIND.document).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
