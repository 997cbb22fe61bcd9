"""Recipe: what is trained, on what, towards what; the loop is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from arrayscene.training.config import TrainingConfig

Config = TypeVar("Config", bound=TrainingConfig)
Example = TypeVar("Example")
Batch = TypeVar("Batch")


class Recipe(ABC, Generic[Config, Example, Batch]):
    """A named training. `arrayscene.training.train` runs it on any number of devices.

    Step s trains on the examples numbered s B to (s + 1) B - 1, B being the batch; every process takes its part of them. So that
    a training goes on after a kill as if nothing had happened, and comes out the same on any number of processes, an example must
    follow from the seed and its number alone: whatever is drawn for it (crop, noise, noise level) is drawn in `example`, by
    `draws(number)`.

    Attributes:
        name: what the command line calls it.
        config_class: its configuration.
        figures: names of what `validate` returns, all in one unit, better when higher.
        unit: of the figures and of their axis.
        loss_unit: of the loss.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[TrainingConfig]]
    figures: ClassVar[tuple[str, ...]]
    unit: ClassVar[str]
    loss_unit: ClassVar[str] = ""

    def __init__(self, config: Config, folder: Path) -> None:
        """A recipe for one output folder; nothing is read or written yet."""
        self.config, self.folder = config, folder

    def prepare(self, share: tuple[int, int], report: Callable[[str, float], None]) -> None:
        """Check the data and make files that are needed; called in every process before everything else.

        Args:
            share: (process, number of processes), to do a part of the work; all see the same folder, and all wait for each other
                afterwards.
            report: called with a step's name and the fraction of it that is done.

        Raises:
            ArraySceneError: data that cannot be used.
        """

    @abstractmethod
    def network(self) -> nn.Module:
        """The untrained network, on the CPU; its weights may be drawn from torch's own generator, which has been seeded."""

    @abstractmethod
    def example(self, number: int) -> Example:
        """Training example `number`, 0 and up without end, on the CPU: tensors in any tuples, lists, dicts or dataclasses."""

    @abstractmethod
    def collate(self, examples: Sequence[Example]) -> list[Batch]:
        """One or several batches that hold the examples in their order; several where shapes differ."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """(example,) loss of each example.

        Call the network itself (`network(...)`, no other method of it): that is where 16 bits and several devices come in. What
        comes in stays float32, what comes out is float32 again.
        """

    @property
    @abstractmethod
    def n_validation(self) -> int:
        """Number of held-out examples."""

    @abstractmethod
    def validate(self, network: nn.Module, number: int) -> list[tuple[float, ...]]:
        """Rows of `figures` for held-out example `number`: one row for each thing that is scored in it, perhaps none.

        The network is the averaged one, in evaluation mode and without gradients, on the device of its parameters.
        """

    @abstractmethod
    def weights(self, network: nn.Module, facts: Mapping[str, str]) -> bytes:
        """The content of `weights.safetensors`, with the facts among its metadata."""

    @abstractmethod
    def about(self) -> Mapping[str, str]:
        """Paragraphs of the card by title, in order: "What for", "Data" (with its licence), "Limits"."""

    def draws(self, number: int) -> np.random.Generator:
        """What decides about example `number`: numbers that follow from it and the seed alone."""
        return np.random.default_rng([self.config.seed, number])

    def torch_draws(self, number: int) -> torch.Generator:
        """The same for tensors."""
        return torch.Generator().manual_seed(int(self.draws(number).integers(2**62)))


AnyRecipe = Recipe[Any, Any, Any]
