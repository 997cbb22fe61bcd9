"""The devices that the package knows: one TOML file each in assets/presets, in the house's frame."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from arrayscene.arguments import check_kind
from arrayscene.array_files import FIELDS, check_fields
from arrayscene.errors import GeometryError
from arrayscene.naming import nearest, plain

_ABOUT: Mapping[str, tuple[type, ...]] = {"description": (str,), "aliases": (list,), "notes": (list,), "source_frame": (str,)}


@dataclass(frozen=True)
class Preset:
    """One known device.

    Attributes:
        name: what the user types; lower case with hyphens.
        description: one line.
        aliases: other names that find it.
        notes: disputes, traps of its files and what was not verified; one sentence or two each.
        source_frame: the axes in which the source gives the positions, such as "x left, y up, z forward".
        fields: what `MicrophoneArray.from_positions` takes.
    """

    name: str
    description: str
    aliases: tuple[str, ...]
    notes: tuple[str, ...]
    source_frame: str
    fields: Mapping[str, Any]


@lru_cache(maxsize=1)
def presets() -> tuple[Preset, ...]:
    """Every known device, by name. Cost: reads about thirty small files, once."""
    folder = files("arrayscene") / "assets" / "presets"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return tuple(_parse(entry.name, entry.read_text(encoding="utf-8")) for entry in sorted(found, key=lambda entry: entry.name))


def find_preset(name: str) -> Preset:
    """Find a device by name or alias; case and punctuation do not matter.

    Raises:
        GeometryError: no such device; the message suggests the names that are near.
    """
    check_kind("array preset", name, str, "the name of a device", GeometryError)
    wanted = plain(name)
    by_word = {plain(word): preset for preset in presets() for word in (preset.name, *preset.aliases)}
    if wanted in by_word:
        return by_word[wanted]
    # Aliases help to guess what was meant, but the hint is a name that `array list` shows.
    meant = nearest(wanted, by_word)
    close = [word for word in by_word if len(wanted) > 2 and wanted in word] or ([meant] if meant else [])
    names = list(dict.fromkeys(repr(by_word[word].name) for word in close))
    hint = f"did you mean {_either(names)}?" if names else "known are " + ", ".join(preset.name for preset in presets())
    raise GeometryError(f"array preset {name!r} is not known; {hint}")


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _parse(file_name: str, text: str) -> Preset:
    content = tomllib.loads(text)
    check_fields(content, {**FIELDS, **_ABOUT}, f"preset {file_name}")
    about = {key: content.pop(key) for key in _ABOUT}
    return Preset(
        name=content["name"],
        description=about["description"],
        aliases=tuple(about["aliases"]),
        notes=tuple(about["notes"]),
        source_frame=about["source_frame"],
        fields=content,
    )
