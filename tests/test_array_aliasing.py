"""The aliasing limit of each direction, against formulas and against slow searches."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import GeometryWarning, MicrophoneArray
from arrayscene.array_aliasing import LOBE
from arrayscene.array_placing import rotation
from arrayscene.array_points import fibonacci_sphere
from arrayscene.errors import GeometryError

C = 343.0
AROUND = np.deg2rad(np.arange(0.0, 360.0, 15.0))


def limits(array: MicrophoneArray, azimuth=AROUND, elevation=0.0, **options) -> np.ndarray:
    return array.aliasing_limits(azimuth, elevation, speed_of_sound=C, **options)


def unit(azimuth, elevation=0.0) -> np.ndarray:
    azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    return np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1)


def likeness(array: MicrophoneArray, hertz: float, one: np.ndarray, others: np.ndarray) -> np.ndarray:
    leads = (others - one).reshape(-1, 3) @ array.positions.T
    return abs(np.exp(2j * np.pi * hertz / C * leads).mean(axis=-1)).reshape(others.shape[:-1])


class TestEvenLines:
    @given(
        n=st.integers(2, 24), spacing=st.floats(0.02, 0.3), azimuth=st.floats(-math.pi, math.pi), elevation=st.floats(-1.5, 1.5)
    )
    @settings(deadline=None)
    def test_the_grating_lobe_formula(self, n: int, spacing: float, azimuth: float, elevation: float) -> None:
        found = limits(MicrophoneArray.linear(n, spacing), azimuth, elevation, highest=1e5)
        along = abs(math.sin(azimuth) * math.cos(elevation))
        np.testing.assert_allclose(found, [C / (spacing * (1 + along))], rtol=1e-9)

    def test_the_worst_direction_is_the_nyquist_limit(self) -> None:
        array = MicrophoneArray.linear(8, 0.05, axis="x")
        assert limits(array, 0.0)[0] == pytest.approx(array.aliasing_hz(C))

    def test_none_that_can_be_heard_is_infinite(self) -> None:
        array = MicrophoneArray.linear(4, 0.01)
        assert limits(array, [0.0, math.pi / 2]).tolist() == [math.inf, pytest.approx(C / 0.02)]
        assert limits(array, math.pi / 2, highest=17_000.0).tolist() == [math.inf]


class TestFlatArrays:
    def test_the_sides_of_a_square_act_as_lines(self) -> None:
        square = MicrophoneArray.rectangular(2, 2, 0.05, 0.05)
        np.testing.assert_allclose(limits(square, [0.0, math.pi / 2]), C / 0.1)
        # On the diagonal the nearest lobe is still that of a side, out of line by 45 degrees.
        lobe = 2 * np.pi / 0.05
        along = lobe / math.sqrt(2)
        np.testing.assert_allclose(limits(square, math.pi / 4), C / (2 * np.pi) * lobe**2 / (2 * along))

    def test_a_turn_of_a_ring_by_one_microphone_changes_nothing(self) -> None:
        ring = MicrophoneArray.circular(5, 0.06)
        step = 2 * math.pi / 5
        np.testing.assert_allclose(limits(ring, AROUND), limits(ring, AROUND + step), rtol=1e-6)

    @given(yaw=st.floats(-3, 3), pitch=st.floats(-1.5, 1.5), scale=st.floats(0.5, 2.0))
    @settings(max_examples=10, deadline=None)
    def test_turned_with_the_array_and_scaled_by_its_size(self, yaw: float, pitch: float, scale: float) -> None:
        array = MicrophoneArray.spiral(6, 0.08)
        turned = MicrophoneArray.from_positions(scale * array.positions).rotated(yaw, pitch)
        seen = unit(AROUND) @ rotation(yaw, pitch, 0.0).T
        azimuth, elevation = np.arctan2(seen[:, 1], seen[:, 0]), np.arcsin(np.clip(seen[:, 2], -1, 1))
        found = limits(turned, azimuth, elevation, highest=1e5)
        np.testing.assert_allclose(found, limits(array, highest=1e5) / scale, rtol=1e-6)

    def test_the_mirror_image_is_no_alias(self) -> None:
        ring = MicrophoneArray.circular(6, 0.05)
        assert limits(ring, 0.3, 0.8)[0] == pytest.approx(limits(ring, 0.3, -0.8)[0])
        assert limits(ring, 0.3, 0.8)[0] > 3000

    @pytest.mark.parametrize("seed", range(3))
    def test_an_irregular_array_against_a_slow_search(self, seed: int) -> None:
        array = MicrophoneArray.random(7, (0.15, 0.15, 0), seed=seed, min_distance=0.03)
        azimuths = np.deg2rad([10.0, 130.0, 250.0])
        side = np.linspace(-1, 1, 201)
        grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)
        disk = np.concatenate([grid, np.zeros((*grid.shape[:2], 1))], axis=-1)
        for azimuth, found in zip(azimuths, limits(array, azimuths), strict=True):
            heard = {}
            for hertz in (0.97 * found, 1.03 * found):
                B = likeness(array, hertz, unit(azimuth), disk)
                inner = B[1:-1, 1:-1]
                around = [B[1 + i : 200 + i, 1 + j : 200 + j] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
                peaks = (inner >= LOBE) & (inner >= np.max(around, axis=0))
                inside = np.linalg.norm(grid[1:-1, 1:-1], axis=-1) <= 1
                away = np.linalg.norm(grid[1:-1, 1:-1] - unit(azimuth)[:2], axis=-1) > 0.05
                heard[hertz < found] = bool((peaks & inside & away).any())
            assert heard == {True: False, False: True}


class TestArraysInSpace:
    def test_a_cube_comes_into_sight_within_a_tenth_of_its_lobe(self) -> None:
        side = np.array([0.0, 0.05])
        cube = MicrophoneArray.from_positions(np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3))
        # Along a side B is |cos(k d)| towards the opposite direction, which has the lobe where k d = pi.
        assert limits(cube, 0.0)[0] == pytest.approx((math.pi - math.acos(0.9)) / math.pi * C / 0.1, rel=0.03)

    @pytest.mark.parametrize("seed", range(3))
    def test_there_really_is_another_direction_and_was_none_before(self, seed: int) -> None:
        array = MicrophoneArray.random(10, 0.12, seed=seed, min_distance=0.03)
        directions = fibonacci_sphere(2000)
        azimuths = np.deg2rad([20.0, 140.0, 260.0])
        for azimuth, found in zip(azimuths, limits(array, azimuths), strict=True):
            far = np.degrees(np.arccos(np.clip(directions @ unit(azimuth), -1, 1))) > 60
            assert likeness(array, 1.02 * found, unit(azimuth), directions[far]).max() > 0.99 * LOBE
            # A lobe counts within 0.9 of its peak, so that below the limit B may pass the threshold, but not by much.
            for hertz in np.linspace(0.3, 0.9, 4) * found:
                assert likeness(array, hertz, unit(azimuth), directions[far]).max() < 0.97

    def test_a_thin_array_is_like_a_flat_one_from_its_broad_side(self) -> None:
        flat = MicrophoneArray.rectangular(3, 3, 0.05, 0.05)
        thin = MicrophoneArray.from_positions(flat.positions + [[0, 0, 0.004 * (mic % 2)] for mic in range(9)])
        assert thin.ambiguity == "none"
        above = [1.2, 1.4]
        np.testing.assert_allclose(limits(thin, [0.3, 0.9], above), limits(flat, [0.3, 0.9], above), rtol=0.1)

    def test_a_dense_sphere_has_none(self) -> None:
        assert np.isinf(limits(MicrophoneArray.spherical(60, 0.042))).all()

    def test_an_array_too_large_to_search_says_how_far_it_was_searched(self) -> None:
        with pytest.warns(GeometryWarning, match=r"searched up to \d+ Hz only"):
            found = limits(MicrophoneArray.random(40, 3.0, seed=0), 0.0)
        assert np.isinf(found).all()


def test_one_microphone_has_no_limit() -> None:
    assert np.isinf(limits(MicrophoneArray.circular(1, 0.05))).all()


def test_two_directions_from_the_same_place_have_the_same_limit_as_one() -> None:
    array = MicrophoneArray.circular(4, 0.05)
    found = limits(array, [0.1, 0.1, 0.4], [0.0, 0.0, 0.2])
    assert found[0] == found[1] == limits(array, 0.1)[0]


@pytest.mark.parametrize("threshold", [0.0, 1.0, math.nan])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(GeometryError, match="between 0 and 1"):
        limits(MicrophoneArray.circular(4, 0.05), threshold=threshold)


def test_a_higher_threshold_finds_fewer_lobes() -> None:
    array = MicrophoneArray.random(8, (0.2, 0.2, 0), seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (limits(array, threshold=0.9) >= limits(array, threshold=0.6)).all()
