"""Wide arrays as viewpoints: their parts, and where rays cross."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError
from arrayscene.localize.viewpoints import candidate_directions, cross, viewpoints

USB = MicrophoneArray.preset("respeaker-usb-4")
LINE = MicrophoneArray.linear(16, 0.06)
PAIR = MicrophoneArray.combine([USB, USB], [[-1.5, 0, 0], [1.5, 0, 0]])

pytestmark = pytest.mark.filterwarnings("ignore:positions are in metres")


@pytest.mark.parametrize(
    ("array", "sizes"),
    [
        (USB, []),
        (LINE, [4, 4, 4, 4]),
        (PAIR, [4, 4]),
        (MicrophoneArray.linear(2, 0.5), []),
        (MicrophoneArray.circular(3, 0.25), []),
    ],
)
def test_arrays_are_split_where_they_are_wide(array: MicrophoneArray, sizes: list[int]) -> None:
    parts = [view.mics for view in viewpoints(array)]
    assert sorted(map(len, parts)) == sizes
    assert sorted(mic for part in parts for mic in part) == list(range(array.n_mics if parts else 0))


def test_groups_are_found_by_their_gaps_without_blocks() -> None:
    loose = MicrophoneArray.from_positions(PAIR.positions)
    assert sorted(view.mics for view in viewpoints(loose)) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_single_microphones_metres_apart_are_refused() -> None:
    with pytest.raises(GeometryError, match="no directions"):
        viewpoints(MicrophoneArray.circular(4, 2.0))


@settings(deadline=None, max_examples=25)
@given(st.floats(-180, 180), st.floats(0.4, 6.0))
def test_exact_rays_cross_at_the_place(azimuth_deg: float, distance: float) -> None:
    azimuth = np.radians(azimuth_deg)
    place = distance * np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    views = viewpoints(PAIR)
    if min(np.linalg.norm(place - view.center) for view in views) < 0.3 or abs(place[1]) < 0.2:
        return
    crossing = cross(views, [place - view.center for view in views], np.zeros(3), candidate_directions(PAIR))
    assert crossing.miss < 1e-4
    found = np.array([np.cos(crossing.azimuth), np.sin(crossing.azimuth)]) / crossing.inverse
    np.testing.assert_allclose(found, place[:2], atol=1e-2 * distance)


def test_parallel_rays_cross_infinitely_far_and_the_error_says_so() -> None:
    views = viewpoints(LINE)
    ray = np.array([np.cos(0.3), np.sin(0.3), 0.0])
    crossing = cross(views, [ray] * len(views), np.zeros(3), candidate_directions(LINE))
    assert crossing.inverse < 3 * crossing.inverse_error * np.radians(1.0)
    assert crossing.azimuth == pytest.approx(0.3, abs=1e-3)
