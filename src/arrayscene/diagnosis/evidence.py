"""How much better one hypothesis explains a recording than another, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from torch import Tensor

from arrayscene.diagnosis.field import SENSOR_NOISE, FieldModel
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.tiles import Tiles

POOR = 0.03
"""Shortfall above which something must still be wrong."""

RANDOM_ORDERS = 9

ISOTROPIC, ONE_SIDED = 0.7, 0.8
"""Share of an isotropic field's leading eigenvalue below which frequencies tell one wavefront from it; and of the rest, the share
that one wavefront must have for the others to tell nothing."""

PARTS = 8
"""Stretches of a recording that must agree."""


class Evidence:
    """Likelihoods of hypotheses about one recording.

    Attributes:
        model: of the array as it is believed to be.
        tiles: as recorded.
    """

    def __init__(self, model: FieldModel, tiles: Tiles) -> None:
        self.model, self.tiles = model, tiles
        self._known: dict[Hypothesis, Tensor] = {}

    def score(self, hypothesis: Hypothesis) -> float:
        """Mean log-likelihood, nats a microphone and snapshot."""
        return float(self._likelihood(hypothesis).sum()) / max(self.tiles.n_audible, 1)

    def margin(self, hypothesis: Hypothesis) -> float:
        """By how much it is better than any other order that was tried with the same polarities and delays."""
        mine = (hypothesis.signs, hypothesis.delays)
        rivals = [h for h in self._known if (h.signs, h.delays) == mine and h.order != hypothesis.order]
        return self.score(hypothesis) - max(map(self.score, rivals), default=-math.inf)

    def sureness(self, better: Hypothesis, worse: Hypothesis) -> float:
        """Student's t of the difference of their likelihoods over stretches of the recording."""
        difference = self._likelihood(better) - self._likelihood(worse)
        parts = torch.stack([part.mean() for part in difference.sum(1).chunk(PARTS)])
        return float(parts.mean() / (parts.std() / math.sqrt(len(parts))).clamp_min(1e-12)) if len(parts) > 2 else 0.0

    def shortfall(self, hypothesis: Hypothesis) -> float:
        """By how much a field without any structure, its mean coherence as recorded, fits better; below 0 if it fits worse."""
        C = self.tiles.coherence.to(torch.complex128)
        mean, n_mics = self.tiles.mean_coherence(), C.shape[-1]
        best = torch.full(C.shape[:2], -math.inf, dtype=torch.float64)
        for noise in SENSOR_NOISE:
            field = (mean + noise * torch.eye(n_mics)) / (1 + noise)
            trace = torch.einsum("fij,tfji->tf", torch.linalg.inv(field), C).real
            best = torch.maximum(best, -torch.linalg.slogdet(field).logabsdet / n_mics - (trace / n_mics).log())
        return float((best * self.tiles.audible).sum()) / max(self.tiles.n_audible, 1) - self.score(hypothesis)

    def order_gain(self, hypothesis: Hypothesis) -> float:
        """By how much it is better than orders at random, with the same polarities and delays: their median."""
        generator, n_mics = np.random.default_rng(0), len(hypothesis.order)
        orders = [tuple(generator.permutation(n_mics).tolist()) for _ in range(RANDOM_ORDERS)]
        return self.score(hypothesis) - median(self.score(replace(hypothesis, order=order)) for order in orders)

    def one_sided(self) -> bool:
        """Whether nearly all sound comes as one wavefront: from one place, with hardly any reverberation.

        By the share of the leading eigenvalue of the mean coherence where an isotropic field would have less.
        """
        leading = [torch.linalg.eigvalsh(C)[:, -1].double() for C in (self.tiles.mean_coherence(), self.model.diffuse)]
        heard, diffuse = (values / self.tiles.coherence.shape[-1] for values in leading)
        apart = diffuse < ISOTROPIC
        excess = (heard - diffuse)[apart] / (1 - diffuse[apart])
        return len(excess) > 0 and float(excess.max()) > ONE_SIDED

    def _likelihood(self, hypothesis: Hypothesis) -> Tensor:
        if hypothesis not in self._known:
            self._known[hypothesis] = self.model.log_likelihood(hypothesis.undo(self.tiles))
        return self._known[hypothesis]


def confidence(gain: float, least: float) -> float:
    """From 0 to 1: how sure a gain in likelihood is, 0.5 at the least that counts."""
    return 1 / (1 + (least / gain) ** 4) if gain > 0 else 0.0
