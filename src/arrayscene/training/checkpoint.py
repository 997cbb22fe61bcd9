"""Checkpoints: everything a training goes on from, whole or not at all, and the one before."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from arrayscene.errors import RecordingError
from arrayscene.folder import write_whole
from arrayscene.training.config import TrainingConfig

CHECKPOINT: Final = "checkpoint.pt"

PREVIOUS: Final = "checkpoint-previous.pt"

DAMAGED: Final = "checkpoint-damaged.pt"

VERSION: Final = 1
"""Of what a checkpoint holds; another one cannot be read."""


class TrainingWarning(UserWarning):
    """Something that a training went on after, such as a batch that held NaN."""


def save_checkpoint(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint; the one that was there stays as the previous one.

    Raises:
        ArraySceneError: the folder cannot be written to.
    """
    written = io.BytesIO()
    torch.save({"version": VERSION, **content}, written)
    if (folder / CHECKPOINT).exists():
        os.replace(folder / CHECKPOINT, folder / PREVIOUS)
    write_whole(folder / CHECKPOINT, written.getvalue())


def load_checkpoint(folder: Path, recipe: str, config: TrainingConfig) -> dict[str, Any] | None:
    """The last whole checkpoint, on the CPU; None where there is none.

    Raises:
        RecordingError: none can be read, or it is of another version, recipe or configuration.

    Warns:
        TrainingWarning: the last one is damaged and the previous one is taken.
    """
    for stale in folder.glob(f".{CHECKPOINT}.*.part"):
        stale.unlink(missing_ok=True)
    damaged: list[str] = []
    for path in (folder / CHECKPOINT, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(content, dict) or "version" not in content:
                raise ValueError("of another program")
        # A damaged archive fails in as many ways as it has bytes.
        except Exception as error:
            damaged.append(f"{path} cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})")
            continue
        _check(path, content, recipe, config)
        if damaged:
            # Out of the way, or the next checkpoint would put it in the place of this one.
            os.replace(folder / CHECKPOINT, folder / DAMAGED)
            warnings.warn(
                f"{damaged[0]}; going on from step {content['state']['step']} in {path.name}", TrainingWarning, stacklevel=2
            )
        return content
    if damaged:
        raise RecordingError(f"{'; '.join(damaged)}; remove it to start anew, or take another folder")
    return None


def _check(path: Path, content: Mapping[str, Any], recipe: str, config: TrainingConfig) -> None:
    if content["version"] != VERSION:
        raise RecordingError(
            f"{path}: a checkpoint of version {content['version']} came; this version of arrayscene goes on from {VERSION}; take "
            "another folder, or the version that wrote it"
        )
    if content["recipe"] != recipe:
        raise RecordingError(f"{path}: of a training {content['recipe']!r}, not {recipe!r}; take another folder")
    differ = config.differences(content["config"])
    if differ:
        raise RecordingError(
            f"{path}: the training in this folder has {'; '.join(differ)}; take another folder, or the same values to go on"
        )
