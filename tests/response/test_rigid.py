"""Rigid spheres and cylinders: their physics, their limits, and gradients where formulas are singular."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError
from arrayscene.response import PlaneWave, Response, RigidCylinder, RigidSphere, SphericalWave, far_field, unit_vectors

BODIES = [RigidSphere, RigidCylinder]
FREQUENCIES = torch.tensor([0.0, 700.0, 8000.0], dtype=torch.float64)
azimuths, elevations = st.floats(-math.pi, math.pi), st.floats(-math.pi / 2, math.pi / 2)


def around(kind: type[Response], radius: float, n: int = 7) -> torch.Tensor:
    """(mic, 3) at the same distance from the centre or the axis."""
    points = np.random.default_rng(3).standard_normal((n, 3))
    across = points if kind is RigidSphere else points[:, :2]
    scale = radius / np.linalg.norm(across, axis=1, keepdims=True)
    return torch.tensor(points * scale if kind is RigidSphere else np.hstack([across * scale, 0.05 * points[:, 2:]]))


@pytest.mark.parametrize("kind", BODIES)
def test_nothing_moves_through_the_surface(kind: type[RigidSphere]) -> None:
    """The radial slope of the pressure there, from three microphones above each other, is nothing beside the wave's own."""
    a, step = 0.05, 1e-5
    stack = torch.cat([around(kind, a + i * step) for i in range(3)])
    A = kind(stack, torch.tensor([0.3, -2.0]), torch.tensor([0.4, -1.2]), frequencies=FREQUENCIES, body_radius=a).matrix()
    first, second, third = A.split(7, dim=-2)
    slope = (-3 * first + 4 * second - third) / (2 * step)
    k = 2 * math.pi * FREQUENCIES / 343.2
    assert bool((slope.abs().amax((1, 2)) < 1e-4 * k + 1e-5).all())


@settings(deadline=None, max_examples=15)
@given(azimuths, elevations, st.sampled_from(BODIES))
def test_a_tiny_body_leaves_the_free_field(azimuth: float, elevation: float, kind: type[RigidSphere]) -> None:
    positions = around(kind, 0.05)
    found = kind(positions, azimuth, elevation, frequencies=FREQUENCIES, body_radius=1e-6)
    free = PlaneWave(positions, azimuth, elevation, frequencies=FREQUENCIES)
    torch.testing.assert_close(found.matrix(), free.matrix(), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.diffuse(), free.diffuse(), rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=15)
@given(azimuths, elevations, azimuths, st.sampled_from(BODIES))
def test_turning_array_and_source_together_changes_nothing(
    azimuth: float, elevation: float, turn: float, kind: type[RigidSphere]
) -> None:
    positions = around(kind, 0.06)
    c, s = math.cos(turn), math.sin(turn)
    turned = positions @ torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]], dtype=torch.float64)
    A = kind(positions, azimuth, elevation, frequencies=FREQUENCIES, body_radius=0.05).matrix()
    B = kind(turned, azimuth + turn, elevation, frequencies=FREQUENCIES, body_radius=0.05).matrix()
    torch.testing.assert_close(A, B, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(azimuths, st.floats(-1.5, 1.5))
def test_beyond_the_zenith_a_direction_comes_down_on_the_other_side(azimuth: float, elevation: float) -> None:
    positions = around(RigidCylinder, 0.06)
    over = RigidCylinder(positions, azimuth, math.pi - elevation, frequencies=FREQUENCIES, body_radius=0.05).matrix()
    direct = RigidCylinder(positions, azimuth + math.pi, elevation, frequencies=FREQUENCIES, body_radius=0.05).matrix()
    torch.testing.assert_close(over, direct, rtol=0, atol=1e-9)


def test_a_point_source_is_heard_as_in_free_field_round_a_tiny_sphere_and_as_a_plane_wave_from_far_away() -> None:
    positions, azimuth, elevation = (
        around(RigidSphere, 0.05),
        torch.tensor([0.5, 2.0]).double(),
        torch.tensor([0.1, -0.7]).double(),
    )
    near = RigidSphere(positions, azimuth, elevation, frequencies=FREQUENCIES, body_radius=1e-6, distance=0.08).matrix()
    free = SphericalWave(positions, 0.08 * unit_vectors(azimuth, elevation), frequencies=FREQUENCIES).matrix()
    torch.testing.assert_close(near, free, rtol=0, atol=1e-6)
    far, flat = (
        RigidSphere(positions, azimuth, elevation, frequencies=FREQUENCIES, body_radius=0.05, distance=r).matrix()
        for r in (1e4, None)
    )
    torch.testing.assert_close(far, flat, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", BODIES)
def test_at_0_hz_the_pressure_is_the_same_everywhere(kind: type[RigidSphere]) -> None:
    response = kind(around(kind, 0.06), 0.3, 0.2, frequencies=FREQUENCIES, body_radius=0.05)
    torch.testing.assert_close(response.matrix()[0], torch.ones(7, 1, dtype=torch.complex128), rtol=0, atol=1e-9)
    torch.testing.assert_close(response.diffuse()[0], torch.ones(7, 7, dtype=torch.complex128), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", BODIES)
def test_gradients_are_finite_where_formulas_are_singular(kind: type[RigidSphere]) -> None:
    """At 0 Hz, on the surface, at the zenith and in the shadow's very middle, at orders whose Hankel functions overflow."""
    positions = torch.cat([around(kind, 0.05), torch.tensor([[-0.05, 0, 0], [0.4, 0, 0]]).double()]).requires_grad_()
    azimuth = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    elevation = torch.tensor([0.0, math.pi / 2, -math.pi / 2], dtype=torch.float64, requires_grad=True)
    response = kind(positions, azimuth, elevation, frequencies=FREQUENCIES, body_radius=0.05)
    for values in (response.matrix(), response.diffuse()):
        slopes = torch.autograd.grad(values.abs().square().sum(), [positions, azimuth, elevation], allow_unused=True)
        assert all(slope is None or bool(torch.isfinite(slope).all()) for slope in slopes)


@pytest.mark.parametrize("kind", BODIES)
def test_microphones_at_one_distance_share_what_others_compute_alone(kind: type[RigidSphere]) -> None:
    """Some on the surface, some inside by rounding, some outside; with gradients every microphone is computed by itself."""
    positions = torch.cat([around(kind, 0.05 - 1e-14), around(kind, 0.07), around(kind, 0.05)])
    azimuth, elevation = torch.tensor([0.5, 2.0]).double(), torch.tensor([0.1, -0.7]).double()
    shared = kind(positions, azimuth, elevation, frequencies=FREQUENCIES, body_radius=0.05)
    alone = kind(positions.clone().requires_grad_(), azimuth, elevation, frequencies=FREQUENCIES, body_radius=0.05)
    assert len(set(shared.places)) == 2
    torch.testing.assert_close(shared.matrix(), alone.matrix().detach(), rtol=0, atol=1e-10)
    torch.testing.assert_close(shared.diffuse(), alone.diffuse().detach(), rtol=0, atol=1e-10)


def test_the_far_field_goes_round_the_body_that_the_array_has() -> None:
    array = replace(MicrophoneArray.circular(3, 0.05), body_radius=0.05)
    assert isinstance(far_field(array, 0.0, frequencies=FREQUENCIES), RigidSphere)
    assert isinstance(far_field(replace(array, body_shape="cylinder"), 0.0, frequencies=FREQUENCIES), RigidCylinder)
    assert isinstance(far_field(replace(array, body_radius=None), 0.0, frequencies=FREQUENCIES), PlaneWave)


def test_bodies_that_cannot_be_are_refused() -> None:
    positions = around(RigidSphere, 0.05)
    for kind in BODIES:
        with pytest.raises(GeometryError, match="body_radius"):
            kind(positions, 0.0, frequencies=FREQUENCIES)
        with pytest.raises(GeometryError, match="inside the body"):
            kind(positions, 0.0, frequencies=FREQUENCIES, body_radius=0.1)
    with pytest.raises(GeometryError, match=r"0\.0525 m is needed"):
        RigidSphere(positions, 0.0, frequencies=FREQUENCIES, body_radius=0.05, distance=0.05)
