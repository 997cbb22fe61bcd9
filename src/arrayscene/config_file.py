"""Settings as files: TOML or JSON, with every mistake named; written whole or not at all."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.folder import write_whole
from arrayscene.naming import suggestion


def read_settings(path: str | Path, kind: str) -> dict[str, Any]:
    """Read the names and values of a .json file, or of any other as TOML.

    Args:
        path: the file.
        kind: what the file is for, for messages, such as "world".

    Raises:
        ArraySceneError: a file that is missing or malformed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ArraySceneError(f"{kind} file {path}: {error.strerror or error}; give a .toml or .json file") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise ArraySceneError(f"{kind} file {path}: not valid ({error}); mend it") from error
    if not isinstance(values, dict):
        raise ArraySceneError(f"{kind} file {path}: {type(values).__name__} came; a table of names and values was wanted")
    return values


def write_settings(path: str | Path, values: Mapping[str, Any], kind: str) -> None:
    """Write a TOML or JSON file, as the suffix says.

    Raises:
        ArraySceneError: the file cannot be written, or another suffix.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    elif path.suffix.lower() == ".toml":
        import tomli_w

        text = tomli_w.dumps(values)
    else:
        raise ArraySceneError(f"{kind} file {path}: the suffix {path.suffix!r} came; .toml or .json was wanted")
    write_whole(path, text.encode("utf-8"))


class Settings:
    """Settings that know their file: the base of frozen dataclasses whose fields are what a file may hold (abstract)."""

    kind: ClassVar[str]
    """What the file is for, for messages, such as "world"."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML or JSON file, as the suffix says; what it leaves out keeps its default.

        Raises:
            ArraySceneError: a file that is missing or malformed, an unknown name (with the nearest known one), or a value that
                cannot be.
        """
        values = read_settings(path, cls.kind)
        try:
            return cls.from_dict(values)
        except ArraySceneError as error:
            raise type(error)(f"{cls.kind} file {path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write a TOML or JSON file, as the suffix says, whole or not at all.

        Raises:
            ArraySceneError: the file cannot be written, or another suffix.
        """
        write_settings(path, self.to_dict(), self.kind)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            ArraySceneError: as in `load`.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """What a file holds: plain numbers, words and lists."""
        raise NotImplementedError

    def _demand(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            raise RecordingError(f"{type(self).__name__}: {name} = {getattr(self, name)!r} came; {wanted} was wanted")


def check_names(given: Collection[str], known: Collection[str], who: str) -> None:
    """Refuse a name that is not known, and say which was probably meant.

    Raises:
        RecordingError: the first such name.
    """
    for name in given:
        if name not in known:
            raise RecordingError(f"{who}: there is no {name!r}; {suggestion(name, known)}")
