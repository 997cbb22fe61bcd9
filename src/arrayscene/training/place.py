"""What a training needs around it: devices that each get an example, a folder of its own, threads and determinism."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import torch

from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.training.checkpoint import CHECKPOINT
from arrayscene.training.recipe import AnyRecipe
from arrayscene.training.record import SETTINGS

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_OURS: Final = {SETTINGS, CHECKPOINT, "examples"}
"""What a folder of a training holds from its first minutes on."""


def check_place(fabric: Fabric, recipe: AnyRecipe) -> None:
    """Refuse more devices than examples, and a folder that holds something else; make the folder."""
    batch, n_ranks = recipe.config.batch, fabric.world_size
    if batch < n_ranks:
        raise RecordingError(f"training: a batch of {batch} came for {n_ranks} devices; each needs an example: raise the batch")
    held = {path.name for path in recipe.folder.iterdir()} if recipe.folder.is_dir() else set()
    # Hidden files are another process's, half written.
    if any(not name.startswith(".") for name in held) and not held & _OURS:
        raise RecordingError(f"{recipe.folder}: holds files that are not a training; choose a new or empty folder")
    try:
        recipe.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArraySceneError(f"{recipe.folder}: {error.strerror or error}; choose a folder that can be made") from error


@contextmanager
def settings_restored(fabric: Fabric, threads: int) -> Iterator[None]:
    """Threads and determinism as a training needs them, and torch's own generator, all as they were afterwards."""
    on_gpu = fabric.device.type == "cuda"
    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    # Torch does not say; a product below the least normal number does.
    flushing = float(torch.tensor(1e-38) * 1e-3) == 0.0
    torch.set_num_threads(threads)
    # Deep in a network many gradients are that small, and processors are slow with them: a step took twice as long.
    torch.set_flush_denormal(True)
    with torch.random.fork_rng(devices=[fabric.device] if on_gpu else []), warnings.catch_warnings():
        # Convolutions of one point have such gradients where channels come last; it costs a copy of them.
        warnings.filterwarnings("ignore", message="Grad strides do not match")
        if on_gpu:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict, warn_only=only_warned)
            torch.set_flush_denormal(flushing)
            torch.set_num_threads(before)
