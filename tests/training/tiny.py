"""A recipe so small that a step takes a millisecond; as a script it is trained: tiny.py FOLDER [NAME=VALUE ...]."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from arrayscene.networks.tensor_file import to_bytes
from arrayscene.training import Progress, Recipe, Run, TrainingConfig, train

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class TinyConfig(TrainingConfig):
    """
    Attributes:
        broken: every so manieth example holds NaN; 0: none.
        pause: seconds before each example.
    """

    n_steps: int = 40
    batch: int = 6
    learning_rate: float = 0.02
    warmup: int = 5
    every: int = 10
    broken: int = 0
    pause: float = 0.0


class TinyRecipe(Recipe[TinyConfig, Pair, Pair]):
    """A network with dropout learns a product; examples of odd steps come one by one, as if their shapes differed."""

    name = "tiny"
    config_class = TinyConfig
    figures = ("before", "after")
    unit = "minus the error"

    def network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(self.dropout), nn.Linear(16, 1))

    dropout = 0.0

    def example(self, number: int) -> Pair:
        if self.config.pause:
            time.sleep(self.config.pause)
        x = torch.randn(3, generator=self.torch_draws(number))
        if self.config.broken and number % self.config.broken == 0:
            x = x * torch.nan
        return x, x[:1] * x[1:2]

    def collate(self, examples: Sequence[Pair]) -> list[Pair]:
        parts = [examples] if float(examples[0][0][0]) > 0 else [[example] for example in examples]
        return [(torch.stack([x for x, _ in part]), torch.stack([y for _, y in part])) for part in parts]

    def loss(self, network: nn.Module, batch: Pair) -> Tensor:
        x, y = batch
        return (network(x) - y).square().mean(-1)

    @property
    def n_validation(self) -> int:
        return 5

    def validate(self, network: nn.Module, number: int) -> list[tuple[float, ...]]:
        generator = torch.Generator().manual_seed(number)
        x = torch.randn(20, 3, generator=generator).to(next(network.parameters()).device)
        y = x[:, :1] * x[:, 1:2]
        return [(-float(y.square().mean()), -float((network(x) - y).square().mean()))]

    def weights(self, network: nn.Module, facts: Mapping[str, str]) -> bytes:
        return to_bytes(network.state_dict(), facts)

    def about(self) -> Mapping[str, str]:
        return {"What for": "Tests.", "Data": "Noise.", "Limits": "Many."}


class DroppingRecipe(TinyRecipe):
    """With a network that draws by itself."""

    dropout = 0.3


def told(progress: Progress) -> None:
    print(progress.step, flush=True)


if __name__ == "__main__":
    values = dict(word.split("=") for word in sys.argv[2:])
    devices = int(values.pop("devices", 1))
    recipe = DroppingRecipe if int(values.pop("dropping", 0)) else TinyRecipe
    config = TinyConfig(**{name: float(value) for name, value in values.items()})
    train(recipe(config, Path(sys.argv[1])), Run(accelerator="cpu", devices=devices), told)
