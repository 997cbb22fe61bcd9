"""Where the tiles of a recording say that talkers are, and how well known azimuths explain that."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.tiles import Tiles
from arrayscene.localize.grid import to_vectors

Array = NDArray[np.floating[Any]]

SPREAD, FAR_SPREAD, FAR_SHARE = math.radians(8.0), math.radians(24.0), 0.2
"""How far the directions of one talker's tiles scatter; and those, by their share, that reflections pull further away."""

OTHERS, OTHERS_LEVEL, OTHERS_APART = 4, 0.15, math.radians(25.0)
"""Talkers that nobody named: most of them, their least votes relative to the highest, and how far apart they are."""

SAME = math.radians(15.0)
"""A peak of the votes that is as near as this to a known talker is not another one."""

OTHER_PRICE = 0.1
"""Nats a vote by which a talker that nobody named must explain the votes better."""

HEARD, HARDLY_HEARD, SILENT_PRICE = 0.1, 0.01, 0.07
"""Share of the votes from which on a known talker is heard; below it his price is `SILENT_PRICE` log(share / `HEARD`)."""

ITERATIONS = 15


class Fit(NamedTuple):
    """How well talkers in given directions explain the votes.

    Attributes:
        score: nats a vote above votes that are spread evenly, less the prices.
        shares: (talker,) of the votes.
    """

    score: float
    shares: Array


class Bearings:
    """Votes over directions as the array sees them: level arrays azimuth alone, flat and straight ones along their axes.

    Args:
        model: of the array.
        tiles: row m is microphone m.

    Cost: one scan, O(direction^2).
    """

    def __init__(self, model: FieldModel, tiles: Tiles) -> None:
        array, grid = model.array, model.grid
        axes = np.linalg.svd(array.positions - array.positions.mean(axis=0), full_matrices=False)[2]
        self.axes = axes[: array.axes_rank]
        self.azimuth_alone = array.ambiguity != "cone" and (not grid.elevation_known or array.axes_rank == 3)
        where, power = model.seek(tiles)
        weight = power.clamp_min(0).double().square() * tiles.audible.double().mean(1)
        votes = np.bincount(model.direction[where].numpy(), weight.numpy(), len(grid.azimuth)).astype(np.float64)
        if self.azimuth_alone:
            # Directions from high above hardly have an azimuth.
            votes = votes * np.cos(grid.elevation)
        self.places, self.votes = _merged(self._see(to_vectors(grid.azimuth, grid.elevation)), votes)
        self.kernels = self._kernels(self.places)
        self.peaks = self._peaks()

    def fit(self, vectors: Array) -> Fit:
        """Explain the votes by talkers towards `vectors` (talker, 3), by others at the highest peaks, and evenly spread ones.

        A mixture of densities whose shares expectation maximisation finds. A talker that is known but not heard, and one that is
        heard but not known, have their price: either may be, but it is not likely.

        Cost: O(iterations talkers direction), about 1 ms.
        """
        known = self._see(vectors)
        densities = np.vstack([self._kernels(known), np.ones(len(self.places))])
        best = self._shares(densities, len(known))
        others = [p for p in self.peaks if np.linalg.norm(known - self.places[p], axis=1).min() > SAME]
        while others:
            trials = {p: np.vstack([densities, self.kernels[p]]) for p in others}
            fits = {p: self._shares(trial, len(known)) for p, trial in trials.items()}
            chosen = max(others, key=lambda p: fits[p].score)
            better = fits[chosen]._replace(score=fits[chosen].score - OTHER_PRICE * (len(densities) - len(known)))
            if better.score <= best.score:
                break
            best, densities = better, trials[chosen]
            others.remove(chosen)
        return best

    def _shares(self, densities: Array, n_known: int) -> Fit:
        shares = np.full(len(densities), 1 / len(densities))
        for _ in range(ITERATIONS):
            parts = shares[:, None] * densities
            shares = np.maximum((parts / parts.sum(0) * self.votes).sum(1), 1e-4)
            shares /= shares.sum()
        likelihood = float(self.votes @ np.log(shares @ densities))
        silence = np.log(np.clip(shares[:n_known], HARDLY_HEARD, HEARD) / HEARD).sum()
        return Fit(likelihood + SILENT_PRICE * float(silence), shares[:n_known])

    def _peaks(self) -> list[int]:
        """Places of the highest peaks of the votes."""
        density = self.kernels @ self.votes
        least = OTHERS_LEVEL * density.max()
        found: list[int] = []
        while len(found) < OTHERS and density.max() > least:
            found.append(int(density.argmax()))
            density[np.linalg.norm(self.places - self.places[found[-1]], axis=1) < OTHERS_APART] = 0
        return found

    def _kernels(self, centres: Array) -> Array:
        """(centre, place) densities of the votes for talkers at `centres`, of mean 1."""
        distance = np.linalg.norm(centres[:, None] - self.places[None], axis=-1)
        near, far = (np.exp(-0.5 * (distance / spread) ** 2) for spread in (SPREAD, FAR_SPREAD))
        near, far = (part / np.maximum(part.mean(axis=1, keepdims=True), 1e-30) for part in (near, far))
        return np.asarray((1 - FAR_SHARE) * near + FAR_SHARE * far)

    def _see(self, vectors: Array) -> Array:
        if self.azimuth_alone:
            return np.asarray(vectors[:, :2] / np.maximum(np.linalg.norm(vectors[:, :2], axis=1, keepdims=True), 1e-9))
        return np.asarray(vectors @ self.axes.T)


def _merged(places: Array, votes: Array) -> tuple[Array, Array]:
    """Places that differ, and each one's share of the votes."""
    distinct, which = np.unique(np.round(places, 2), axis=0, return_inverse=True)
    return distinct, np.bincount(which.ravel(), votes) / max(votes.sum(), 1e-30)
