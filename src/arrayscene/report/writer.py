"""A scene as a folder: complete or not there at all."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from arrayscene import folder as folders
from arrayscene.arguments import as_path, check_kind
from arrayscene.report.audio import write_wav
from arrayscene.report.json_values import dumps
from arrayscene.report.rttm import rttm
from arrayscene.report.scene_json import FORMAT, scene_to_dict, source_file
from arrayscene.scene import Scene

KIND = folders.Kind("scene", "scene.json", FORMAT)


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
    check_kind("write_scene", scene, Scene, "a Scene, such as recover returns,")
    as_path("write_scene: directory", directory)
    return folders.write_folder(directory, KIND, partial(_fill, scene, report), overwrite=overwrite)


def check_target(directory: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse early what `write_scene` would refuse: a file, a folder in use, a place that cannot be written.

    Raises:
        RecordingError: what is there, what was wanted, what to do.
    """
    folders.check_target(directory, KIND, overwrite)


def _fill(scene: Scene, report: bool, folder: Path) -> None:
    (folder / "sources").mkdir()
    for number, source in enumerate(scene.sources, start=1):
        write_wav(folder / source_file(number), source.signal, scene.sample_rate)
    (folder / "scene.rttm").write_text(rttm(scene), encoding="utf-8")
    if report:
        from arrayscene.report.page import write_page

        write_page(scene, folder)
    files = [*folders.files_under(folder), "scene.json"]
    (folder / "scene.json").write_text(dumps(scene_to_dict(scene, files)), encoding="utf-8")
