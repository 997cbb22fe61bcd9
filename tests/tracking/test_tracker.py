"""The tracker on detections made by hand: births, deaths, pauses, crossings, and what it must not do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import CIRCLE, FRAME, SPHERE, azimuths, detections, followed, names_of

from arrayscene.errors import ShapeError
from arrayscene.tracking import Detections, Tracker, TrackerConfig

seeds = st.integers(0, 1000)


@settings(deadline=None, max_examples=4)
@given(seeds)
def test_one_source_that_moves_is_one_track(seed: int) -> None:
    found = followed(detections([lambda t: -60 + 15 * t], 8, seed=seed))
    assert names_of(found) == {1}
    times = np.array([frame.detections.time for frame in found])
    error = azimuths(found, 1) - (-60 + 15 * times)
    assert np.isfinite(error[times > 1.0]).all()
    assert np.sqrt(np.mean(error[times > 1.5] ** 2)) < 2.0


@settings(deadline=None, max_examples=4)
@given(seeds)
def test_false_detections_alone_are_nobody(seed: int) -> None:
    assert names_of(followed(detections([], 10, false=2.0, seed=seed))) == set()


def test_a_pause_keeps_the_identity_and_a_long_one_does_not() -> None:
    short = followed(detections([lambda t: None if 3 < t < 6 else 40.0], 9))
    assert names_of(short) == {1}
    long = followed(detections([lambda t: None if 3 < t < 10 else 40.0], 13))
    assert names_of(long) == {1, 2}


def test_a_source_that_pauses_is_said_not_to_sound() -> None:
    found = followed(detections([lambda t: None if 3 < t < 6 else 40.0], 9))
    sounds = np.array([frame.frame.activity[frame.names == 1][0] if 1 in frame.names else np.nan for frame in found])
    times = np.array([frame.detections.time for frame in found])
    assert sounds[(times > 1) & (times < 3)].mean() > 0.9
    assert sounds[(times > 4) & (times < 6)].mean() < 0.2
    assert sounds[(times > 6.5) & (times < 9)].mean() > 0.9


def test_sources_come_and_go() -> None:
    paths = [lambda t: 0.0 if t < 4 else None, lambda t: 120.0 if t > 2 else None]
    found = followed(detections(paths, 14))
    assert names_of(found) == {1, 2}
    assert not any(1 in frame.names for frame in found[-10:])
    assert 2 in found[-1].names


@settings(deadline=None, max_examples=8)
@given(seeds)
def test_two_that_cross_quickly_keep_their_names(seed: int) -> None:
    """Velocity alone carries them through."""
    found = followed(detections([lambda t: -60 + 20 * t, lambda t: 60 - 20 * t], 6, seed=seed, melt_deg=12.0))
    assert names_of(found) == {1, 2}
    first = azimuths(found, 1)
    start = np.sign(first[np.isfinite(first)][0])
    assert np.sign(first[-1]) == -start


def test_two_who_turn_back_keep_theirs_by_their_voices() -> None:
    voices = [np.linspace(-60, -40, 12), np.linspace(-40, -60, 12)]
    meet = lambda t: min(max(abs(t - 5) * 12, 2.0), 50.0)  # noqa: E731
    right = 0
    for seed in range(4):
        frames = detections([meet, lambda t: -meet(t)], 10, melt_deg=15.0, voices=voices, seed=seed)
        found = followed(frames)
        first = azimuths(found, 1)
        right += names_of(found) == {1, 2} and np.sign(first[np.isfinite(first)][0]) == np.sign(first[-1])
    assert right >= 3


def test_no_more_sources_than_allowed() -> None:
    paths = [lambda t, a=azimuth: a for azimuth in (-150.0, -90.0, -30.0, 30.0, 90.0, 150.0)]
    found = followed(detections(paths, 4), TrackerConfig(max_sources=3))
    assert max(int((frame.names > 0).sum()) for frame in found) == 3
    everyone = followed(detections(paths, 4))
    assert max(int((frame.names > 0).sum()) for frame in everyone) == 6


def test_on_the_sphere_over_the_pole() -> None:
    tracker = Tracker(SPHERE, FRAME)
    state = tracker.init()
    generator = np.random.default_rng(0)
    ids: set[int] = set()
    for index in range(100):
        angle = math.radians(50 + 12 * index * FRAME)
        vector = np.array([math.cos(angle), 0.0, math.sin(angle)]) + 0.02 * generator.standard_normal(3)
        frame, state = tracker.step(
            Detections(index * FRAME, vector[None] / np.linalg.norm(vector), np.array([4.0]), np.ones(1), np.zeros((1, 3))), state
        )
        ids |= set(frame.ids[frame.believed].tolist())
    assert len(ids) == 1
    assert np.linalg.norm(frame.directed.vectors[0] - [math.cos(angle), 0, math.sin(angle)]) < 0.05


def test_order_of_detections_does_not_matter() -> None:
    frames = detections([lambda t: -50 + 10 * t, lambda t: 80.0], 4, false=1.5)
    turned = [Detections(d.time, d.vectors[::-1], d.strength[::-1], d.share[::-1], d.bands_db[::-1]) for d in frames]
    for one, other in zip(followed(frames), followed(turned), strict=True):
        # Two who are believed in the same frame may be numbered either way.
        here, there = (np.sort(each.frame.directed.vectors[each.names > 0], axis=0) for each in (one, other))
        np.testing.assert_allclose(here, there, atol=1e-12)
    assert names_of(followed(turned)) == {1, 2}


def test_steps_leave_the_state_alone() -> None:
    """A state is a value: stepping twice from it gives the same twice."""
    frames = detections([lambda t: 10 * t, lambda t: -90.0], 3)
    tracker = Tracker(CIRCLE, FRAME)
    state = tracker.init()
    for heard in frames[:-1]:
        _, state = tracker.step(heard, state)
    once, _ = tracker.step(frames[-1], state)
    again, _ = tracker.step(frames[-1], state)
    for one, other in zip(once[1:3], again[1:3], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(once.directed.vectors, again.directed.vectors)


def test_a_tracker_needs_time_and_room() -> None:
    with pytest.raises(ShapeError, match="max_sources=0"):
        Tracker(CIRCLE, FRAME, TrackerConfig(max_sources=0))
    with pytest.raises(ShapeError, match="frame_seconds"):
        Tracker(CIRCLE, 0.0)
