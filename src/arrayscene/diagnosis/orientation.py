"""How an array is turned and whether it is mirrored, from talkers whose azimuths are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.bearings import Bearings
from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.symmetry import Order
from arrayscene.diagnosis.tiles import Tiles
from arrayscene.localize.grid import to_vectors

Array = NDArray[np.floating[Any]]

CLOSE = math.radians(10.0)
"""Smallest turn that is called one; known azimuths are not more exact."""

STEP = 4
"""Degrees between turns that are tried, before the best are looked at more closely."""

CLEAR = 0.12
"""Nats a vote by which a turn must explain the known azimuths better than the array as it stands."""

ALIKE = 0.06
"""Difference below which two turns explain them alike."""

COMPLEXITY_PRICE = 0.03
"""Nats a vote by which each complication must explain them better."""

LEAST_SHARE = 0.02
"""Share of the votes below which nothing is heard from a known azimuth."""


class Turn(NamedTuple):
    """A turn of the array about the vertical, after mirroring left and right if `mirrored`.

    Attributes:
        angle: radians counter-clockwise.
        mirrored: y -> -y before the turn.
        score: how well the known azimuths explain the votes, nats a vote.
        shares: of the votes, one for each known azimuth.
        order: the renumbering of the microphones that does the same, if there is one.
    """

    angle: float
    mirrored: bool
    score: float = 0.0
    shares: tuple[float, ...] = ()
    order: Order | None = None

    @property
    def matrix(self) -> Array:
        """(3, 3): where the array's file points, to where it points in truth."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        side = -1.0 if self.mirrored else 1.0
        return np.array([[c, -s * side, 0.0], [s, c * side, 0.0], [0.0, 0.0, 1.0]])

    @property
    def complexity(self) -> int:
        """How much must have gone wrong: a mirror, a turn, and one by any angle is less to be expected than a renumbering."""
        return int(self.mirrored) + int(abs(self.angle) >= CLOSE) + int(self.angle != 0 and self.order is None)


class Orientation(NamedTuple):
    """What known azimuths say.

    Attributes:
        agrees: whether the array as it stands explains them about as well as any turn.
        as_is: how well it does, small turns allowed.
        best: the array as it stands if that agrees, else the simplest turn that explains them about as well as any.
        others: turns that explain them as well, though not as simple.
        is_line: whether the array is one: all that can be told of it is which end is which.
    """

    agrees: bool
    as_is: Turn
    best: Turn
    others: tuple[Turn, ...]
    is_line: bool

    @property
    def unheard(self) -> tuple[int, ...]:
        """Numbers, from 0, of the known azimuths from which nothing is heard even so."""
        return tuple(n for n, share in enumerate(self.best.shares) if share < LEAST_SHARE)

    @property
    def explained(self) -> bool:
        """Whether sound is heard from most of the known azimuths."""
        return 2 * len(self.unheard) < len(self.best.shares)


def find_orientation(
    model: FieldModel, tiles: Tiles, azimuths: Sequence[float], symmetries: Sequence[Order]
) -> Orientation | None:
    """Compare the directions of the tiles with known azimuths; None where the array cannot tell azimuths at all.

    Every turn is judged by how well talkers at the azimuths turned back explain the directions of the tiles, see `Bearings`. The
    array as it stands is believed unless another turn is clearly better; then simple ones come first: a mirror alone, and what a
    renumbering does.

    Args:
        model: of the array, its order and delays already right.
        tiles: row m is microphone m.
        azimuths: (K,) radians of talkers; there may be others.
        symmetries: of the array.

    Cost: one scan, some hundred fits of 1 ms.
    """
    array = model.array
    if not model.grid.azimuth_known or array.ambiguity == "all":
        return None
    bearings = Bearings(model, tiles)
    vectors = to_vectors(np.asarray(azimuths, dtype=float), np.zeros(len(azimuths)))

    def judged(turn: Turn) -> Turn:
        score, shares = bearings.fit(vectors @ turn.matrix)
        return turn._replace(score=score, shares=tuple(shares.tolist()))

    def around(turn: Turn, reach: int, step: int) -> Turn:
        near = [turn._replace(angle=turn.angle + math.radians(a)) for a in range(-reach, reach + 1, step) if a]
        return max([turn, *map(judged, near)], key=lambda trial: trial.score)

    as_is = around(judged(Turn(0.0, False)), round(math.degrees(CLOSE)) - 2, STEP)
    is_line = array.ambiguity == "cone"
    if is_line:
        # A line knows one angle: it can be reversed, more than that cannot be told.
        along = bearings.axes[0]
        reflection = math.remainder(2 * math.atan2(along[1], along[0]) + math.pi, math.tau)
        turns = [judged(Turn(reflection, True, order=symmetries[1] if len(symmetries) == 2 else None))]
    else:
        free = [judged(Turn(math.radians(a), m)) for m in (False, True) for a in range(-180, 180, STEP)]
        sides = [[turn for turn in free if turn.mirrored == mirrored] for mirrored in (False, True)]
        promising = max(turn.score for turn in free) - 2 * CLEAR
        peaks = [peak for side in sides for peak in _peaks(side) if peak.score >= promising]
        whole = [Turn(0.0, True), *renumberings(array, symmetries)]
        turns = [*map(judged, whole), *(around(peak, STEP - 1, 1) for peak in peaks)]
    highest = max(turn.score for turn in (as_is, *turns))
    agrees = as_is.score >= highest - CLEAR
    least, nearest = (highest - CLEAR, 2 * CLOSE) if agrees else (highest - ALIKE, CLOSE)
    good = [turn for turn in turns if turn.score >= least and (turn.mirrored or abs(turn.angle) >= nearest)]
    ranked = sorted(good, key=lambda turn: (round(turn.complexity * COMPLEXITY_PRICE - turn.score, 3), turn.order is None))
    distinct = [turn for k, turn in enumerate(ranked) if not any(_same(turn, other) for other in ranked[:k])]
    if agrees or not distinct:
        return Orientation(True, as_is, as_is, tuple(distinct), is_line)
    return Orientation(False, as_is, distinct[0], tuple(distinct[1:]), is_line)


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


def _peaks(side: Sequence[Turn]) -> list[Turn]:
    """Turns, evenly spread all round, that are better than their neighbours."""
    scores = np.array([turn.score for turn in side])
    is_peak = (scores >= np.roll(scores, 1)) & (scores > np.roll(scores, -1))
    return [turn for turn, peak in zip(side, is_peak, strict=True) if peak]


def _same(first: Turn, second: Turn) -> bool:
    return first.mirrored == second.mirrored and abs(math.remainder(first.angle - second.angle, math.tau)) < CLOSE
