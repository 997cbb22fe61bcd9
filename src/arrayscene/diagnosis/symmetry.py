"""Which microphones of an array can change places unnoticed: its isometries, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray

Order = tuple[int, ...]

TOLERANCE = 0.02
"""Share of the aperture by which distances may differ and still count as equal; recordings hardly show less."""

CLOSEST_SHARE = 0.2
"""And at most this share of the smallest distance, so that neighbours of long arrays stay apart."""

MOST = 2000
"""Isometries after which the search stops; no array in use has as many."""


def isometries(array: MicrophoneArray) -> list[Order]:
    """All ways to renumber the microphones that leave every distance, body and directivity as it was; the identity first.

    A recording alone cannot tell microphone m from microphone s[m]: a rotation or mirror image of the sources undoes the
    exchange.

    Cost: O(isometries mic^2) for usual arrays.
    """
    relations, marks = _relations(array), _marks(array)
    closest = float(np.min(relations[0] + np.diag(np.full(array.n_mics, np.inf))))
    tolerance = min(TOLERANCE * array.aperture, CLOSEST_SHARE * closest)
    same: NDArray[np.bool_] = np.all(np.abs(marks[:, :, None] - marks[:, None, :]) < tolerance, axis=0)
    found: list[Order] = []

    def extend(chosen: list[int]) -> None:
        n = len(chosen)
        if n == array.n_mics:
            found.append(tuple(chosen))
            return
        for mic in np.flatnonzero(same[n]):
            fits = mic not in chosen and (np.abs(relations[:, mic, chosen] - relations[:, n, :n]) < tolerance).all()
            if fits and len(found) < MOST:
                extend([*chosen, int(mic)])

    extend([])
    return found


def alike(order: Order, symmetries: Sequence[Order]) -> list[Order]:
    """All orders that a recording cannot tell from `order`, those that move the fewest microphones first."""
    orders = {tuple(symmetry[mic] for mic in order) for symmetry in symmetries}
    return sorted(orders, key=lambda candidate: (sum(mic != row for row, mic in enumerate(candidate)), candidate))


def simplest(order: Order, symmetries: Sequence[Order]) -> Order:
    """Of all orders that a recording cannot tell from `order`, the one that moves the fewest microphones."""
    return alike(order, symmetries)[0]


def _relations(array: MicrophoneArray) -> NDArray[np.float64]:
    """(relation, mic, mic) metres that every isometry keeps."""
    places = array.positions
    kinds = [_distances(places, places)]
    if array.body_radius is not None and array.body_shape == "cylinder":
        kinds.append(_distances(places[:, :2], places[:, :2]))
    if array.orientations is not None:
        # A point ahead of each microphone says where it looks.
        ahead = places + max(array.aperture, 1.0) * array.orientations
        kinds += [_distances(ahead, ahead), _distances(places, ahead), _distances(ahead, places)]
    return np.stack(kinds)


def _marks(array: MicrophoneArray) -> NDArray[np.float64]:
    """(mark, mic) numbers of single microphones that every isometry keeps."""
    marks = [np.zeros(array.n_mics)]
    if array.body_radius is not None:
        axes = 2 if array.body_shape == "cylinder" else 3
        marks.append(np.linalg.norm(array.positions[:, :axes], axis=1))
    if array.directivity is not None:
        marks.append(np.asarray(array.directivity))
    return np.stack(marks)


def _distances(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(first[:, None] - second[None], axis=-1))
