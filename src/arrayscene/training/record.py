"""What a training leaves in its folder for people and programs: curve, weights, card."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import nn

from arrayscene.folder import write_whole
from arrayscene.training.card import write_card
from arrayscene.training.curve import board, draw, write_table
from arrayscene.training.recipe import AnyRecipe

WEIGHTS: Final = "weights.safetensors"

SETTINGS: Final = "config.toml"

_DRAWN: Final = 60.0
"""Least seconds between two pictures of the curve."""

Rows = Sequence[Mapping[str, float]]


class Record:
    """The files of a training, besides its checkpoints.

    Args:
        recipe: what is trained.
        step: steps already done.
        tensorboard: whether the curve is wanted for TensorBoard too.

    Raises:
        ArraySceneError: the folder cannot be written to, or TensorBoard is not installed.
    """

    def __init__(self, recipe: AnyRecipe, step: int, *, tensorboard: bool) -> None:
        self.recipe = recipe
        self.board: Any = board(recipe.folder, step) if tensorboard else None
        self.drawn = time.monotonic()
        recipe.config.save(recipe.folder / SETTINGS)

    def add(self, rows: Rows) -> None:
        """Write the curve, whose last row is new; draw it where that has not been done for a minute."""
        self._write(rows, draws=time.monotonic() - self.drawn > _DRAWN)
        if self.board is not None:
            for name, value in rows[-1].items():
                if name != "step":
                    self.board.add_scalar(name, value, int(rows[-1]["step"]))

    def finish(self, network: nn.Module, step: int, rows: Rows, skipped: Sequence[int]) -> None:
        """Write weights, card and curve of a training that has ended at this step."""
        facts = {"steps": str(step), "seed": str(self.recipe.config.seed)}
        write_whole(self.recipe.folder / WEIGHTS, self.recipe.weights(network.cpu(), facts))
        write_card(self.recipe.folder, self.recipe, step, rows, skipped)
        if rows:
            self._write(rows, draws=True)
        if self.board is not None:
            self.board.close()

    def _write(self, rows: Rows, *, draws: bool) -> None:
        recipe = self.recipe
        write_table(recipe.folder, ("step", "loss", *recipe.figures, "learning_rate", "skipped"), rows)
        if draws:
            title = f"{recipe.name}, step {rows[-1]['step']:.0f} of {recipe.config.n_steps}"
            draw(recipe.folder, title, rows, recipe.figures, loss_unit=recipe.loss_unit, unit=recipe.unit)
            self.drawn = time.monotonic()
