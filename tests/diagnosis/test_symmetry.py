"""Isometries: which numberings of an array a recording cannot tell apart."""

from dataclasses import replace

import numpy as np
import pytest
from fields import irregular

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.symmetry import alike, isometries, simplest


@pytest.mark.parametrize(
    ("array", "count"),
    [
        (MicrophoneArray.circular(6, 0.05), 12),
        (MicrophoneArray.circular(6, 0.05, center=True), 12),
        (MicrophoneArray.linear(5, 0.03), 2),
        (MicrophoneArray.rectangular(2, 3, 0.04, 0.04), 4),
        (irregular(5), 1),
        (MicrophoneArray.preset("eigenmike-em32"), 120),
        (MicrophoneArray.linear(64, 0.01), 2),
    ],
)
def test_known_groups(array: MicrophoneArray, count: int) -> None:
    found = isometries(array)
    assert len(found) == count
    assert found[0] == tuple(range(array.n_mics))
    places = array.positions
    for order in found:
        moved = places[list(order)]
        apart = np.linalg.norm(moved[:, None] - moved[None], axis=-1) - np.linalg.norm(places[:, None] - places[None], axis=-1)
        assert np.abs(apart).max() < 0.03 * array.aperture
    assert all(tuple(a[m] for m in b) in set(found) for a in found[:6] for b in found[:6])


def test_rounded_positions_count_as_what_they_are_meant_to_be() -> None:
    # Its file gives whole millimetres.
    assert len(isometries(MicrophoneArray.preset("uma-8"))) == 12


def test_directivity_and_bodies_break_symmetries() -> None:
    ring = MicrophoneArray.circular(4, 0.03)
    outward = replace(ring, directivity=0.5)
    assert len(isometries(outward)) == 8
    assert len(isometries(replace(ring, directivity=0.5, orientations=[[1, 0, 0]] * 4))) == 2
    assert len(isometries(replace(ring, directivity=(0.5, 1, 1, 1)))) == 2
    upright = MicrophoneArray(positions=np.array([[0.05, 0, 0], [0, 0.05, 0], [0.05, 0, 0.05], [0, 0.05, 0.05]]))
    assert len(isometries(upright)) == 4
    on_cylinder = replace(upright, body_radius=0.05, body_shape="cylinder")
    assert len(isometries(on_cylinder)) == 4
    tetrahedron = 0.05 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    assert len(isometries(MicrophoneArray(positions=tetrahedron))) == 24
    # Around the axis of a cylinder only turns by half and upside down are left.
    assert len(isometries(MicrophoneArray(positions=tetrahedron, body_radius=0.03, body_shape="cylinder"))) == 8


def test_the_simplest_order_moves_the_fewest() -> None:
    symmetries = isometries(MicrophoneArray.circular(6, 0.05))
    turned_and_swapped = tuple((mic + 2) % 6 for mic in (0, 1, 3, 2, 4, 5))
    assert sum(mic != row for row, mic in enumerate(simplest(turned_and_swapped, symmetries))) == 2
    assert len(alike(turned_and_swapped, symmetries)) == 12
    assert simplest(symmetries[5], symmetries) == tuple(range(6))
