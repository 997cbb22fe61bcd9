"""Wavefronts: what near and far sources and a body in the way must have in common."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response import PlaneWave, RigidSphere, SphericalWave, unit_vectors

FREQUENCIES = torch.linspace(0, 8000, 9, dtype=torch.float64)
azimuths = st.floats(-np.pi, np.pi)
elevations = st.floats(-np.pi / 2, np.pi / 2)
seeds = st.integers(0, 2**32 - 1)


def microphones(seed: int, n: int = 4) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).uniform(-0.1, 0.1, (n, 3)))


@settings(deadline=None)
@given(seeds, azimuths, elevations)
def test_a_far_point_source_is_a_plane_wave(seed: int, azimuth: float, elevation: float) -> None:
    positions = microphones(seed)
    direction = unit_vectors(torch.tensor([azimuth], dtype=torch.float64), torch.tensor([elevation], dtype=torch.float64))
    flat = PlaneWave(positions, azimuth, elevation, frequencies=FREQUENCIES).matrix()
    near, far = (
        (SphericalWave(positions, r * direction, frequencies=FREQUENCIES).matrix() - flat).abs().max() for r in (100.0, 1000.0)
    )
    # The wavefront's sagitta over 0.17 m is 0.15 mm at 100 m, 2 pi f / c times that in phase; it falls as 1 / r.
    assert near < 0.03
    assert far < 0.11 * near + 1e-9


@settings(deadline=None)
@given(seeds, azimuths, elevations)
def test_a_microphone_nearer_to_the_source_hears_it_earlier_and_louder(seed: int, azimuth: float, elevation: float) -> None:
    positions = microphones(seed)
    place = 0.5 * unit_vectors(torch.tensor([azimuth], dtype=torch.float64), torch.tensor([elevation], dtype=torch.float64))
    frequency = torch.tensor([100.0], dtype=torch.float64)
    A = SphericalWave(positions, place, frequencies=frequency).matrix()[0, :, 0]
    distance = (positions - place).norm(dim=-1)
    delay = -A.angle() / (2 * np.pi * 100)
    torch.testing.assert_close(delay * SPEED_OF_SOUND, distance - 0.5, rtol=0, atol=1e-9)
    torch.testing.assert_close(A.abs(), 0.5 / distance, rtol=1e-9, atol=0)


def test_a_body_lengthens_the_way_by_half_at_low_frequencies_and_shades_the_far_side_at_high_ones() -> None:
    array = replace(MicrophoneArray.circular(8, 0.05), body_radius=0.05)
    low, high = torch.tensor([50.0, 5000.0], dtype=torch.float64)
    A = RigidSphere(array, 0.0, frequencies=torch.stack([low, high])).matrix()[..., 0]
    lead = (A[0, 0] / A[0, 4]).angle() / (2 * np.pi * low)
    assert float(lead) == pytest.approx(1.5 * 0.1 / SPEED_OF_SOUND, rel=0.01)
    # Straight behind, the waves that creep round all sides meet again: the shade is darkest beside that.
    front, beside, behind = A[1, [0, 3, 4]].abs()
    assert 1.7 < float(front) <= 2.0
    assert float(beside) < 0.8 < float(behind)


@pytest.mark.parametrize(
    ("azimuth", "elevation"),
    [(float("nan"), 0.0), (0.0, float("inf")), (torch.zeros(2), torch.zeros(3)), (torch.zeros(2, 4), torch.zeros(3))],
)
def test_directions_that_are_none_are_refused(azimuth: float | torch.Tensor, elevation: float | torch.Tensor) -> None:
    with pytest.raises(GeometryError):
        PlaneWave(MicrophoneArray.circular(3, 0.05), azimuth, elevation, frequencies=FREQUENCIES)


def test_places_that_cannot_be_are_refused() -> None:
    array = MicrophoneArray.circular(3, 0.05)
    with pytest.raises(GeometryError, match="move it away"):
        SphericalWave(array, torch.tensor(array.positions[:1]), frequencies=FREQUENCIES)
    with pytest.raises(GeometryError, match=r"source, 3\)"):
        SphericalWave(array, torch.ones(3), frequencies=FREQUENCIES)
