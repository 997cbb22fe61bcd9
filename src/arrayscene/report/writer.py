"""A scene as a folder: complete or not there at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from arrayscene.errors import RecordingError
from arrayscene.report.audio import write_wav
from arrayscene.report.rttm import rttm
from arrayscene.report.scene_json import FORMAT, dumps, scene_to_dict, source_file
from arrayscene.scene import Scene


def write_scene(scene: Scene, directory: str | os.PathLike[str], *, overwrite: bool = False, report: bool = True) -> Path:
    """Write `scene` into the folder `directory`: scene.json, scene.rttm, sources/source-N.wav and the report.

    Everything is written into a hidden folder beside the target, which then takes its place; an earlier scene stays until then.

    Args:
        scene: what `recover` returned.
        directory: a folder that is new or empty, or with `overwrite` one that holds an earlier scene and nothing else.
        overwrite: replace an earlier scene.
        report: also write the page and its pictures.

    Returns:
        The folder.

    Raises:
        RecordingError: the target is refused (see `check_target`), the disk is full, or the folder cannot be written;
            nothing is left behind.

    Cost: about a second with the report; memory does not grow with the length beyond one signal.
    """
    check_target(directory, overwrite)
    target = Path(directory).resolve()
    with _says_why(target), _parents(target.parent):
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        try:
            _fill(scene, work, report)
            _put_in_place(work, target)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return target


def check_target(directory: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse early what `write_scene` would refuse: a file, a folder in use, a place that cannot be written.

    Raises:
        RecordingError: what is there, what was wanted, what to do.
    """
    target = Path(directory).resolve()
    with _says_why(target):
        nearest = next((folder for folder in target.parents if folder.exists()), target)
        if not nearest.is_dir():
            raise RecordingError(f"{target}: {nearest} is a file; wanted a folder to write into; choose another place")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise RecordingError(f"{target}: {nearest} cannot be written; choose a folder that you may write to")
        if target.exists() and not target.is_dir():
            raise RecordingError(f"{target}: is a file; wanted a new or empty folder; choose another name")
        if target.exists() and any(target.iterdir()):
            _check_contents(target, overwrite)


def _check_contents(target: Path, overwrite: bool) -> None:
    owned = _files_of_a_scene(target)
    if owned is None:
        raise RecordingError(f"{target}: holds files that are not a scene; wanted a new or empty folder; choose another name")
    strangers = sorted(set(_files_under(target)) - owned)
    if strangers:
        named = ", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else "")
        raise RecordingError(
            f"{target}: holds a scene and {len(strangers)} other file{'s' if len(strangers) > 1 else ''} ({named}); "
            "they would be lost; move them away or choose another folder"
        )
    if not overwrite:
        raise RecordingError(
            f"{target}: holds a scene already; choose another folder, or replace it with --overwrite (overwrite=True)"
        )


def _fill(scene: Scene, folder: Path, report: bool) -> None:
    (folder / "sources").mkdir()
    for number, source in enumerate(scene.sources, start=1):
        write_wav(folder / source_file(number), source.signal, scene.sample_rate)
    (folder / "scene.rttm").write_text(rttm(scene), encoding="utf-8")
    if report:
        from arrayscene.report.page import write_page

        write_page(scene, folder)
    files = [*_files_under(folder), "scene.json"]
    (folder / "scene.json").write_text(dumps(scene_to_dict(scene, files)), encoding="utf-8")
    # mkdtemp makes a folder that nobody else may read; the finished one follows the user's mask like any new folder.
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)


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


def _files_of_a_scene(folder: Path) -> set[str] | None:
    """What the scene.json in `folder` lists as its own; None without one of ours."""
    try:
        document = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("format") != FORMAT or not isinstance(document.get("files"), list):
        return None
    return {str(name) for name in document["files"]}


def _files_under(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]


@contextlib.contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Make the missing folders above the target, and take them away again if the write fails."""
    missing = [step for step in (folder, *folder.parents) if not step.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for step in missing:
            with contextlib.suppress(OSError):
                step.rmdir()
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
