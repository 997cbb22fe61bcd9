"""Array descriptions as files: JSON or TOML, read with every mistake named, written whole or not at all."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrayscene.array_checks import LARGEST_DELAY, as_numbers
from arrayscene.array_imports import read_acoular
from arrayscene.array_sofa import read_receivers
from arrayscene.errors import GeometryError
from arrayscene.folder import write_whole
from arrayscene.naming import suggestion

if TYPE_CHECKING:
    from arrayscene.array import MicrophoneArray

SUFFIXES = (".json", ".toml")

READABLE = (*SUFFIXES, ".xml", ".sofa")

FIELDS: Mapping[str, tuple[type, ...]] = {
    "positions": (list,),
    "name": (str,),
    "names": (list,),
    "channels": (list,),
    "hardware_channels": (int,),
    "zero_direction": (str,),
    "source": (str,),
    "sample_rate": (int,),
    "body_radius": (int, float),
    "body_shape": (str,),
    "directivity": (list, int, float),
    "orientations": (list,),
    "gains_db": (list,),
    "delays_us": (list,),
    "blocks": (list,),
}
"""What an array file may say, and of which kind; only `positions` is needed."""


def read_array(path: Path) -> dict[str, Any]:
    """Read an array file of any kind into the fields of `FIELDS`: JSON, TOML, acoular's XML, or a SOFA file's receivers.

    Raises:
        GeometryError: another suffix, or a file that cannot be read or is malformed.
        DeviceError: a .sofa file, and sofar is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return read_acoular(path)
    if suffix == ".sofa":
        return read_receivers(path)
    if suffix not in SUFFIXES:
        raise GeometryError(f"array file {path}: the suffix {path.suffix!r} came; one of {', '.join(READABLE)} was wanted")
    return read_fields(path)


def read_fields(path: Path) -> dict[str, Any]:
    """Read one array file of the package's own.

    Args:
        path: a .json or .toml file whose keys are those of `FIELDS`.

    Returns:
        The keys that the file has, of the kinds in `FIELDS`.

    Raises:
        GeometryError: the file cannot be read, is malformed (with its line), or has a missing, unknown or wrongly typed key.
    """
    suffix = _suffix(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise GeometryError(f"array file {path}: {error.strerror or error}; a readable .json or .toml file was wanted") from error
    except UnicodeDecodeError as error:
        raise GeometryError(f"array file {path}: byte {error.start} is not UTF-8; a text file was wanted") from error
    try:
        content = json.loads(text) if suffix == ".json" else tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise GeometryError(
            f"array file {path}, line {error.lineno}, column {error.colno}: {error.msg}; mend the JSON there"
        ) from error
    except tomllib.TOMLDecodeError as error:
        # The parser names the line except at the end, where a bracket or quote opened earlier was never closed.
        place = str(error).replace("at end of document", f"at the end, line {text.count(chr(10)) + 1}")
        raise GeometryError(f"array file {path}: {place}; mend the TOML there") from error
    if not isinstance(content, dict):
        raise GeometryError(f"array file {path}: a {type(content).__name__} came; an object with the key 'positions' was wanted")
    check_fields(content, FIELDS, f"array file {path}")
    return content


def file_fields(array: MicrophoneArray) -> dict[str, Any]:
    """What an array file holds: plain lists, numbers and words; what is not known is left out."""
    fields: dict[str, Any] = {
        "name": array.name,
        "zero_direction": array.zero_direction,
        "source": array.source,
        "names": list(array.names),
        "channels": array.channels and list(array.channels),
        "hardware_channels": array.hardware_channels,
        "sample_rate": array.sample_rate,
        "body_radius": array.body_radius,
        "body_shape": array.body_radius and array.body_shape,
        "directivity": array.directivity and list(array.directivity),
        "orientations": None if array.orientations is None else array.orientations.tolist(),
        "gains_db": array.gains_db and list(array.gains_db),
        # Rounded to femtoseconds, so that reading a file back and writing it again changes nothing.
        "delays_us": array.delays and [round(delay * 1e6, 9) for delay in array.delays],
        "blocks": array.blocks and list(array.blocks),
        "positions": array.positions.tolist(),
    }
    return {key: value for key, value in fields.items() if value is not None}


def constructor_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What `MicrophoneArray.from_positions` takes, from what an array file holds: delays in seconds.

    Raises:
        GeometryError: delays that are no numbers or fit no microphones.
    """
    delays = as_numbers("delays_us", fields.get("delays_us"), len(fields["positions"]), 1e6 * LARGEST_DELAY, "us")
    others = {key: value for key, value in fields.items() if key != "delays_us"}
    return others | ({} if delays is None else {"delays": [delay / 1e6 for delay in delays]})


def check_fields(content: Mapping[str, Any], allowed: Mapping[str, tuple[type, ...]], where: str) -> None:
    """Refuse missing, unknown and wrongly typed keys.

    Raises:
        GeometryError: naming the key, what it held and, for an unknown key, the nearest known one.
    """
    for key, value in content.items():
        if key not in allowed:
            raise GeometryError(f"{where}: unknown key {key!r}; {suggestion(key, allowed)}")
        if not isinstance(value, allowed[key]) or isinstance(value, bool):
            kinds = " or ".join(kind.__name__ for kind in allowed[key])
            raise GeometryError(f"{where}: {key} is {value!r} ({type(value).__name__}); a {kinds} was wanted")
    if "positions" not in content:
        raise GeometryError(f"{where}: no key 'positions'; a list of [x, y, z] in metres, one per microphone, was wanted")


def write_fields(fields: Mapping[str, Any], path: Path) -> None:
    """Write one array file whole or not at all; the suffix, .json or .toml, decides the format.

    Raises:
        GeometryError: another suffix.
        ArraySceneError: the file cannot be written.
    """
    if _suffix(path) == ".json":
        text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    else:
        import tomli_w

        text = tomli_w.dumps(fields)
    write_whole(path, text.encode("utf-8"))


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise GeometryError(f"array file {path}: the suffix {path.suffix!r} came; .json or .toml was wanted")
    return suffix
