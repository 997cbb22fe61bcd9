"""Layouts in words, such as "circular:6:0.05": what a generator is called, then its numbers, lengths in metres."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from arrayscene.array_generators import LayoutGenerators
from arrayscene.errors import GeometryError
from arrayscene.naming import nearest

_Array = TypeVar("_Array", bound=LayoutGenerators)

FORMS: Mapping[str, str] = {
    "circular": "circular:N:RADIUS",
    "linear": "linear:N:SPACING",
    "rectangular": "rectangular:NXxNY:SPACING",
    "spiral": "spiral:N:RADIUS",
    "spherical": "spherical:N:RADIUS",
    "cylinder": "cylinder:RINGSxN:RADIUS:HEIGHT",
    "random": "random:N:SIDE:SEED",
}
"""Every layout that can be named in words; lengths in metres."""

_EXAMPLES: Mapping[str, str] = {
    "circular": "circular:6:0.05",
    "linear": "linear:4:0.05",
    "rectangular": "rectangular:4x4:0.042",
    "spiral": "spiral:64:0.5",
    "spherical": "spherical:32:0.042",
    "cylinder": "cylinder:3x8:0.1:0.2",
    "random": "random:16:0.3:1",
}

_COUNT = r"(\d+)"
_LENGTH = r"([0-9.eE+-]+)"
_PATTERNS: Mapping[str, str] = {
    "RINGSxN": rf"{_COUNT}x{_COUNT}",
    "NXxNY": rf"{_COUNT}x{_COUNT}",
    "N": _COUNT,
    "SEED": _COUNT,
    "RADIUS": _LENGTH,
    "SPACING": _LENGTH,
    "HEIGHT": _LENGTH,
    "SIDE": _LENGTH,
}


def generate(array: type[_Array], spec: str) -> _Array | None:
    """The array that a layout in words means; None where the words are no layout.

    Args:
        array: the class whose generators are called.
        spec: one of `FORMS`; spaces and capital letters do not matter.

    Raises:
        GeometryError: a known layout with numbers that do not fit its form, or numbers after an unknown word.
    """
    words = re.sub(r"\s+", "", spec).lower()
    kind, colon, numbers = words.partition(":")
    if not colon:
        return None
    if kind not in FORMS:
        if re.fullmatch(r"[0-9.:ex+-]+", numbers) is None:
            return None
        meant = nearest(kind, FORMS)
        hint = f"did you mean {FORMS[meant]}?" if meant else "known are " + ", ".join(FORMS.values())
        raise GeometryError(f"array {spec!r}: no layout is called {kind!r}; {hint}")
    match = re.fullmatch(":".join(_PATTERNS[part] for part in FORMS[kind].split(":")[1:]), numbers)
    try:
        values = [int(number) if number.isdigit() else float(number) for number in match.groups()]  # type: ignore[union-attr]
    except (AttributeError, ValueError) as error:
        raise GeometryError(f"array {spec!r}: {FORMS[kind]} was wanted, in metres, such as {_EXAMPLES[kind]}") from error
    make: dict[str, Callable[..., Any]] = {
        "circular": array.circular,
        "linear": array.linear,
        "rectangular": lambda nx, ny, spacing: array.rectangular(nx, ny, spacing, spacing),
        "spiral": array.spiral,
        "spherical": array.spherical,
        "cylinder": array.cylinder,
        "random": lambda n, side, seed: array.random(n, side, seed=seed),
    }
    made: _Array = make[kind](*values)
    return made
