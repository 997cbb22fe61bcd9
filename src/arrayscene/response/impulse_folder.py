"""Folders of impulse responses: sound files, and an index that says from where each was measured."""

from __future__ import annotations

import csv
import io
import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arrayscene.errors import GeometryError, ShapeError
from arrayscene.folder import write_whole
from arrayscene.naming import suggestion
from arrayscene.recording import Recording
from arrayscene.response.impulse_responses import ImpulseResponses

INDICES = ("index.json", "index.toml", "index.csv")
DIRECTION, PLACE = ("azimuth_deg", "elevation_deg", "distance_m"), ("x", "y", "z")
KNOWN = ("file", *DIRECTION, *PLACE)


def read_impulse_folder(folder: Path) -> ImpulseResponses:
    """Read what `ImpulseResponses.load` describes.

    Raises:
        GeometryError: no index, a malformed one, or directions or distances that do not fit.
        RecordingError: a sound file that is missing or cannot be read.
        ShapeError: files of different rates or numbers of channels.
    """
    index = _find_index(folder)
    name, entries = _read_index(index)
    if not entries:
        raise GeometryError(f"{index}: no response is listed; give one entry with 'file' and 'azimuth_deg' for each")
    places = [_place(entry, f"{index}, response {number}") for number, entry in enumerate(entries, start=1)]
    unknown = [math.isnan(distance) for _, _, distance in places]
    if any(unknown) and not all(unknown):
        raise GeometryError(
            f"{index}: response {unknown.index(True) + 1} has no distance_m, others have; give it for all or for none"
        )
    recordings = [Recording.read(folder / entry["file"]) for entry in entries]
    first = recordings[0]
    for number, (recording, entry) in enumerate(zip(recordings, entries, strict=True), start=1):
        if (recording.n_mics, recording.sample_rate) != (first.n_mics, first.sample_rate):
            raise ShapeError(
                f"{index}, response {number}: {entry['file']} has {recording.n_mics} channels at {recording.sample_rate} Hz,"
                f" {entries[0]['file']} {first.n_mics} at {first.sample_rate} Hz; one array and one rate were wanted"
            )
    samples = np.zeros((len(recordings), first.n_mics, max(recording.n_samples for recording in recordings)))
    for row, recording in zip(samples, recordings, strict=True):
        row[:, : recording.n_samples] = recording.samples
    azimuth, elevation, distance = np.array(places).T
    return ImpulseResponses(samples, first.sample_rate, azimuth, elevation, None if any(unknown) else distance, name)


def write_impulse_folder(measured: ImpulseResponses, folder: Path) -> None:
    """Write what `read_impulse_folder` reads; the index last, so that a folder with one is whole.

    Raises: ShapeError for a sample rate that is no whole number.
    """
    if measured.sample_rate != int(measured.sample_rate):
        raise ShapeError(f"{folder}: a sample rate of {measured.sample_rate} Hz came; sound files hold whole numbers only")
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(measured.n_directions):
        file = f"{number + 1:05d}.wav"
        samples = measured.samples[number].astype(np.float32)
        Recording(samples, int(measured.sample_rate)).write(folder / file, subtype="FLOAT")
        azimuth, elevation = math.degrees(measured.azimuth[number]), math.degrees(measured.elevation[number])
        entry: dict[str, Any] = {"file": file, "azimuth_deg": azimuth, "elevation_deg": elevation}
        if measured.distance is not None:
            entry["distance_m"] = float(measured.distance[number])
        entries.append(entry)
    text = json.dumps({"name": measured.name, "responses": entries}, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / "index.json", text.encode("utf-8"))


def _find_index(folder: Path) -> Path:
    found = [folder / name for name in INDICES if (folder / name).is_file()]
    if len(found) != 1:
        there = "none of them" if not found else " and ".join(path.name for path in found)
        raise GeometryError(f"{folder}: {there} found; one of {', '.join(INDICES)} that lists the responses was wanted")
    return found[0]


def _read_index(index: Path) -> tuple[str, list[dict[str, Any]]]:
    try:
        text = index.read_text(encoding="utf-8-sig")
        if index.suffix == ".csv":
            return index.parent.name, [dict(row) for row in csv.DictReader(io.StringIO(text), strict=True)]
        content = json.loads(text) if index.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, csv.Error) as error:
        raise GeometryError(f"{index}: {error}; mend the file there") from error
    entries = content.get("responses") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise GeometryError(f"{index}: no list 'responses' of entries with 'file' and 'azimuth_deg'; that was wanted")
    return str(content.get("name", index.parent.name)), entries


def _place(entry: Mapping[str, Any], where: str) -> tuple[float, float, float]:
    """Azimuth, elevation in radians and distance in metres (NaN where not given) of one entry."""
    # Empty cells of a CSV row stand for what is not given.
    given = {key: value for key, value in entry.items() if value not in (None, "")}
    for key in given:
        if key not in KNOWN:
            raise GeometryError(f"{where}: unknown key {key!r}; {suggestion(str(key), KNOWN)}")
    if not isinstance(given.get("file"), str):
        raise GeometryError(f"{where}: no 'file'; the name of a sound file in the folder was wanted")
    numbers = {key: _number(value, f"{where}: {key}") for key, value in given.items() if key != "file"}
    if set(numbers) == set(PLACE):
        x, y, z = (numbers[key] for key in PLACE)
        distance = math.sqrt(x * x + y * y + z * z)
        if not distance:
            raise GeometryError(f"{where}: the source lies at the array's origin; a place away from it was wanted")
        return math.atan2(y, x), math.asin(max(-1.0, min(1.0, z / distance))), distance
    if "azimuth_deg" not in numbers or set(numbers) & set(PLACE):
        raise GeometryError(
            f"{where}: {', '.join(numbers) or 'no direction'} came; azimuth_deg (with elevation_deg and distance_m where known),"
            " or x, y and z, was wanted"
        )
    if numbers.get("distance_m", 1.0) <= 0:
        raise GeometryError(f"{where}: distance_m is {numbers['distance_m']:g}; metres above 0 were wanted")
    elevation = numbers.get("elevation_deg", 0.0)
    if abs(elevation) > 90:
        raise GeometryError(f"{where}: elevation_deg is {elevation:g}; -90 to 90, up from the horizon, was wanted")
    return math.radians(numbers["azimuth_deg"]), math.radians(elevation), numbers.get("distance_m", math.nan)


def _number(value: Any, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise GeometryError(f"{where} is {value!r}; a finite number was wanted")
    return number
