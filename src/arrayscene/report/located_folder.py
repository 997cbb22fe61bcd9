"""Located sources as a folder: complete or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

from arrayscene import folder as folders
from arrayscene.localize.located import Located
from arrayscene.report.json_values import dumps
from arrayscene.report.located_figure import located_figure
from arrayscene.report.located_json import DOCUMENT, FORMAT, located_to_dict

KIND = folders.Kind("location", DOCUMENT, FORMAT)
PICTURE = "location.png"


def write_located(located: Located, directory: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write location.json and location.png.

    Args:
        located: what `locate` returned.
        directory: a folder that is new or empty, or with `overwrite` one that holds an earlier location and nothing else.
        overwrite: replace an earlier location.

    Returns: the folder.

    Raises: RecordingError as `arrayscene.folder.write_folder`.
    """

    def fill(folder: Path) -> None:
        located_figure(located).savefig(folder / PICTURE, dpi=150)
        (folder / DOCUMENT).write_text(dumps(located_to_dict(located, [DOCUMENT, PICTURE])), encoding="utf-8")

    return folders.write_folder(directory, KIND, fill, overwrite=overwrite)


def check_target(directory: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse early what `write_located` would refuse. Raises: RecordingError."""
    folders.check_target(directory, KIND, overwrite)
