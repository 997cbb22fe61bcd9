"""Random choices from a torch generator that depends on the seed and the scene's number alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")


def scene_generator(seed: int, index: int, *parts: int) -> torch.Generator:
    """A generator for one scene, and for one part of its making, independent of all others."""
    state = np.random.SeedSequence([seed, index, *parts]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))


class Draws:
    """Plain numbers drawn from a generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, bounds: tuple[float, float]) -> float:
        """A number from between."""
        share = float(torch.rand((), generator=self.generator, dtype=torch.float64))
        return bounds[0] + (bounds[1] - bounds[0]) * share

    def integer(self, bounds: tuple[int, int]) -> int:
        """A whole number, both bounds included."""
        return int(torch.randint(bounds[0], bounds[1] + 1, (), generator=self.generator))

    def choice(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.integer((0, len(options) - 1))]

    def chance(self, probability: float) -> bool:
        """Whether something with this probability happens."""
        return self.uniform((0.0, 1.0)) < probability

    def order(self, n: int) -> list[int]:
        """0 to n - 1, shuffled."""
        return [int(i) for i in torch.randperm(n, generator=self.generator)]

    def normal(self, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64).numpy()
