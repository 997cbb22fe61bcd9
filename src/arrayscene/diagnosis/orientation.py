"""How an array is turned and whether it is mirrored, from talkers whose azimuths are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.symmetry import Order
from arrayscene.diagnosis.tiles import Tiles
from arrayscene.localize.grid import to_vectors

Array = NDArray[np.floating[Any]]

KERNEL = math.radians(7.0)
"""How far the directions of one talker's tiles scatter."""

SUPPORTED = 0.25
"""Share of the highest peak that the tiles must show in a known direction."""

MISSING = 0.03
"""What a known direction counts at least: one talker of several may hardly have spoken."""

CLOSE = math.radians(10.0)
"""Smallest turn that is called one; known azimuths are not more exact."""

ALIKE = 0.35
"""Difference in mean log votes below which two turns explain the known azimuths alike."""


COMPLEXITY_PRICE = 0.1
"""Mean log votes by which each complication must explain the known azimuths better."""


class Turn(NamedTuple):
    """A turn of the array about the vertical, after mirroring left and right if `mirrored`.

    Attributes:
        angle: radians counter-clockwise.
        mirrored: y -> -y before the turn.
        score: mean log share of the highest peak in the known directions; 0 is perfect.
        order: the renumbering of the microphones that does the same, if there is one.
    """

    angle: float
    mirrored: bool
    score: float = 0.0
    order: Order | None = None

    @property
    def matrix(self) -> Array:
        """(3, 3): where the array's file points, to where it points in truth."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        side = -1.0 if self.mirrored else 1.0
        return np.array([[c, -s * side, 0.0], [s, c * side, 0.0], [0.0, 0.0, 1.0]])

    @property
    def complexity(self) -> int:
        """How much must have gone wrong: a mirror, a turn, and not even a renumbering that does it."""
        return int(self.mirrored) + int(abs(self.angle) >= CLOSE) + int(self.order is None)

    @property
    def is_none(self) -> bool:
        """Whether it leaves the array as it is, within what known azimuths can tell."""
        return not self.mirrored and abs(self.angle) < CLOSE


class Orientation(NamedTuple):
    """What known azimuths say.

    Attributes:
        as_is: how well the array as it stands explains them.
        best: the simplest turn that explains them about as well as any.
        others: turns that explain them as well, though not as simple.
    """

    as_is: Turn
    best: Turn
    others: tuple[Turn, ...]

    @property
    def agrees(self) -> bool:
        """Whether the array as it stands explains them."""
        return self.as_is.score >= math.log(SUPPORTED)

    @property
    def explained(self) -> bool:
        """Whether any turn does."""
        return self.best.score >= math.log(SUPPORTED)


def find_orientation(
    model: FieldModel, tiles: Tiles, azimuths: Sequence[float], symmetries: Sequence[Order]
) -> Orientation | None:
    """Compare the directions of the tiles with known azimuths; None where the array cannot tell azimuths at all.

    S(turn) = (1 / K) sum_k log(V(u_k turned back) / max V), V the tiles' votes smoothed over directions as the array sees them.
    Of turns that are alike, none at all comes first, then simple ones: a mirror or a turn alone, and what a renumbering does.

    Args:
        model: of the array, its order and delays already right.
        tiles: row m is microphone m.
        azimuths: (K,) radians of talkers; there may be others.
        symmetries: of the array.

    Cost: one scan, O(turns K direction).
    """
    array = model.array
    if not model.grid.azimuth_known or array.ambiguity == "all":
        return None
    where, power = model.seek(tiles)
    n = len(model.grid.azimuth)
    weight = power.clamp_min(0).double().square() * tiles.audible.double().mean(1)
    votes = np.bincount(model.direction[where].numpy(), weights=weight.numpy(), minlength=n).astype(np.float64)
    seen = _Seen(model, votes)
    vectors = to_vectors(np.asarray(azimuths, dtype=float), np.zeros(len(azimuths)))

    def judged(turn: Turn) -> Turn:
        return turn._replace(score=seen.support(vectors @ turn.matrix))

    as_is = judged(Turn(0.0, False))
    if array.ambiguity == "cone":
        # A line knows one angle: it can be reversed, more than that cannot be told.
        along = seen.axes[0]
        reflection = math.remainder(2 * math.atan2(along[1], along[0]) + math.pi, math.tau)
        turns = [as_is, judged(Turn(reflection, True, order=symmetries[1] if len(symmetries) == 2 else None))]
        ranked = turns if as_is.score >= turns[1].score - ALIKE else turns[::-1]
        return Orientation(as_is, ranked[0], tuple(turn for turn in ranked[1:] if turn.score >= ranked[0].score - ALIKE))
    free = [judged(Turn(math.radians(a), m)) for m in (False, True) for a in range(-179, 181)]
    renumbered = [judged(turn) for turn in renumberings(array, symmetries)]
    highest = max(turn.score for turn in (*free, *renumbered))
    peaks = [max((t for t in free if t.mirrored == m), key=lambda t: t.score) for m in (False, True)]
    good = [turn for turn in (as_is, *renumbered, *peaks) if turn.score >= highest - ALIKE]
    ranked = sorted(good, key=lambda turn: (not turn.is_none, turn.complexity * COMPLEXITY_PRICE - turn.score))
    distinct = [turn for k, turn in enumerate(ranked) if not any(_same(turn, other) for other in ranked[:k])]
    return Orientation(as_is, distinct[0], tuple(distinct[1:]))


def renumberings(array: MicrophoneArray, symmetries: Sequence[Order]) -> list[Turn]:
    """The turns about the vertical that a renumbering of the microphones does as well."""
    places = array.positions - array.positions.mean(axis=0)
    found: list[Turn] = []
    for order in symmetries[1:]:
        moved = places[list(order)]
        cross = moved[:, :2].T @ places[:, :2]
        for mirrored in (False, True):
            side = np.array([1.0, -1.0 if mirrored else 1.0])
            flipped = cross * side
            angle = math.atan2(flipped[1, 0] - flipped[0, 1], flipped[0, 0] + flipped[1, 1])
            turn = Turn(angle, mirrored, order=order)
            fits = np.abs(places @ turn.matrix.T - moved).max() < 0.03 * array.aperture
            if fits and not any(_same(turn, other) for other in found):
                found.append(turn)
    return found


def _same(first: Turn, second: Turn) -> bool:
    return first.mirrored == second.mirrored and abs(math.remainder(first.angle - second.angle, math.tau)) < CLOSE


class _Seen:
    """Votes over directions as the array sees them: along its axes only, level arrays azimuth alone."""

    def __init__(self, model: FieldModel, votes: Array) -> None:
        array, grid = model.array, model.grid
        axes = np.linalg.svd(array.positions - array.positions.mean(axis=0), full_matrices=False)[2]
        self.level = not grid.elevation_known and array.ambiguity != "cone"
        self.axes = axes[: array.axes_rank]
        self.places = self._see(to_vectors(grid.azimuth, grid.elevation))
        distance = np.linalg.norm(self.places[:, None] - self.places[None], axis=-1)
        kernel = np.exp(-0.5 * (distance / KERNEL) ** 2)
        self.votes = kernel @ votes / kernel.sum(axis=1)

    def support(self, vectors: Array) -> float:
        """Mean log share of the highest peak near `vectors` (K, 3)."""
        distance = np.linalg.norm(self._see(vectors)[:, None] - self.places[None], axis=-1)
        near = self.votes[distance.argmin(axis=1)] / max(self.votes.max(), 1e-30)
        return float(np.log(np.maximum(near, MISSING)).mean())

    def _see(self, vectors: Array) -> Array:
        if self.level:
            return np.asarray(vectors[:, :2] / np.maximum(np.linalg.norm(vectors[:, :2], axis=1, keepdims=True), 1e-9))
        return np.asarray(vectors @ self.axes.T)
