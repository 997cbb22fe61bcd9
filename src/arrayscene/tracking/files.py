"""Tracks as files: JSON, CSV, RTTM, and the JSON lines of ODAS."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import RecordingError
from arrayscene.localize.grid import to_angles
from arrayscene.report.json_values import degrees, number
from arrayscene.tracking.detections import Detections
from arrayscene.tracking.tracks import Track, Tracks

FORMAT = "arrayscene.tracks"
"""Value of the key "format" of tracks.json."""
VERSION = 1

ODAS_SLOTS = 4
"""Sources that ODAS lists in every frame, those that are not there with id 0; more where there are more."""

COLUMNS = ("time_s", "id", "azimuth_deg", "elevation_deg", "deviation_deg", "activity", "active", "strength")


def source_file(track: Track) -> str:
    """Path inside the folder of what the source of a track sounds like by itself."""
    return f"sources/source-{track.id}.wav"


def tracks_to_dict(tracks: Tracks, files: Sequence[str] = ()) -> dict[str, Any]:
    """Everything in the tracks, ready for `json.dumps(..., allow_nan=False)`.

    Args:
        tracks: what `track` returned.
        files: paths in the folder that belong to the tracks, so that a later overwrite touches nothing else.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "inputs": [str(name) for name in tracks.inputs],
        "duration_s": number(tracks.duration, 6),
        "frame_s": number(tracks.frame_seconds, 6),
        "array": tracks.array.name,
        "ambiguity": tracks.ambiguity,
        "tracks": [_track(track, tracks.frame_seconds, files) for track in tracks.tracks],
        "assumptions": list(tracks.assumptions),
        "warnings": list(tracks.warnings),
        "files": sorted(files),
    }


def tracks_csv(tracks: Tracks) -> str:
    """One line for each track and frame, in the order of time; empty where the array cannot know an angle."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows: list[tuple[Any, ...]] = []
    for track in tracks.tracks:
        for n, time in enumerate(track.times):
            azimuth = None if track.azimuth is None else degrees(float(track.azimuth[n]))
            elevation = None if track.elevation is None else degrees(float(track.elevation[n]))
            rows.append(
                (
                    number(float(time), 4), track.id, azimuth, elevation, degrees(float(track.deviation[n])),
                    number(float(track.activity[n]), 3), int(track.active[n]), number(float(track.strength[n]), 4),
                )
            )  # fmt: skip
    rows.sort(key=lambda row: (row[0], row[1]))
    writer.writerows(rows)
    return text.getvalue()


def tracks_rttm(tracks: Tracks) -> str:
    """One SPEAKER line for each stretch in which a source sounds, ordered by onset.

    Reference: NIST, The 2009 Rich Transcription Meeting Recognition Evaluation Plan, appendix A.
    """
    stem = Path(str(tracks.inputs[0])).stem if tracks.inputs else ""
    name = re.sub(r"\s+", "_", stem.strip()) or "recording"
    stretches = [
        (max(float(start), 0.0), float(stop), track.id)
        for track in tracks.tracks
        for start, stop in track.stretches(tracks.frame_seconds)
    ]
    return "".join(
        f"SPEAKER {name} 1 {start:.3f} {stop - start:.3f} <NA> <NA> track-{track} <NA> <NA>\n"
        for start, stop, track in sorted(stretches)
    )


def odas_tracked(
    index: int, ids: Sequence[int], vectors: NDArray[Any], activity: Sequence[float], slots: int = ODAS_SLOTS
) -> str:
    """A frame of tracked sources as ODAS writes it, on one line.

    {"timeStamp": n, "src": [{"id": 1, "tag": "dynamic", "x": ..., "y": ..., "z": ..., "activity": ...}, ...]}

    Args:
        index: of the frame, from 0.
        ids: (source,) from 1.
        vectors: (source, 3) unit vectors.
        activity: (source,) probability that it sounds.
        slots: as many sources are listed at least, the others with id 0.

    Reference: F. Grondin et al., "ODAS: Open embeddeD Audition System", Frontiers in Robotics and AI 2022.
    """
    sources: list[dict[str, Any]] = [
        {"id": int(i), "tag": "dynamic", **_xyz(vector), "activity": number(float(p), 3)}
        for i, vector, p in zip(ids, vectors, activity, strict=True)
    ]
    nobody = {"id": 0, "tag": "", "x": 0.0, "y": 0.0, "z": 0.0, "activity": 0.0}
    sources += [nobody] * (slots - len(sources))
    return json.dumps({"timeStamp": int(index), "src": sources})


def odas_potential(index: int, detections: Detections) -> str:
    """A frame of potential sources as ODAS writes it, on one line: {"timeStamp": n, "src": [{"x", "y", "z", "E"}, ...]}."""
    sources = [
        {**_xyz(vector), "E": number(float(strength), 3)}
        for vector, strength in zip(detections.vectors, detections.strength, strict=True)
    ]
    return json.dumps({"timeStamp": int(index), "src": sources})


def odas_lines(tracks: Tracks) -> tuple[str, str]:
    """All frames of tracked and of potential sources, one a line. Time stamps count frames of `frame_seconds`."""
    times = tracks.times
    rows = [np.round((track.times - times[0]) / tracks.frame_seconds).astype(int) for track in tracks.tracks if len(times)]
    present: list[list[tuple[Track, int]]] = [[] for _ in times]
    for track, indices in zip(tracks.tracks, rows, strict=True):
        for n, index in enumerate(indices):
            present[index].append((track, n))
    vectors = {track.id: track.vectors() for track in tracks.tracks}
    tracked = "".join(
        odas_tracked(
            index,
            [track.id for track, _ in here],
            np.array([vectors[track.id][n] for track, n in here]).reshape(-1, 3),
            [float(track.activity[n]) for track, n in here],
        )
        + "\n"
        for index, here in enumerate(present)
    )
    potential = "".join(odas_potential(index, detections) + "\n" for index, detections in enumerate(tracks.detections))
    return tracked, potential


def read_tracks(path: str | Path) -> list[Track]:
    """The tracks in tracks.json, in a folder with one, in tracks.csv, or in ODAS's lines of tracked sources.

    In ODAS's lines a frame is taken to last as long as ours, 64 ms, and a source to sound where its activity is above 0.5.

    Raises: RecordingError for a file that cannot be read or holds something else.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "tracks.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read ({error}); give tracks.json, tracks.csv or tracked.jsonl") from error
    try:
        if path.suffix.lower() == ".csv":
            return _from_rows(list(csv.DictReader(io.StringIO(text))))
        if path.suffix.lower() == ".jsonl":
            return _from_odas([json.loads(line) for line in text.splitlines() if line.strip()])
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise RecordingError(f"{path}: no tracks of ours; give tracks.json, tracks.csv or tracked.jsonl")
        if document.get("version", 0) > VERSION:
            raise RecordingError(f"{path}: version {document['version']} came; up to {VERSION} is read here; update arrayscene")
        return [_from_dict(entry) for entry in document["tracks"]]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path}: not readable as tracks ({error!r}); write them anew with `arrayscene track`") from error


def _track(track: Track, frame_seconds: float, files: Sequence[str]) -> dict[str, Any]:
    def angles(values: NDArray[Any] | None) -> list[float | None] | None:
        return None if values is None else [degrees(float(value)) for value in values]

    return {
        "id": track.id,
        "start_s": number(float(track.times[0]), 3),
        "stop_s": number(float(track.times[-1]), 3),
        "active": [[number(float(a), 3), number(float(b), 3)] for a, b in track.stretches(frame_seconds)],
        "times_s": [number(float(time), 4) for time in track.times],
        "azimuth_deg": angles(track.azimuth),
        "elevation_deg": angles(track.elevation),
        "deviation_deg": angles(track.deviation),
        "activity": [number(float(value), 3) for value in track.activity],
        "strength": [number(float(value), 4) for value in track.strength],
        "sounds": [int(value) for value in track.active],
        "file": source_file(track) if source_file(track) in files else None,
    }


def _from_dict(entry: Mapping[str, Any]) -> Track:
    def radians(name: str) -> NDArray[np.float64] | None:
        return None if entry[name] is None else np.radians(np.array(entry[name], np.float64))

    deviation = radians("deviation_deg")
    assert deviation is not None
    return Track(
        id=int(entry["id"]),
        times=np.array(entry["times_s"], np.float64),
        azimuth=radians("azimuth_deg"),
        elevation=radians("elevation_deg"),
        deviation=deviation,
        activity=np.array(entry["activity"], np.float64),
        active=np.array(entry["sounds"], bool),
        strength=np.array(entry["strength"], np.float64),
    )


def _from_rows(rows: Sequence[Mapping[str, str]]) -> list[Track]:
    tracks = []
    for name in sorted({int(row["id"]) for row in rows}):
        own = [row for row in rows if int(row["id"]) == name]

        def column(key: str, own: Sequence[Mapping[str, str]] = own) -> NDArray[np.float64]:
            return np.array([float(row[key]) for row in own])

        tracks.append(
            Track(
                id=name,
                times=column("time_s"),
                azimuth=np.radians(column("azimuth_deg")) if own[0]["azimuth_deg"] else None,
                elevation=np.radians(column("elevation_deg")) if own[0]["elevation_deg"] else None,
                deviation=np.radians(column("deviation_deg")),
                activity=column("activity"),
                active=column("active") > 0.5,
                strength=column("strength"),
            )
        )
    return tracks


def _from_odas(frames: Sequence[Mapping[str, Any]]) -> list[Track]:
    rows = [
        (int(frame["timeStamp"]), int(source["id"]), *(float(source[key]) for key in ("x", "y", "z", "activity")))
        for frame in frames
        for source in frame["src"]
        if int(source["id"]) > 0
    ]
    tracks = []
    for name in sorted({row[1] for row in rows}):
        stamps, _, *vectors, activity = np.array([row for row in rows if row[1] == name]).T
        azimuth, elevation = to_angles(np.stack(vectors, axis=-1))
        tracks.append(
            Track(
                id=int(name),
                times=(stamps + 0.5) * 0.064,
                azimuth=azimuth,
                elevation=elevation,
                deviation=np.full(len(stamps), math.nan),
                activity=activity,
                active=activity > 0.5,
                strength=activity,
            )
        )
    return tracks


def _xyz(vector: NDArray[Any]) -> dict[str, float | None]:
    return {axis: number(float(value), 4) for axis, value in zip("xyz", vector, strict=True)}
