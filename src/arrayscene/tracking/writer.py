"""Tracks as a folder: complete or not there at all."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arrayscene import folder as folders
from arrayscene.errors import RecordingError
from arrayscene.naming import suggestion
from arrayscene.report.audio import write_wav
from arrayscene.report.json_values import dumps
from arrayscene.tracking.files import FORMAT, odas_lines, source_file, tracks_csv, tracks_rttm, tracks_to_dict
from arrayscene.tracking.tracks import Tracks

KIND = folders.Kind("tracks", "tracks.json", FORMAT)
FORMATS = ("csv", "odas", "rttm")


def write_tracks(
    tracks: Tracks,
    directory: str | os.PathLike[str],
    *,
    formats: Collection[str] = FORMATS,
    overwrite: bool = False,
    picture: bool = True,
    signals: tuple[NDArray[np.float32], int] | None = None,
) -> Path:
    """Write tracks.json and, as asked for, tracks.csv, tracks.rttm, tracked.jsonl and potential.jsonl (ODAS), tracks.png.

    Args:
        tracks: what `track` returned.
        directory: a folder that is new or empty, or with `overwrite` one that holds earlier tracks and nothing else.
        formats: of `FORMATS`.
        overwrite: replace earlier tracks.
        picture: also draw them.
        signals: (track, sample) what each sounds like, as `separate` returns them, and their sample rate; written to
            sources/source-N.wav.

    Returns:
        The folder.

    Raises:
        RecordingError: an unknown format, or as `arrayscene.folder.write_folder`.
    """
    check_formats(formats)
    return folders.write_folder(directory, KIND, partial(_fill, tracks, formats, picture, signals), overwrite=overwrite)


def check_formats(formats: Collection[str]) -> None:
    """Refuse what is no format. Raises: RecordingError."""
    for name in formats:
        if name not in FORMATS:
            raise RecordingError(f"format {name!r} came; {suggestion(name, FORMATS)}")


def check_target(directory: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse early what `write_tracks` would refuse. Raises: RecordingError."""
    folders.check_target(directory, KIND, overwrite)


def _fill(
    tracks: Tracks, formats: Collection[str], picture: bool, signals: tuple[NDArray[np.float32], int] | None, folder: Path
) -> None:
    texts = {}
    if "csv" in formats:
        texts["tracks.csv"] = tracks_csv(tracks)
    if "rttm" in formats:
        texts["tracks.rttm"] = tracks_rttm(tracks)
    if "odas" in formats:
        texts["tracked.jsonl"], texts["potential.jsonl"] = odas_lines(tracks)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    if signals is not None:
        (folder / "sources").mkdir()
        for track, signal in zip(tracks.tracks, signals[0], strict=True):
            write_wav(folder / source_file(track), signal, signals[1])
    if picture:
        from arrayscene.tracking.figure import tracks_figure

        tracks_figure(tracks).savefig(folder / "tracks.png", dpi=150)
    files = [*folders.files_under(folder), KIND.document]
    (folder / KIND.document).write_text(dumps(tracks_to_dict(tracks, files)), encoding="utf-8")
