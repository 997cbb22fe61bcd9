"""What the network is trained on, and how: one readable page."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from arrayscene.worlds import WorldConfig


@dataclass(frozen=True)
class TrainingConfig:
    """One training of `SceneNet`.

    Attributes:
        seed: of the scenes, of the first weights and of the order.
        n_examples, n_validation: scenes with speakers for training, and with speakers for testing.
        duration: seconds of a scene.
        narrowband: share of the scenes at 8 kHz instead of 16.
        direction_error: radians, standard deviation of the directions that the chain is told, in every second scene.
        n_steps: updates of the weights.
        batch: examples an update.
        crop: frames of an example, drawn anew each time.
        learning_rate: the highest; it rises over `warmup` steps and falls to nothing along a cosine.
        weight_decay: of AdamW.
        clip: largest norm of a gradient.
        ema: share of the averaged weights that every step keeps.
        magnitude: weight of the loss on compressed magnitudes.
        every: steps between validations, and between states that a killed training resumes from.
    """

    seed: int = 0
    n_examples: int = 420
    n_validation: int = 20
    duration: float = 4.0
    narrowband: float = 0.25
    direction_error: float = math.radians(3.0)
    n_steps: int = 4400
    batch: int = 2
    crop: int = 128
    learning_rate: float = 2e-3
    warmup: int = 50
    weight_decay: float = 1e-2
    clip: float = 1.0
    ema: float = 0.995
    magnitude: float = 1.0
    every: int = 200

    def world(self, sample_rate: int) -> WorldConfig:
        """Scenes that somebody would want taken apart: 2 to 4 talkers who stay where they are."""
        return WorldConfig(
            sample_rate=sample_rate,
            duration=self.duration,
            t60=(0.15, 0.7),
            n_mics=(2, 8),
            n_talkers=(2, 4),
            distance=(0.5, 3.0),
            separation=math.radians(20.0),
            moving=0.0,
            clipping=0.0,
            point_noise=0.2,
            diffuse_snr_db=(10.0, 35.0),
        )

    def with_changes(self, **changes: Any) -> TrainingConfig:
        """A copy with other values."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers by name."""
        return asdict(self)
