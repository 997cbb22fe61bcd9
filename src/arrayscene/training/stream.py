"""The stream of examples: which process gets which, in which order, and whether they can be trained with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from arrayscene.errors import ArraySceneError
from arrayscene.interruption import ignore_interrupts
from arrayscene.training.recipe import AnyRecipe


class Part(NamedTuple):
    """What one process gets of the batch of a step.

    Attributes:
        batches: of the recipe, on the CPU.
        finite: for each example, whether it holds neither NaN nor infinite values.
        failure: what went wrong where there are none.
    """

    batches: list[Any]
    finite: list[bool]
    failure: ArraySceneError | OSError | None = None


def usable(part: Part) -> Part:
    """The part, or the error that preparing it ended with.

    Raises:
        ArraySceneError, OSError: as the recipe raised it, perhaps in another process.
    """
    if part.failure is not None:
        raise part.failure
    return part


def stream(recipe: AnyRecipe, first: int, rank: int, n_ranks: int, *, pinned: bool) -> Iterator[Part]:
    """The parts of process `rank` of `n_ranks`, from step `first` to the last: every n_ranks-th example of each batch."""
    config = recipe.config
    loader = DataLoader(
        _Examples(recipe),
        batch_sampler=_Numbers(first, config.n_steps, config.batch, rank, n_ranks),
        collate_fn=_Collate(recipe),
        num_workers=config.workers,
        worker_init_fn=ignore_interrupts if config.workers else None,
        pin_memory=pinned,
    )
    return iter(loader)


class _Examples(Dataset[tuple[Any, bool]]):
    def __init__(self, recipe: AnyRecipe) -> None:
        self.recipe = recipe

    def __getitem__(self, number: int) -> tuple[Any, bool]:
        # An error that crosses processes by itself arrives as a page of traceback.
        try:
            example = self.recipe.example(number)
        except (ArraySceneError, OSError) as error:
            return error, False
        return example, _finite(example)


class _Numbers(Sampler[list[int]]):
    def __init__(self, first: int, n_steps: int, batch: int, rank: int, n_ranks: int) -> None:
        self.steps, self.batch, self.rank, self.n_ranks = range(first, n_steps), batch, rank, n_ranks

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            yield list(range(step * self.batch + self.rank, (step + 1) * self.batch, self.n_ranks))


class _Collate:
    def __init__(self, recipe: AnyRecipe) -> None:
        self.recipe = recipe

    def __call__(self, items: Sequence[tuple[Any, bool]]) -> Part:
        failures = [example for example, _ in items if isinstance(example, ArraySceneError | OSError)]
        if failures:
            return Part([], [], failures[0])
        return Part(self.recipe.collate([example for example, _ in items]), [finite for _, finite in items])


def _finite(example: Any) -> bool:
    from lightning_utilities.core.apply_func import apply_to_collection

    found: list[bool] = []
    apply_to_collection(example, Tensor, lambda tensor: found.append(bool(torch.isfinite(tensor).all())))
    return all(found)
