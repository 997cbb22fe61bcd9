"""Arrays of known layouts: each has the geometry that its docstring states."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import eval_legendre

from arrayscene.array import MicrophoneArray
from arrayscene.array_points import DESIGNS
from arrayscene.errors import GeometryError


def harmonic_means(directions: np.ndarray, degree: int) -> np.ndarray:
    """Power of the mean of the spherical harmonics of degree 1 ... `degree`, by the addition theorem."""
    cosines = np.clip(directions @ directions.T, -1, 1)
    return np.array([abs(eval_legendre(order, cosines).mean()) for order in range(1, degree + 1)])


class TestGenerators:
    @given(n=st.integers(1, 40), radius=st.floats(0.005, 0.4), start=st.floats(-math.pi, math.pi), center=st.booleans())
    def test_circular_is_an_even_ring_counter_clockwise(self, n: int, radius: float, start: float, center: bool) -> None:
        array = MicrophoneArray.circular(n, radius, start_angle=start, center=center)
        ring = array.positions[:n, 0] + 1j * array.positions[:n, 1]
        assert array.n_mics == n + center
        np.testing.assert_allclose(abs(ring), radius)
        np.testing.assert_allclose(ring[0], radius * np.exp(1j * start), atol=1e-12)
        np.testing.assert_allclose(ring[1:] / ring[:-1], np.exp(2j * np.pi / n), atol=1e-9)
        assert not array.positions[:, 2].any()
        if center:
            assert array.positions[-1].tolist() == [0, 0, 0]

    @given(n=st.integers(1, 40), spacing=st.floats(0.005, 0.5), axis=st.sampled_from("xyz"))
    def test_linear_is_centred_and_grows_along_its_axis(self, n: int, spacing: float, axis: str) -> None:
        positions = MicrophoneArray.linear(n, spacing, axis=axis).positions
        along = positions[:, "xyz".index(axis)]
        np.testing.assert_allclose(positions.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(np.diff(along), spacing)
        assert np.count_nonzero(np.ptp(positions, axis=0)) == (1 if n > 1 else 0)

    def test_linear_lies_along_y_so_that_the_front_is_broadside(self) -> None:
        assert MicrophoneArray.linear(3, 0.05).positions.tolist() == [[0, -0.05, 0], [0, 0, 0], [0, 0.05, 0]]

    def test_rectangular_runs_fastest_along_y(self) -> None:
        assert MicrophoneArray.rectangular(2, 2, 0.2, 0.1).positions.tolist() == [
            [-0.1, -0.05, 0], [-0.1, 0.05, 0], [0.1, -0.05, 0], [0.1, 0.05, 0],
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: MicrophoneArray.circular(0, 0.1), "n = 0"),
            (lambda: MicrophoneArray.circular(2.5, 0.1), "n = 2.5"),
            (lambda: MicrophoneArray.circular(4, -0.1), "radius = -0.1"),
            (lambda: MicrophoneArray.linear(4, math.nan), "spacing = nan"),
            (lambda: MicrophoneArray.linear(4, 0.1, axis="w"), "axis 'w'"),
            (lambda: MicrophoneArray.rectangular(2, 2, 0.1, 0), "dy = 0"),
        ],
    )
    def test_impossible_sizes_are_refused_with_their_value(self, make, message: str) -> None:
        with pytest.raises(GeometryError, match=re.escape(message)):
            make()


class TestSpiral:
    @given(n=st.integers(1, 80), radius=st.floats(0.02, 0.6))
    def test_each_turns_on_by_the_golden_angle_and_covers_the_same_area(self, n: int, radius: float) -> None:
        array = MicrophoneArray.spiral(n, radius)
        place = array.positions[:, 0] + 1j * array.positions[:, 1]
        np.testing.assert_allclose(abs(place) ** 2, radius**2 * np.arange(1, n + 1) / n)
        np.testing.assert_allclose(np.exp(1j * np.diff(np.angle(place))), np.exp(1j * math.pi * (1 + math.sqrt(5))), atol=1e-9)
        assert not array.positions[:, 2].any()

    def test_turned_to_the_front_it_stands_upright(self) -> None:
        np.testing.assert_allclose(MicrophoneArray.spiral(9, 0.2).rotated(pitch=math.pi / 2).positions[:, 0], 0, atol=1e-12)


class TestSpherical:
    @pytest.mark.parametrize("n", DESIGNS)
    def test_a_design_has_the_stated_degree_and_no_more(self, n: int) -> None:
        array = MicrophoneArray.spherical(n, 0.1)
        assert array.source.endswith(f"t-design of degree {DESIGNS[n]})")
        assert array.n_mics == n
        np.testing.assert_allclose(np.linalg.norm(array.positions, axis=1), 0.1)
        means = harmonic_means(array.positions / 0.1, DESIGNS[n] + 1)
        assert means[:-1].max() < 1e-14
        assert means[-1] > 1e-4

    @given(n=st.integers(1, 120), radius=st.floats(0.02, 0.5))
    def test_fibonacci_is_on_the_sphere_and_nearly_even(self, n: int, radius: float) -> None:
        array = MicrophoneArray.spherical(n, radius, layout="fibonacci")
        np.testing.assert_allclose(np.linalg.norm(array.positions, axis=1), radius)
        assert "Fibonacci" in array.source
        if n > 1:
            apart = np.linalg.norm(array.positions[:, None] - array.positions, axis=2) + 9 * np.eye(n)
            # A square share of the sphere has sides of sqrt(4 pi / n) radii.
            assert apart.min() > 0.7 * radius * math.sqrt(4 * math.pi / n) or n < 4

    def test_rigid_makes_it_a_body(self) -> None:
        assert MicrophoneArray.spherical(12, 0.042).body_radius is None
        array = MicrophoneArray.spherical(12, 0.042, rigid=True)
        assert (array.body_radius, array.body_shape) == (0.042, "sphere")


class TestCylinder:
    def test_rings_from_the_lowest_up(self) -> None:
        array = MicrophoneArray.cylinder(3, 4, 0.1, 0.2, rigid=True)
        assert array.positions[:, 2].round(9).tolist() == [-0.1] * 4 + [0.0] * 4 + [0.1] * 4
        np.testing.assert_allclose(array.positions[4:8], MicrophoneArray.circular(4, 0.1).positions)
        assert (array.body_radius, array.body_shape) == (0.1, "cylinder")

    def test_staggered_rings_stand_in_the_gaps(self) -> None:
        positions = MicrophoneArray.cylinder(2, 3, 0.1, 0.1, staggered=True).positions
        azimuths = np.sort(np.arctan2(positions[:, 1], positions[:, 0]))
        np.testing.assert_allclose(np.diff(azimuths), math.pi / 3)

    def test_one_ring_is_a_ring(self) -> None:
        array = MicrophoneArray.cylinder(1, 6, 0.1, 0.3)
        np.testing.assert_allclose(array.positions, MicrophoneArray.circular(6, 0.1).positions)


class TestRandom:
    @given(n=st.integers(1, 20), seed=st.integers(0, 2**32), sides=st.tuples(*[st.floats(0.3, 1.0)] * 3))
    def test_in_the_box_and_apart(self, n: int, seed: int, sides: tuple[float, float, float]) -> None:
        array = MicrophoneArray.random(n, sides, seed=seed, min_distance=0.05)
        assert (abs(array.positions) <= np.array(sides) / 2).all()
        apart = np.linalg.norm(array.positions[:, None] - array.positions, axis=2) + 9 * np.eye(n)
        assert apart.min() >= 0.05
        again = MicrophoneArray.random(n, sides, seed=np.random.default_rng(seed), min_distance=0.05)
        np.testing.assert_array_equal(array.positions, again.positions)

    def test_a_side_of_zero_makes_it_flat(self) -> None:
        assert not MicrophoneArray.random(8, (0.2, 0.2, 0), seed=1).positions[:, 2].any()

    def test_a_box_without_room_is_refused(self) -> None:
        with pytest.raises(GeometryError, match=r"no room for one more at least 0\.1 m"):
            MicrophoneArray.random(100, 0.2, seed=0, min_distance=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MicrophoneArray.spiral(0, 0.1), "spiral: n = 0"),
        (lambda: MicrophoneArray.spherical(8, 0), "spherical: radius = 0"),
        (lambda: MicrophoneArray.spherical(32, 0.1, layout="t-design"), "take 4, 6, 8, 12, 20, 24, 36, 48, 60, 84, or"),
        (lambda: MicrophoneArray.spherical(32, 0.1, layout="geodesic"), "layout 'geodesic'"),
        (lambda: MicrophoneArray.cylinder(2, 4, 0.1, math.inf), "height = inf"),
        (lambda: MicrophoneArray.random(4, (0.1, 0.1), seed=0), "size = (0.1, 0.1)"),
        (lambda: MicrophoneArray.random(4, -1, seed=0), "size = -1"),
    ],
)
def test_impossible_layouts_are_refused_with_their_value(make, message: str) -> None:
    with pytest.raises(GeometryError, match=re.escape(message)):
        make()
