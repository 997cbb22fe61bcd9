"""The active stretches of a recording as numbered files with a list of their times; a folder complete or not there."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from arrayscene.activity import FloatArray
from arrayscene.audio_writer import AudioWriter
from arrayscene.errors import RecordingError
from arrayscene.folder import check_above, fill_folder
from arrayscene.recording import Recording

LIST = "segments.json"
TABLE = "segments.csv"

_BLOCK_S = 10.0


@dataclass(frozen=True)
class SegmentFile:
    """One stretch in its own file.

    Attributes:
        file: name in the folder.
        start_s, end_s: seconds of the files that the recording comes from.
        clipped: samples that were beyond full scale and had to be clipped.
    """

    file: str
    start_s: float
    end_s: float
    clipped: int


def check_folder(directory: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse early what `write_segments` would refuse.

    Raises:
        RecordingError: a file, a folder that holds something else, earlier segments without `overwrite`, or a place that
            may not be written to.
    """
    target = Path(directory).resolve()
    if target.exists() and not target.is_dir():
        raise RecordingError(f"{target}: is a file; a new folder for the segments is wanted")
    if not target.parent.is_dir():
        raise RecordingError(f"{target}: the folder {target.parent} is not there; make or choose one")
    check_above(target)
    held = {path.name for path in target.iterdir()} if target.exists() else set()
    if not held:
        return
    strangers = sorted(held - _earlier_files(target))
    if strangers:
        raise RecordingError(f"{target}: holds other files ({', '.join(strangers[:3])}); choose a new folder")
    if not overwrite:
        raise RecordingError(f"{target}: holds segments already; choose another folder, or replace them with --overwrite")


def write_segments(
    recording: Recording,
    segments: FloatArray,
    directory: str | os.PathLike[str],
    suffix: str,
    *,
    offset: float = 0.0,
    subtype: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> list[SegmentFile]:
    """Write every stretch to `segment-0001.<suffix>` and so on, with segments.json and segments.csv.

    Args:
        recording: any; long ones are read once, block by block.
        segments: (segment, 2) seconds, in order, not overlapping, as `active_segments` finds them.
        directory: new or empty, or with `overwrite` one that holds earlier segments and nothing else.
        suffix: format of the files, one of `audio_writer.FORMATS`.
        offset: seconds added to the times in the lists: where the recording begins in its files.
        subtype: sample format, see `AudioWriter`.
        overwrite: replace earlier segments.
        progress: called with the step and the fraction that is done.

    Raises:
        RecordingError: no segment; a refused folder; a format that cannot hold the recording; a full disk. Nothing is
            left behind then.

    Cost: one pass; memory of two blocks of ten seconds.
    """
    if len(segments) == 0:
        raise RecordingError("segments: nothing sounds in the recording, so there is nothing to write")
    check_folder(directory, overwrite)
    found: list[SegmentFile] = []

    def fill(folder: Path) -> None:
        parts = _write_all(recording, segments, folder, suffix, subtype, progress)
        found.extend(replace(part, start_s=part.start_s + offset, end_s=part.end_s + offset) for part in parts)
        _write_lists(recording, found, folder)

    fill_folder(directory, fill)
    return found


def _write_all(
    recording: Recording,
    segments: FloatArray,
    folder: Path,
    suffix: str,
    subtype: str | None,
    progress: Callable[[str, float], None] | None,
) -> list[SegmentFile]:
    rate = recording.sample_rate
    waiting = [(round(start * rate), min(round(stop * rate), recording.n_samples)) for start, stop in segments]
    found: list[SegmentFile] = []
    writer: AudioWriter | None = None
    try:
        for at, block in recording.blocks(_BLOCK_S):
            end = at + block.n_samples
            while waiting and waiting[0][0] < end:
                first, last = waiting[0]
                name = f"segment-{len(found) + 1:04d}.{suffix}"
                writer = writer or AudioWriter(folder / name, recording.n_mics, rate, subtype)
                writer.write(block.samples[:, max(0, first - at) : last - at])
                if last > end:
                    break
                writer.commit()
                found.append(SegmentFile(name, first / rate, last / rate, writer.clipped))
                writer = None
                waiting.pop(0)
            if progress is not None:
                progress("writing", end / recording.n_samples)
    finally:
        if writer is not None:
            writer.abort()
    return found


def _write_lists(recording: Recording, found: list[SegmentFile], folder: Path) -> None:
    document = {
        "inputs": list(recording.inputs),
        "sample_rate": recording.sample_rate,
        "channels": list(recording.channels),
        "segments": [asdict(segment) for segment in found],
    }
    (folder / LIST).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["file", "start_s", "end_s"])
    rows.writerows([segment.file, f"{segment.start_s:.6f}", f"{segment.end_s:.6f}"] for segment in found)
    (folder / TABLE).write_text(table.getvalue(), encoding="utf-8")


def _earlier_files(folder: Path) -> set[str]:
    """Names that the folder's own list gives; none without one of ours."""
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))["segments"]
        return {LIST, TABLE, *(str(segment["file"]) for segment in listed)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
