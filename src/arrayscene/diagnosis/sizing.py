"""Whether an array is as large as its file says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.diagnosis.evidence import POOR, Evidence
from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.hypothesis import Hypothesis

NEAR_SCALES = (0.5, 0.7, 1.4, 2.0)
"""True size relative to the file's, always tried."""

FAR_SCALES = (0.01, 0.0254, 0.05, 0.1, 0.2, 0.35, 3.0, 5.0, 10.0)
"""Tried where those are better than the file's size or nothing fits: units mixed up."""

REFINED = 1.15
"""Last step of the search, as a ratio."""

LEAST_RATIO = 1.3
"""Smaller differences come from temperature, steep directions and reflections."""

LEAST_GAIN_SMALLER, LEAST_GAIN_LARGER = 0.03, 0.15
"""Nats a microphone and snapshot that must be gained. Flat arrays seem larger than they are where sound comes along their plane
only: steep directions of a larger array look the same."""


class Size(NamedTuple):
    """How much larger the array seems to be than its file says, and the gain in likelihood over the file's size."""

    scale: float
    gain: float

    @property
    def least(self) -> float:
        """The gain that counts."""
        return LEAST_GAIN_SMALLER if self.scale < 1 else LEAST_GAIN_LARGER

    @property
    def counts(self) -> bool:
        """Whether the file's size is wrong."""
        return max(self.scale, 1 / self.scale) >= LEAST_RATIO and self.gain > self.least


def may_be_of_another_size(evidence: Evidence, hypothesis: Hypothesis) -> bool:
    """Whether half or twice the file's size explains a recording better by what counts. Cost: two models of the array."""
    return any(_gain(evidence, hypothesis, scale) > Size(scale, 0.0).least for scale in (0.5, 2.0))


def find_size(evidence: Evidence, hypothesis: Hypothesis) -> Size:
    """The scale under which a hypothesis is likeliest.

    Cost: four to twenty models of the array and likelihoods.
    """
    gains = {scale: _gain(evidence, hypothesis, scale) for scale in (1.0, *NEAR_SCALES)}
    if max(gains.values()) > 0 or evidence.shortfall(hypothesis) > POOR:
        gains |= {scale: _gain(evidence, hypothesis, scale) for scale in FAR_SCALES}
    best = max(gains, key=gains.__getitem__)
    if best == 1.0:
        return Size(1.0, 0.0)
    step = 1.3
    while step >= np.sqrt(REFINED):
        for scale in (best / step, best * step):
            gains[scale] = _gain(evidence, hypothesis, scale)
        best = max(gains, key=gains.__getitem__)
        step = float(np.sqrt(step))
    return Size(best, gains[best])


def _gain(evidence: Evidence, hypothesis: Hypothesis, scale: float) -> float:
    """By how much a recording is likelier of an array that is larger by a scale."""
    if scale == 1.0:
        return 0.0
    tiles = hypothesis.undo(evidence.tiles)
    # Waves that are slower by as much look to the array as if it were larger.
    model = FieldModel(evidence.model.array, tiles.frequencies, speed_of_sound=SPEED_OF_SOUND / scale)
    return float(model.log_likelihood(tiles).sum()) / max(tiles.n_audible, 1) - evidence.score(hypothesis)
