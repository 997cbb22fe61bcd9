"""Where people stand when nobody says: around the array, apart from each other, inside the walls."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from arrayscene.errors import GeometryError, ShapeError
from arrayscene.simulate.room import Talker

WALL_MARGIN = 0.3
"""Metres between a talker and the nearest wall."""


def random_talkers(
    signals: Sequence[ArrayLike],
    *,
    room_size: Sequence[float],
    array_center: Sequence[float],
    seed: int | np.random.Generator = 0,
    separation: float = math.radians(40.0),
    distances: tuple[float, float] = (1.0, 1.8),
    level_db: float = -26.0,
) -> list[Talker]:
    """Place one talker for each signal, all equally loud at the array.

    Args:
        signals: one (sample,) signal each.
        room_size: (3,) metres, as in `simulate_scene`.
        array_center: (3,) metres, as in `simulate_scene`.
        seed: a number or a numpy Generator.
        separation: smallest azimuth difference between two talkers, radians; less where so many do not fit.
        distances: shortest and longest distance from the array in metres; walls bring talkers nearer.
        level_db: as in `Talker`.

    Raises:
        GeometryError: the array stands too near a wall for a talker to fit between.
        ShapeError: no signal.

    Cost: negligible.
    """
    generator = np.random.default_rng(seed)
    n_talkers = len(signals)
    if n_talkers == 0:
        raise ShapeError("no signal came; give one for each talker")
    # Random gaps that sum to the full turn, each at least `gap`: no rejection, so it ends for any number of talkers.
    gap = min(separation, 0.8 * 2 * math.pi / n_talkers)
    extra = generator.dirichlet(np.ones(n_talkers)) * (2 * math.pi - n_talkers * gap)
    azimuths = generator.uniform(-math.pi, math.pi) + np.cumsum(gap + extra)
    talkers = []
    for signal, turn in zip(signals, azimuths, strict=True):
        azimuth = math.remainder(turn, 2 * math.pi)
        elevation = generator.uniform(math.radians(-5.0), math.radians(15.0))
        wanted = generator.uniform(*distances)
        distance = min(wanted, _room_to_wall(azimuth, elevation, room_size, array_center))
        if distance < 0.5 * distances[0]:
            raise GeometryError(
                f"only {distance:.2f} m between the array and the wall at azimuth {math.degrees(azimuth):.0f} degrees; "
                f"a talker needs {0.5 * distances[0]:.2f} m and {WALL_MARGIN} m behind; enlarge the room or move the array"
            )
        talkers.append(Talker(signal, azimuth, elevation, distance, level_db))
    return talkers


def _room_to_wall(azimuth: float, elevation: float, room_size: Sequence[float], array_center: Sequence[float]) -> float:
    """Metres from the array to the margin in front of the wall in this direction."""
    offset = Talker((), azimuth, elevation, 1.0).offset
    reach = math.inf
    for step, here, side in zip(offset, array_center, room_size, strict=True):
        free = side - WALL_MARGIN - here if step > 0 else here - WALL_MARGIN
        if abs(step) > 1e-9:
            reach = min(reach, free / abs(step))
    return max(0.0, reach)
