"""What every training is told, as one readable page; a recipe adds fields of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Final, Self

from arrayscene.config_file import Settings, check_names
from arrayscene.errors import RecordingError

PRECISIONS: Final = ("32", "16-mixed", "bf16-mixed")

FREE: Final = ("every", "workers", "checkpoint_minutes")
"""What may change when a training goes on: the weights do not depend on it."""


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """How to train. A recipe's own configuration inherits these fields, may have other defaults, and adds its own.

    Attributes:
        seed: of the first weights, the data and their order.
        speech: folder of speech, as `arrayscene.worlds.Speech.folder` takes it; empty: the shipped voices.
        n_steps: updates of the weights.
        batch: examples an update, on all devices together.
        learning_rate: the highest.
        warmup: steps over which the learning rate rises.
        cooling: share of the steps, at the end, over which it falls to nothing along a quarter of a cosine.
        weight_decay: of AdamW.
        clip: largest norm of a gradient.
        ema: share of the averaged weights that every step keeps; the averaged weights are what a training results in.
        precision: "32", or "16-mixed" or "bf16-mixed" for what a network computes in 16 bits.
        every: steps between validations, each of which is a row of the curve.
        checkpoint_minutes: most minutes between checkpoints; one is also written at every validation.
        workers: processes on each device that prepare examples; 0 prepares them in between.
        threads: of each process on the CPU. Sums over several come out differently.
        most_skipped: steps with NaN or infinite values that may follow one another before the training gives up.

    Raises:
        RecordingError: a value that no training can have, and which.
    """

    kind: ClassVar[str] = "training"

    seed: int = 0
    speech: str = ""
    n_steps: int = 10000
    batch: int = 8
    learning_rate: float = 1e-3
    warmup: int = 100
    cooling: float = 0.4
    weight_decay: float = 1e-2
    clip: float = 1.0
    ema: float = 0.995
    precision: str = "32"
    every: int = 500
    checkpoint_minutes: float = 5.0
    workers: int = 0
    threads: int = 1
    most_skipped: int = 20

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, self._typed(field.name, field.default))
        for name in ("n_steps", "batch", "warmup", "every", "threads", "most_skipped"):
            self._demand(getattr(self, name) >= 1, name, "1 or more")
        for name in ("seed", "workers", "weight_decay", "checkpoint_minutes"):
            self._demand(getattr(self, name) >= 0, name, "0 or more")
        for name in ("learning_rate", "clip"):
            self._demand(getattr(self, name) > 0, name, "a positive number")
        self._demand(0 <= self.cooling <= 1, "cooling", "a share from 0 to 1")
        self._demand(0 <= self.ema < 1, "ema", "a share from 0 to less than 1")
        self._demand(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            RecordingError: an unknown name or an impossible value.
        """
        check_names(values, [field.name for field in fields(cls)], cls.__name__)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words by name."""
        return asdict(self)

    def with_changes(self, **changes: Any) -> Self:
        """A copy with other values.

        Raises:
            RecordingError: an unknown name or an impossible value.
        """
        check_names(changes, [field.name for field in fields(self)], type(self).__name__)
        return replace(self, **changes)

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """What another training's `to_dict` has otherwise, of all that the weights depend on: "name = theirs, not ours" each."""
        own = self.to_dict()
        names = [name for name in dict.fromkeys([*own, *other]) if name not in FREE]
        absent = object()
        return [
            f"{name} = {other.get(name, 'nothing')!r}, not {own.get(name, 'nothing')!r}"
            for name in names
            if own.get(name, absent) != other.get(name, absent)
        ]

    def _typed(self, name: str, default: Any) -> Any:
        """A field's value in the type of its default."""
        value = getattr(self, name)
        if isinstance(default, str):
            fits, wanted = isinstance(value, str), "a word"
        elif isinstance(default, bool):
            fits, wanted = isinstance(value, bool), "true or false"
        else:
            fits, wanted = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value), "a number"
            if isinstance(default, int):
                fits, wanted = fits and value == int(value), "a whole number"
        if not fits:
            raise RecordingError(f"{type(self).__name__}: {name} = {value!r} came; {wanted} such as {default!r} was wanted")
        return type(default)(value)
