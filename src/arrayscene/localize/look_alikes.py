"""Directions that an array hears alike: mirror images, and the grating lobes of a sound that is narrow and too high."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.localize.grid import FloatArray, Grid, to_vectors
from arrayscene.response import far_field

ALIKE = 0.7
"""Share of its power that a beam towards one direction lets through of another, from which on they are hardly told apart."""

LARGEST_SHARE = 1e-3
"""Bins below this share of the strongest one are left out: they decide nothing and cost time."""

MOST_BINS = 64


def look_alikes(
    array: MicrophoneArray,
    grid: Grid,
    direction: tuple[float, float],
    frequencies: Tensor,
    power: FloatArray,
    *,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> list[int]:
    """Directions apart from the given one in which a sound of this spectrum would be heard alike.

    B(v) = sum_f P(f) |a(u)^H a(v)|^2 / (|a(u)|^2 |a(v)|^2 sum_f P(f)) is the response of a beam towards u. Its main lobe is u
    itself; every other lobe of `ALIKE` and more is a look-alike. Speech and noise are so wide that there is none: their lobes at
    different frequencies fall in different directions. A tone above the aliasing limit has several.

    Args:
        array: microphones.
        grid: directions to look at; directions of one embedding count as one.
        direction: azimuth and elevation u in radians.
        frequencies: (freq,) hertz.
        power: (freq,) spectrum of the sound.
        speed_of_sound: m/s.

    Returns: indices into the grid, one a lobe, most alike first.

    Cost: O(freq mic direction) for the bins that hold the sound, 64 at most.
    """
    loud = np.flatnonzero(power >= LARGEST_SHARE * power.max())
    loud = np.sort(loud[np.argsort(-power[loud])][:MOST_BINS])
    azimuth = torch.tensor(np.append(grid.azimuth, direction[0]))
    elevation = torch.tensor(np.append(grid.elevation, direction[1]))
    A = far_field(array, azimuth, elevation, frequencies=frequencies[loud], speed_of_sound=speed_of_sound).matrix()
    A = A / A.abs().square().sum(1, keepdim=True).sqrt()
    likeness = (A[:, :, -1:].mH @ A[:, :, :-1])[:, 0].abs().square().numpy()
    weight = power[loud] / power[loud].sum()
    alike = weight @ likeness
    nearest = int(np.argmax(to_vectors(grid.azimuth, grid.elevation) @ to_vectors(*map(np.asarray, direction))))
    left = np.flatnonzero(alike >= ALIKE).tolist()
    lobes: list[int] = []
    spacing = _spacing(grid)
    for start in (nearest, *sorted(left, key=lambda index: -alike[index])):
        lobe = _reached(grid, start, left, 2.5 * spacing)
        left = [index for index in left if index not in lobe]
        if start != nearest and lobe:
            lobes.append(start)
    return lobes


def _reached(grid: Grid, start: int, among: list[int], step: float) -> set[int]:
    """Directions that are reached from `start` over others, no step longer than `step`."""
    reached, edge, left = set(), [start], np.array(among, dtype=int)
    while edge and len(left):
        away = np.linalg.norm(grid.embedding[left] - grid.embedding[edge.pop()], axis=1)
        near = left[away <= step]
        reached |= set(near.tolist())
        edge += near.tolist()
        left = left[away > step]
    return reached


def _spacing(grid: Grid) -> float:
    """Typical distance of a direction to the nearest other, in the embedding."""
    some = grid.embedding[:: max(len(grid.embedding) // 50, 1)]
    away = np.linalg.norm(some[:, None] - grid.embedding[None], axis=-1)
    return float(np.median(np.where(away > 1e-9, away, np.inf).min(axis=1)))


def effective_bins(power: FloatArray) -> float:
    """How many bins share a sound: (sum P)^2 / sum P^2, from 1 for a tone on."""
    total = float(np.square(power).sum())
    return float(power.sum()) ** 2 / total if total > 0 else float(len(power))
