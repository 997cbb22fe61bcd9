"""A result as a folder or a file: complete or not there at all, and a folder never in place of somebody else's files."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from arrayscene.errors import ArraySceneError, RecordingError


class Kind(NamedTuple):
    """What a folder of ours is known by.

    Attributes:
        noun: "scene", "tracks", "location", "sound map": what it holds, for messages.
        document: name of the JSON file that lists its "files".
        format: value of the key "format" in there.
    """

    noun: str
    document: str
    format: str


def write_folder(directory: str | os.PathLike[str], kind: Kind, fill: Callable[[Path], None], *, overwrite: bool = False) -> Path:
    """Let `fill` write into a hidden folder beside the target, which then takes its place; what was there stays until then.

    Args:
        directory: a folder that is new or empty, or with `overwrite` one that holds an earlier result and nothing else.
        kind: of the result.
        fill: writes all files, the document last.
        overwrite: replace an earlier result.

    Returns:
        The folder.

    Raises:
        RecordingError: the target is refused (see `check_target`), the disk is full, or the folder cannot be written;
            nothing is left behind.
    """
    check_target(directory, kind, overwrite)
    return fill_folder(directory, fill)


def write_new(directory: str | os.PathLike[str], fill: Callable[[Path], None]) -> Path:
    """The same for a target that is new or empty, whatever it is to hold.

    Raises:
        RecordingError: as `check_new`; the disk is full, or the folder cannot be written; nothing is left behind.
    """
    check_new(directory)
    return fill_folder(directory, fill)


def fill_folder(directory: str | os.PathLike[str], fill: Callable[[Path], None]) -> Path:
    """The same for a target that has been checked: it is replaced, whatever it holds."""
    target = Path(directory).resolve()
    with _says_why(target), _parents(target.parent):
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        try:
            fill(work)
            # mkdtemp makes a folder that nobody else may read; the finished one follows the user's mask like any new folder.
            mask = os.umask(0)
            os.umask(mask)
            work.chmod(0o777 & ~mask)
            _put_in_place(work, target)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return target


def check_target(directory: str | os.PathLike[str], kind: Kind, overwrite: bool = False) -> None:
    """Refuse early what `write_folder` would refuse: a file, a folder in use, a place that cannot be written.

    Raises:
        RecordingError: what is there, what was wanted, what to do.
    """
    target = Path(directory).resolve()
    with _says_why(target):
        check_above(target)
        if target.exists() and not target.is_dir():
            raise RecordingError(f"{target}: is a file; wanted a new or empty folder; choose another name")
        if target.exists() and any(target.iterdir()):
            _check_contents(target, kind, overwrite)


def check_above(target: Path) -> None:
    """Refuse early a file or folder whose place is no folder, or cannot be written.

    Raises:
        RecordingError: what is there, what was wanted, what to do.
    """
    above = next((folder for folder in target.absolute().parents if folder.exists()), target.absolute())
    if not above.is_dir():
        raise RecordingError(f"{target}: {above} is a file; wanted a folder to write into; choose another place")
    if reason := not_writable(above):
        raise RecordingError(f"{target}: {above} cannot be written ({reason}); choose a folder that you may write to")


def not_writable(folder: Path) -> str | None:
    """Why nothing can be put into a folder that is there; None where something was, and was taken away again.

    Permissions do not tell: the superuser has all of them on file systems that take nothing, such as /proc.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".arrayscene.", dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def check_writable(directory: str | os.PathLike[str], what: str) -> None:
    """Refuse early a folder to which files cannot be added.

    Args:
        directory: may be missing; then it must be possible to make it.
        what: named it, for the message: "--out".

    Raises:
        RecordingError: a file, or a place that cannot be written.
    """
    target = Path(directory)
    if target.exists() and not target.is_dir():
        raise RecordingError(f"{what} {target}: is a file; a folder is wanted; choose another name")
    if target.exists() and (reason := not_writable(target)):
        raise RecordingError(f"{what} {target}: cannot be written ({reason}); choose a folder that you may write to")
    if not target.exists():
        check_above(target)


def check_new(directory: str | os.PathLike[str]) -> None:
    """Refuse early what `write_new` would refuse.

    Raises:
        RecordingError: the target is a file, a folder that holds something, or in a place that cannot be written.
    """
    target = Path(directory)
    check_above(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RecordingError(f"{target} is there already; choose a new or empty folder")


def write_whole(path: Path, content: bytes) -> None:
    """Make a file appear whole or not at all: a temporary name in the same folder, then a rename.

    Raises:
        ArraySceneError: the folder is missing or cannot be written to.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or error
        raise ArraySceneError(f"{path} cannot be written: {reason}; choose a folder that exists and is writable") from error
    finally:
        part.unlink(missing_ok=True)


def files_under(folder: Path) -> list[str]:
    """Paths of the files in a folder, relative to it."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]


def missing_folders(folder: Path) -> list[Path]:
    """The folder and those above it that are not there, the innermost first."""
    return [step for step in (folder, *folder.parents) if not step.exists()]


def take_away(folders: Sequence[Path]) -> None:
    """Remove folders that are there and empty; all others stay."""
    for step in folders:
        with contextlib.suppress(OSError):
            step.rmdir()


def _check_contents(target: Path, kind: Kind, overwrite: bool) -> None:
    owned = _own_files(target, kind)
    article = kind.noun if kind.noun.endswith("s") else f"a {kind.noun}"
    if owned is None:
        raise RecordingError(f"{target}: holds files that are not {article}; wanted a new or empty folder; choose another name")
    strangers = sorted(set(files_under(target)) - owned)
    if strangers:
        named = ", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else "")
        raise RecordingError(
            f"{target}: holds {article} and {len(strangers)} other file{'s' if len(strangers) > 1 else ''} ({named}); "
            "they would be lost; move them away or choose another folder"
        )
    if not overwrite:
        raise RecordingError(f"{target}: holds {article} already; choose another folder, or replace it with overwrite=True")


def _put_in_place(work: Path, target: Path) -> None:
    if not target.exists():
        work.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    old = aside / target.name
    try:
        target.rename(old)
        work.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _own_files(folder: Path, kind: Kind) -> set[str] | None:
    """What the document in `folder` lists as its own; None without one of ours."""
    try:
        document = json.loads((folder / kind.document).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("format") != kind.format or not isinstance(document.get("files"), list):
        return None
    return {str(name) for name in document["files"]}


@contextlib.contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Make the missing folders above the target, and take them away again if the write fails."""
    missing = missing_folders(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        take_away(missing)
        raise


@contextlib.contextmanager
def _says_why(target: Path) -> Iterator[None]:
    """Turn what the system refuses into a sentence for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RecordingError(f"{target}: the disk is full; nothing was kept; free some space or move elsewhere") from error
        if error.errno == errno.EBUSY:
            raise RecordingError(f"{target}: is in use or a mounted volume; wanted a folder; choose one inside it") from error
        raise RecordingError(f"{target}: cannot be written ({error.strerror or error}); choose another place") from error
