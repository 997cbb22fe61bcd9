"""Who sounds when, said from outside: RTTM files of speaker diarisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import RecordingError

ROUNDING = 0.02
"""Seconds by which stretches may overlap or reach beyond the end: files give times to a hundredth of a second."""


def read_rttm(path: str | Path, *, recording: str | None = None, duration: float | None = None) -> dict[str, NDArray[Any]]:
    """The stretches of each speaker in an RTTM file, in the order in which they first speak.

    Args:
        path: the file; its lines are `SPEAKER recording channel start duration <NA> <NA> name <NA> <NA>`. Other kinds of lines,
            and comments behind `;;`, are passed over.
        recording: name of the recording in a file that holds several; of no consequence where there is one.
        duration: seconds of the recording, which no stretch may leave.

    Returns: by name, (segment, 2) start and end in seconds, in order; for `Segments.in_seconds` and `guided`.

    Raises: RecordingError, with the number of the line, for one that is broken, that lies outside of the recording, or at which
        its speaker sounds already; and for a file that cannot be read, has no such recording, or several and none is named.

    Reference: NIST, The 2009 Rich Transcription Meeting Recognition Evaluation Plan, appendix A.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: not readable as an RTTM file ({error}); a text file of SPEAKER lines is needed") from None
    found: list[tuple[str, str, float, float, int]] = []
    for number, line in enumerate(lines, start=1):
        fields = line.partition(";;")[0].split()
        if fields and fields[0] == "SPEAKER":
            found.append(_turn(fields, f"{path}, line {number}", number))
    names = sorted({turn[0] for turn in found})
    if recording is None and len(names) > 1:
        raise RecordingError(f"{path}: turns of {len(names)} recordings came ({', '.join(names)}); say which one is meant")
    if len(names) == 1:
        recording = None
    turns = sorted((turn for turn in found if recording in (None, turn[0])), key=lambda turn: turn[2])
    if not turns:
        wanted = "no SPEAKER line" if recording is None else f"no SPEAKER line of {recording!r}"
        raise RecordingError(f"{path}: {wanted} came; {', '.join(names) or 'nothing'} is in it")
    speakers: dict[str, list[list[float]]] = {}
    for _, speaker, start, end, number in turns:
        if duration is not None and end > duration + ROUNDING:
            raise RecordingError(
                f"{path}, line {number}: {speaker} sounds from {start:.2f} to {end:.2f} s, the recording ends at"
                f" {duration:.2f} s; take the diarisation of this recording, or cut both alike"
            )
        segments = speakers.setdefault(speaker, [])
        if segments and start < segments[-1][1] - ROUNDING:
            raise RecordingError(
                f"{path}, line {number}: {speaker} begins at {start:.2f} s and sounds already, until {segments[-1][1]:.2f} s; two"
                " speakers need two names, and stretches of one have to be joined"
            )
        start = max(start, segments[-1][1]) if segments else start
        segments.append([start, max(start, end if duration is None else min(end, duration))])
    return {speaker: np.array(segments) for speaker, segments in speakers.items()}


def cut(segments: NDArray[Any], start: float, stop: float) -> NDArray[np.float64]:
    """What of (segment, 2) stretches lies between two times, in seconds from the first of them; (0, 2) where nothing does."""
    inside = np.clip(np.reshape(segments, (-1, 2)), start, stop) - start
    return inside[inside[:, 1] > inside[:, 0]]


def alone_seconds(activity: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """How long each speaker sounds while no other does, from (segment, 2) starts and ends in seconds; to a hundredth of one."""
    end = max((float(np.max(segments)) for segments in activity.values() if len(segments)), default=0.0)
    middle = (np.arange(math.ceil(100 * end)) + 0.5) / 100
    sounds = np.stack([((middle >= s[:, :1]) & (middle < s[:, 1:])).any(0) for s in activity.values()])
    return dict(zip(activity, ((sounds & (sounds.sum(0) == 1)).sum(1) / 100).tolist(), strict=True))


def _turn(fields: list[str], where: str, number: int) -> tuple[str, str, float, float, int]:
    """Recording, speaker, start, end and number of a line."""
    try:
        recording, start, length, speaker = fields[1], float(fields[3]), float(fields[4]), fields[7]
    except (IndexError, ValueError):
        raise RecordingError(
            f"{where}: {' '.join(fields)!r} came; SPEAKER recording channel start duration <NA> <NA> name is needed"
        ) from None
    if not (math.isfinite(start) and math.isfinite(length) and start >= 0 and length > 0):
        raise RecordingError(
            f"{where}: start {fields[3]} and duration {fields[4]} came; seconds, 0 or more and above 0, are needed"
        )
    return recording, speaker, start, start + length, number
