"""Speech in folders: whose a file is, and which speakers are for training and which for testing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from arrayscene.audio_writer import FORMATS

SUFFIXES: Final = frozenset(f".{suffix}" for suffix in FORMATS) | {".aifc", ".au", ".snd", ".sph", ".voc", ".wave"}
"""Endings of the files that are tried; everything else in a folder is passed over in silence."""

TEST_SHARE: Final = 0.2
"""Share of the speakers that is kept for the test."""

_NAMED: Final = 5
"""Messages that are given in full before the others are only counted."""


def find_speech(root: Path) -> dict[str, list[Path]]:
    """Audio files below a folder by speaker, both sorted; nothing where there are none.

    A file's speaker is the folder in `root` that it lies in, at any depth; a file in `root` itself belongs to the speaker whose
    name is its own up to the first `-`, `_`, `.` or space, as LibriSpeech and VCTK name theirs: `103-1240-0000.flac` and
    `103_b.wav` to `103`. Hidden files and folders are passed over.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not any(part.startswith(".") for part in inside.parts):
            found.setdefault(inside.parts[0] if len(inside.parts) > 1 else _first_word(path.stem), []).append(path)
    return dict(sorted(found.items()))


def speakers_for_test(speakers: Iterable[str]) -> set[str]:
    """Those of two or more speakers who are for the test; the others are for training.

    A speaker is for the test where a hash of the name falls into the lowest fifth, so that a folder that grows keeps everybody on
    the side where they were. With few speakers the lowest is for the test in any case, and the highest for training.
    """
    ranked = sorted(speakers, key=_rank)
    n_test = sum(_rank(name) < TEST_SHARE for name in ranked)
    return set(ranked[: min(max(1, n_test), len(ranked) - 1)])


def some(messages: Sequence[str]) -> str:
    """The first few messages, and how many more there are."""
    more = len(messages) - _NAMED
    return "; ".join(messages[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _first_word(stem: str) -> str:
    for mark in "-_. ":
        stem = stem.partition(mark)[0] or stem
    return stem


def _rank(speaker: str) -> float:
    """0 to 1, the same for a name everywhere and always."""
    return int.from_bytes(hashlib.sha256(speaker.casefold().encode()).digest()[:8]) / 2**64
