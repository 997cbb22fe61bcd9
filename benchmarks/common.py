"""What the benchmarks share: where the recordings lie, on what machine they ran, and how a result is written down."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from arrayscene.worlds import Speech

ROOT = Path(__file__).resolve().parent


def shared_folder() -> Path | None:
    """The shared recordings, or None where they are missing."""
    folder = Path(os.environ.get("ARRAYSCENE_SHARED_DATA", ROOT.parent.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


def shared_data() -> Path:
    """The shared recordings; ends the script with a sentence where they are missing."""
    folder = shared_folder()
    if folder is None:
        print("skipped: the shared recordings are not here; set ARRAYSCENE_SHARED_DATA to their folder")
        sys.exit(0)
    return folder


def speech_files(root: Path) -> list[Path]:
    """All shared clips of speech, a talker each, in a fixed order."""
    return sorted((root / "speech_train").glob("*/*.flac"))


def speech_unseen(root: Path) -> Speech:
    """The speech of those whom the trainings of network and prior kept for testing."""
    return Speech.folder(root / "speech_train" / "librispeech_train-clean-100").split("test")


@contextmanager
def folder_unseen(root: Path) -> Iterator[Path]:
    """The same as a folder."""
    with tempfile.TemporaryDirectory() as name:
        for clips in speech_unseen(root).clips.values():
            for clip in clips:
                (Path(name) / clip.path.name).symlink_to(clip.path.resolve())
        yield Path(name)


def describe() -> str:
    """One line on the machine and the versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("arrayscene", "torch", "numba", "pyroomacoustics"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}"


def as_table(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Lines of a Markdown table with all columns that any row has."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return head + ["| " + " | ".join(str(row.get(column, "")) for column in columns) + " |" for row in rows]


def page_head(name: str, purpose: str | None, machine: str) -> list[str]:
    """Lines with which a page begins: its name, a script's docstring, and what ran it."""
    return [f"# {name}", "", " ".join((purpose or "").split()), "", machine, ""]


def write_table(name: str, purpose: str | None, machine: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write results/NAME.md and print it."""
    write_page(name, [*page_head(name, purpose, machine), *as_table(rows)])


def write_page(name: str, lines: Sequence[str]) -> None:
    """Write lines of Markdown to results/NAME.md and print them."""
    text = "\n".join(lines) + "\n"
    (ROOT / "results").mkdir(exist_ok=True)
    (ROOT / "results" / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
