"""Sources at rest that were not followed: they are added, once, and sound when they are heard."""

from dataclasses import replace

import numpy as np
from moving import RATE, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.localize import direction_grid
from arrayscene.recording import Recording
from arrayscene.recovery import recover
from arrayscene.tracking import track
from arrayscene.tracking.resting import with_resting

RING = MicrophoneArray.circular(4, 0.05)
GRID = direction_grid(RING)


def test_who_was_not_followed_is_added_and_sounds_when_heard() -> None:
    gates = [lambda t: np.ones_like(t), lambda t: (t > 2) & (t < 4)]
    samples = plane_waves(RING, [lambda t: -100 + 0 * t, lambda t: 60 + 0 * t], 6, gates=gates)
    tracks = track(Recording(samples, RATE, RING))
    assert len(tracks.tracks) == 2
    alone = replace(tracks, tracks=[one for one in tracks.tracks if one.azimuth.mean() < 0])
    places = np.radians([60.0, -97.0]), np.zeros(2)
    both = with_resting(alone, GRID, *places)
    first, second = both.tracks
    assert first is alone.tracks[0]
    assert second.id not in (0, first.id)
    np.testing.assert_allclose(np.degrees(second.azimuth), 60)
    (stretch,) = second.stretches(tracks.frame_seconds)
    np.testing.assert_allclose(stretch, [2, 4], atol=0.3)
    assert len(with_resting(both, GRID, *places).tracks) == 2
    assert len(with_resting(alone, GRID, *places, at_most=1).tracks) == 1


def test_who_walks_is_at_no_place_on_the_way() -> None:
    tracks = track(Recording(plane_waves(RING, [lambda t: -60 + 20 * t], 5), RATE, RING))
    found = with_resting(tracks, GRID, np.radians([-40.0, 0.0, 30.0]), np.zeros(3))
    assert len(found.tracks) == len(tracks.tracks) == 1


def test_as_many_are_found_where_everybody_is_said_to_move() -> None:
    samples = plane_waves(RING, [lambda t: -100 + 0 * t], 5) + 0.2 * plane_waves(RING, [lambda t: 60 + 0 * t], 5, seed=3)
    recording = Recording(samples, RATE, RING)
    rest, moving = (recover(recording, method="delay-and-sum", moving=moving) for moving in (False, True))
    assert len(moving.sources) >= len(rest.sources)
    assert all(source.path is not None for source in moving.sources)
