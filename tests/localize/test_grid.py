"""Only directions that the array can tell apart are looked in."""

import numpy as np
import pytest

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError
from arrayscene.localize import Grid, direction_grid
from arrayscene.localize.grid import embed, to_angles, to_vectors


def upright(front: tuple[float, float]) -> MicrophoneArray:
    """A 3 x 2 plane of microphones that faces `front` (x, y)."""
    side = np.array([-front[1], front[0], 0.0])
    return MicrophoneArray.from_positions([0.04 * (i - 1) * side + [0, 0, 0.05 * k] for i in range(3) for k in range(2)])


def vectors(grid: Grid) -> np.ndarray:
    return to_vectors(grid.azimuth, grid.elevation)


def gaps(grid: Grid) -> np.ndarray:
    """Degrees from each direction to its nearest neighbour."""
    cosine = vectors(grid) @ vectors(grid).T
    np.fill_diagonal(cosine, -1)
    return np.degrees(np.arccos(np.clip(cosine.max(axis=1), -1, 1)))


def test_a_level_line_looks_at_the_half_circle_in_front() -> None:
    grid = direction_grid(MicrophoneArray.linear(4, 0.03))
    assert grid.azimuth_known
    assert not grid.elevation_known
    assert not grid.elevation.any()
    assert np.degrees([grid.azimuth.min(), grid.azimuth.max()]) == pytest.approx([-90, 90], abs=1)
    assert gaps(grid).max() < 2


def test_a_line_that_points_to_the_front_looks_to_the_left() -> None:
    azimuth = np.degrees(direction_grid(MicrophoneArray.linear(4, 0.03, axis="x")).azimuth) % 360
    assert [azimuth.min(), azimuth.max()] == pytest.approx([0, 180], abs=1)


@pytest.mark.parametrize("turn", [30.0, 100.0, -60.0, 179.0])
def test_a_turned_line_looks_at_its_broadside_towards_the_front(turn: float) -> None:
    along = [np.cos(np.radians(turn)), np.sin(np.radians(turn)), 0.0]
    grid = direction_grid(MicrophoneArray.from_positions(np.outer(np.arange(4) * 0.03, along)))
    middle = vectors(grid).mean(axis=0)
    assert middle[0] > 0
    assert middle @ along == pytest.approx(0, abs=0.02)
    assert np.ptp(vectors(grid) @ along) == pytest.approx(2, abs=1e-3)


def test_an_upright_line_knows_elevation_alone() -> None:
    grid = direction_grid(MicrophoneArray.linear(4, 0.03, axis="z"))
    assert grid.elevation_known
    assert not grid.azimuth_known
    assert not grid.azimuth.any()
    assert np.degrees([grid.elevation.min(), grid.elevation.max()]) == pytest.approx([-90, 90], abs=1)


def test_a_level_ring_looks_all_round_and_up_and_tells_azimuth_alone() -> None:
    grid = direction_grid(MicrophoneArray.circular(6, 0.05))
    assert not grid.elevation_known
    assert grid.elevation.min() == 0
    around = np.unique(np.degrees(grid.azimuth).round(6))
    assert np.diff(around) == pytest.approx(2)
    assert [around[0], around[-1]] == pytest.approx([-178, 180])
    high, low = grid.embedding[grid.elevation > 1.0], grid.embedding[grid.elevation == 0]
    np.testing.assert_allclose(high, low, atol=1e-12)


@pytest.mark.parametrize(("front", "looks"), [((1, 0), (1, 0)), ((-1, 0), (1, 0)), ((0, 1), (0, 1)), ((0, -1), (0, 1))])
def test_an_upright_plane_looks_at_the_half_sphere_in_front_or_to_the_left(
    front: tuple[float, float], looks: tuple[float, float]
) -> None:
    grid = direction_grid(upright(front))
    assert (vectors(grid) @ [*looks, 0] >= 0).all()
    assert np.degrees([grid.elevation.min(), grid.elevation.max()]) == pytest.approx([-90, 90], abs=8)
    assert gaps(grid).max() < 6


def test_an_array_in_three_dimensions_looks_everywhere() -> None:
    grid = direction_grid(MicrophoneArray.from_positions([[0.05, 0, 0], [-0.05, 0.01, 0], [0, 0.05, 0], [0, 0, 0.06]]))
    assert (grid.azimuth_known, grid.elevation_known) == (True, True)
    anywhere = np.random.default_rng(0).standard_normal((500, 3))
    anywhere /= np.linalg.norm(anywhere, axis=1, keepdims=True)
    assert np.degrees(np.arccos((anywhere @ vectors(grid).T).max(axis=1))).max() < 4


def test_mirror_images_are_one_place_to_an_array_that_cannot_tell_them_apart() -> None:
    for array, mirrored in (
        (MicrophoneArray.linear(4, 0.03), lambda v: v * [-1, 1, 1]),
        (MicrophoneArray.circular(5, 0.05), lambda v: v * [1, 1, -1]),
        (upright((1, 0)), lambda v: v * [-1, 1, 1]),
    ):
        grid = direction_grid(array)
        delays = array.positions @ vectors(grid).T
        np.testing.assert_allclose(delays - delays[0], (array.positions @ mirrored(vectors(grid)).T) - delays[0], atol=0.02)


def test_a_direction_off_the_grid_takes_its_nearest_place() -> None:
    grid = direction_grid(MicrophoneArray.circular(6, 0.05))
    np.testing.assert_allclose(embed(grid, np.radians(90.4), 0.1), [0, 1], atol=0.01)


def test_angles_and_vectors_are_inverse() -> None:
    azimuth, elevation = np.array([0.3, -2.0, 3.0]), np.array([0.2, -1.2, 1.5])
    np.testing.assert_allclose(to_angles(3 * to_vectors(azimuth, elevation)), (azimuth, elevation))


def test_one_microphone_has_no_directions() -> None:
    with pytest.raises(GeometryError, match="at least two"):
        direction_grid(MicrophoneArray.from_positions([[0, 0, 0]]))
