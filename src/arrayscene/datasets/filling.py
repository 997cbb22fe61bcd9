"""An empty folder filled with the voices that the package ships."""

from __future__ import annotations

import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from arrayscene.errors import RecordingError
from arrayscene.voices import voice_names, voice_speaker


def fill_with_voices(root: Path) -> None:
    """Copy the shipped voices to `root/SPEAKER/VOICE.flac`, with the page that states their licences; all or none.

    Args:
        root: a folder that is missing or empty.

    Raises: RecordingError where it cannot be written.
    """
    voices = files("arrayscene") / "assets" / "voices"
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Hidden, so that a copy that was cut off leaves a folder that still counts as empty.
        work = Path(tempfile.mkdtemp(prefix=".voices.", dir=root))
        try:
            for name in voice_names():
                folder = work / voice_speaker(name)
                folder.mkdir(exist_ok=True)
                (folder / f"{name}.flac").write_bytes((voices / f"{name}.flac").read_bytes())
            (work / "README.md").write_bytes((voices / "README.md").read_bytes())
            for entry in sorted(work.iterdir()):
                # Another process may be filling the same folder, with the same files.
                if not (root / entry.name).exists():
                    entry.rename(root / entry.name)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise RecordingError(
            f"{root}: holds no speech, and the voices of the package cannot be written there ({error.strerror or error}); name a"
            " folder with speech files, or one that you may write to"
        ) from error


def is_empty(root: Path) -> bool:
    """Whether a folder is missing, or holds nothing but hidden entries.

    Raises: RecordingError for a file, or a folder that may not be read.
    """
    if root.exists() and not root.is_dir():
        raise RecordingError(f"{root}: is a file; a folder with speech files, or a new one, is needed")
    try:
        return not root.exists() or all(entry.name.startswith(".") for entry in root.iterdir())
    except OSError as error:
        raise RecordingError(f"{root}: may not be read ({error.strerror or error}); change its permissions") from error
