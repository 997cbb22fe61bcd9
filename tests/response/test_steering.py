"""Free-field responses: what directional microphones and air change, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError
from arrayscene.response import Air, Directivity, PlaneWave, RigidSphere, SphericalWave, far_field

FREQUENCIES = torch.tensor([0.0, 1000.0, 4000.0], dtype=torch.float64)
RING = MicrophoneArray.circular(4, 0.05)


@pytest.mark.parametrize(
    ("p", "front", "side", "back"), [(1.0, 1, 1, 1), (0.5, 1, 0.5, 0), (0.0, 1, 0, -1), (0.25, 1, 0.25, -0.5)]
)
def test_microphones_hear_by_direction(p: float, front: float, side: float, back: float) -> None:
    """Omni, cardioid, figure of eight and hypercardioid that look to the front; the ring's first is at azimuth 0."""
    array = replace(RING, directivity=p, orientations=np.tile([2.0, 0.0, 0.0], (4, 1)))
    azimuth = torch.tensor([0.0, math.pi / 2, math.pi], dtype=torch.float64)
    free = PlaneWave(RING, azimuth, frequencies=FREQUENCIES).matrix()
    gain = torch.tensor([front, side, back], dtype=torch.float64)
    for response in (PlaneWave(array, azimuth, frequencies=FREQUENCIES), far_field(array, azimuth, frequencies=FREQUENCIES)):
        torch.testing.assert_close(response.matrix(), free * gain, rtol=0, atol=1e-12)


def test_a_near_source_is_heard_in_the_direction_from_each_microphone() -> None:
    """Half way between two microphones that look at it, a source is in front of both."""
    positions = torch.tensor([[-0.5, 0, 0], [0.5, 0, 0]], dtype=torch.float64)
    cardioids = Directivity(torch.tensor([0.5, 0.5]), torch.tensor([[1.0, 0, 0], [1, 0, 0]]))
    place = torch.tensor([[0.0, 0.01, 0.0]], dtype=torch.float64)
    strength = SphericalWave(positions, place, frequencies=FREQUENCIES, directivity=cardioids).matrix().abs()
    assert float(strength[0, 0, 0]) == pytest.approx(0.01 / 0.5, rel=1e-3)
    assert float(strength[0, 1, 0]) < 1e-5


def test_the_array_s_own_directivity_may_be_replaced() -> None:
    array = replace(RING, directivity=0.5)
    omni = Directivity(torch.ones(4), torch.tensor(RING.positions))
    A = PlaneWave(array, 0.3, frequencies=FREQUENCIES, directivity=omni).matrix()
    torch.testing.assert_close(A, PlaneWave(RING, 0.3, frequencies=FREQUENCIES).matrix())


def test_a_cardioid_hears_a_third_of_diffuse_sound_and_a_figure_of_eight_as_much() -> None:
    for p, power in ((1.0, 1.0), (0.5, 1 / 3), (0.0, 1 / 3), (0.25, 0.25)):
        gamma = PlaneWave(replace(RING, directivity=p), 0.0, frequencies=FREQUENCIES).diffuse()
        torch.testing.assert_close(gamma.diagonal(dim1=-2, dim2=-1).real, torch.full((3, 4), power, dtype=torch.float64))


def test_the_diffuse_field_is_differentiable_where_microphones_coincide() -> None:
    positions = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    gamma = PlaneWave(positions, 0.0, frequencies=FREQUENCIES).diffuse()
    (slope,) = torch.autograd.grad(gamma.real.sum(), positions)
    assert not bool(slope.any())


def test_air_takes_high_frequencies_from_the_farther_microphone() -> None:
    positions = torch.tensor([[0.0, 0, 0], [10.0, 0, 0]], dtype=torch.float64)
    place = torch.tensor([[20.0, 0, 0]], dtype=torch.float64)
    dry, damped = (SphericalWave(positions, place, frequencies=FREQUENCIES, air=air).matrix() for air in (None, Air(20, 0.15)))
    ratio = (damped / dry).abs()[..., 0]
    torch.testing.assert_close(ratio[:, 0], torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(ratio[:, 1], torch.exp(10 * Air(20, 0.15).attenuation(FREQUENCIES)))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(GeometryError, match="outside of 0 to 1"):
        Directivity(torch.tensor([1.5]), torch.ones(1, 3))
    with pytest.raises(GeometryError, match="without direction"):
        Directivity(torch.tensor([0.5]), torch.zeros(1, 3))
    with pytest.raises(GeometryError, match=r"\(\.\.\., mic, 3\)"):
        Directivity(torch.tensor([0.5, 0.5]), torch.ones(1, 3))
    with pytest.raises(GeometryError, match="3 directivities came for 4 microphones"):
        PlaneWave(RING, 0.0, frequencies=FREQUENCIES, directivity=Directivity(torch.ones(3), torch.ones(3, 3)))
    with pytest.raises(GeometryError, match="directional microphones"):
        RigidSphere(replace(RING, directivity=0.5, body_radius=0.04), 0.0, frequencies=FREQUENCIES)
    with pytest.raises(GeometryError, match="leading axes"):
        PlaneWave(torch.rand(2, 4, 3), torch.rand(3, 5), frequencies=FREQUENCIES)
    with pytest.raises(GeometryError, match="move it away"):
        SphericalWave(torch.rand(2, 4, 3), torch.zeros(1, 3), frequencies=FREQUENCIES)
