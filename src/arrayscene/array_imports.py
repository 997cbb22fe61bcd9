"""Arrays as other packages describe them: acoular's XML files and pyroomacoustics' arrays, as fields of MicrophoneArray."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from arrayscene.array_checks import as_positions
from arrayscene.errors import GeometryError

_LARGEST_FILE = 10_000_000
"""Bytes; an array of ten thousand microphones takes a tenth of it."""


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses document types: an array needs none, and the entities they declare can blow up without bound."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise GeometryError("it declares a document type (DOCTYPE), which an array file never needs; remove it")


def read_acoular(path: Path) -> dict[str, Any]:
    """Read acoular's XML: elements <pos Name="..." x="..." y="..." z="..."/> in metres.

    Coordinates are kept as they are. Acoular's arrays mostly lie in the x-y plane and look along z, which here is up.

    Args:
        path: an .xml file.

    Returns:
        name, positions, names, zero_direction and source.

    Raises:
        GeometryError: the file cannot be read, is larger than 10 MB, is malformed (with its line), or has no or a broken <pos>.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _LARGEST_FILE else b""
    except OSError as error:
        raise GeometryError(f"array file {path}: {error.strerror or error}; a readable .xml file was wanted") from error
    if size > _LARGEST_FILE:
        raise GeometryError(f"array file {path}: {size} bytes came; an array's XML has at most {_LARGEST_FILE}")
    try:
        root = ElementTree.fromstring(content, parser=ElementTree.XMLParser(target=_NoDoctype()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        remedy = "" if isinstance(error, GeometryError) else "; mend the XML there"
        raise GeometryError(f"array file {path}: {error}{remedy}") from error
    elements = list(root.iter("pos"))
    if not elements:
        raise GeometryError(
            f'array file {path}: <{root.tag}> without a <pos Name="..." x="..." y="..." z="..."/>; acoular\'s format was wanted'
        )
    names = [element.get("Name", f"mic {number}") for number, element in enumerate(elements, start=1)]
    places = [[_coordinate(path, names[row], element, axis) for axis in "xyz"] for row, element in enumerate(elements)]
    return {
        "name": root.get("name") or path.stem,
        "positions": places,
        "names": names,
        "zero_direction": f"+x of {path.name}, whose coordinates are kept (many such arrays look along +z, which here is up)",
        "source": f"acoular file {path.name}",
    }


def pyroomacoustics_fields(microphones: Any) -> dict[str, Any]:
    """The fields of a pyroomacoustics array.

    Args:
        microphones: (3, M) or (2, M) metres, or an object that holds them as `.R`, such as a MicrophoneArray or Beamformer,
            with its `.fs` and `.directivity` where it has them.

    Returns:
        positions (M, 3), source and, where they are known, sample_rate, directivity, orientations and gains_db.

    Raises:
        GeometryError: no such array, or directivities other than the cardioid family's.
    """
    positions = as_positions(getattr(microphones, "R", microphones), "axis-first")
    fields: dict[str, Any] = {"positions": positions, "source": "pyroomacoustics array"}
    if getattr(microphones, "fs", None):
        fields["sample_rate"] = int(microphones.fs)
    patterns = getattr(microphones, "directivity", None)
    if patterns is not None and any(pattern is not None for pattern in patterns):
        known = [_pattern(pattern, number) for number, pattern in enumerate(patterns, start=1)]
        fields["directivity"] = [p for p, _, _ in known]
        fields["orientations"] = np.array([axis for _, axis, _ in known])
        if any(gain != 1 for _, _, gain in known):
            fields["gains_db"] = [20 * math.log10(gain) for _, _, gain in known]
    return fields


def _coordinate(path: Path, name: str, element: ElementTree.Element, axis: str) -> float:
    words = element.get(axis)
    try:
        metres = float(words)  # type: ignore[arg-type]  # None is refused below.
    except (TypeError, ValueError):
        metres = math.nan
    if not math.isfinite(metres):
        came = "no" if words is None else repr(words) + " for"
        raise GeometryError(f"array file {path}: <pos> {name!r} has {came} {axis}; a finite number of metres was wanted")
    return metres


def _pattern(pattern: Any, number: int) -> tuple[float, NDArray[np.float64], float]:
    """p, axis and gain G of G (p + (1 - p) cos(angle to the axis)), from what the pattern answers in seven directions."""
    ahead = np.array([1.0, 0.0, 0.0])
    if pattern is None:
        return 1.0, ahead, 1.0
    probes = np.vstack([np.eye(3), -np.eye(3), [[0.48, -0.6, 0.64]]])
    angles = np.arctan2(probes[:, 1], probes[:, 0]), np.arccos(probes[:, 2])
    try:
        heard = np.asarray(pattern.get_response(*angles, degrees=False), dtype=np.float64)
        slope, level = (heard[:3] - heard[3:6]) / 2, float((heard[:3] + heard[3:6]).mean() / 2)
        fits = np.allclose(level + probes @ slope, heard)
    except (AttributeError, TypeError, ValueError, IndexError):
        fits = False
    if not fits:
        raise GeometryError(
            f"pyroomacoustics: microphone {number} has the directivity {type(pattern).__name__}; none or one of the cardioid "
            "family was wanted; give the positions alone (its .R)"
        )
    steepness = float(np.linalg.norm(slope))
    axis = slope / steepness if steepness > 1e-9 * level else ahead
    return level / (level + steepness), axis, level + steepness
