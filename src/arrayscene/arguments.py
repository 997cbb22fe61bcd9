"""Arguments of a kind that cannot be used, refused in words before they end in an error of Python's own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from arrayscene.errors import ArraySceneError, ShapeError

LONGEST = 40
"""Characters of a value that a message shows."""


def shown(value: object) -> str:
    """What came, in short: "'a' (str)", "ndarray of shape (4, 16000)"."""
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape):
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = repr(value)
    return f"{text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'} ({type(value).__name__})"


def check_kind(
    who: str, value: object, kind: type | tuple[type, ...], wanted: str, error: type[ArraySceneError] = ShapeError
) -> None:
    """Refuse what is not of a kind.

    Args:
        who: begins the message, such as "recover: recording".
        value: what came.
        kind: class or classes.
        wanted: what they are in words, and where to get one.
        error: to raise.
    """
    if not isinstance(value, kind):
        raise error(f"{who}: {shown(value)} came; {wanted} is needed")


def check_number(who: str, value: object, error: type[ArraySceneError] = ShapeError) -> None:
    """Refuse what is not a real number; infinite ones and NaN are left to the caller."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise error(f"{who}: {shown(value)} came; a number is needed")


def check_whole(who: str, value: object, least: int = 1, or_else: str = "", error: type[ArraySceneError] = ShapeError) -> None:
    """Refuse what is not a whole number of at least `least`; `or_else` says what else would do."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise error(f"{who}={value!r} came; a whole number, {least} or more, is needed{or_else}")


def as_indices(who: str, values: Iterable[Any], error: type[ArraySceneError] = ShapeError) -> list[int]:
    """Whole numbers, counted from 0 or 1 as the caller has it.

    Raises: `error` for anything else; `who` begins its message.
    """
    try:
        found = [] if isinstance(values, str) else [int(value) for value in values]
        whole = not isinstance(values, str) and all(float(value) == index for value, index in zip(values, found, strict=True))
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise error(f"{who}: {shown(values)} came; a list of whole numbers is needed")
    return found


def as_path(who: str, value: str | os.PathLike[str], error: type[ArraySceneError] = ShapeError) -> Path:
    """The path."""
    check_kind(who, value, (str, os.PathLike), "a path", error)
    return Path(value)
