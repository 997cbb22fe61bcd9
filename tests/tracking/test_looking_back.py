"""Identities and activity in the light of what came later."""

import numpy as np
from scripted import detections, followed

from arrayscene.array import MicrophoneArray
from arrayscene.tracking import Follower
from arrayscene.tracking.identities import Verdict
from arrayscene.tracking.looking_back import _Held, tracks_of

FOLLOWER = Follower(MicrophoneArray.circular(4, 0.05), 16000)


def test_a_track_begins_where_it_was_first_heard() -> None:
    """It is believed only after several detections, and they count."""
    found = followed(detections([lambda t: 30.0 if t > 1 else None], 5, detected=1.0, false=0.0))
    believed = next(frame.detections.time for frame in found if (frame.names > 0).any())
    (one,) = tracks_of(found, FOLLOWER)
    assert one.times[0] < believed
    np.testing.assert_allclose(one.times[0], 1.0, atol=0.2)
    np.testing.assert_allclose(np.degrees(one.azimuth), 30, atol=3)


def test_a_track_is_followed_back_to_where_it_was_hardly_heard() -> None:
    """Sparse, weak detections believe no track; when one is there, they are known to be its own."""
    weak = detections([lambda t: 20 + 5 * t], 3, detected=0.35, strength=1.9, noise_deg=3.0)
    strong = detections([lambda t: 35 + 5 * t], 3, detected=0.9, seed=1)
    late = [frame._replace(time=frame.time + 3 - 3 % 0.064) for frame in strong]
    found = followed([*weak, *late])
    born = next(frame.detections.time for frame in found if len(frame.frame.ids) and (frame.names > 0).any())
    assert born > 2.5
    (one,) = tracks_of(found, FOLLOWER)
    assert one.times[0] < 1.0
    np.testing.assert_allclose(np.degrees(one.azimuth), 20 + 5 * one.times, atol=4)
    nobody = followed([*detections([lambda _t: None], 3), *late])
    (one,) = tracks_of(nobody, FOLLOWER)
    assert one.times[0] > 2.7


def test_activity_is_smoothed_over_missed_detections_and_ends_with_the_sound() -> None:
    found = followed(detections([lambda t: None if 4 < t < 7 else 30.0], 9, detected=0.5))
    (one,) = tracks_of(found, FOLLOWER)
    assert one.active[(one.times > 0.5) & (one.times < 3.8)].mean() > 0.95
    assert not one.active[(one.times > 4.7) & (one.times < 6.8)].any()


def test_exchanges_hold_from_the_meeting_on() -> None:
    pairs = [((10, 20), True, 4.0), ((10, 30), False, 5.0), ((20, 30), True, 6.0)]
    verdicts = [Verdict(pair, changed, at - 1, at, at + 1, at + 3, 0.0) for pair, changed, at in pairs]
    held = _Held({10: 1, 20: 2, 30: 3}, verdicts)
    assert [held.at(track, 3.9) for track in (10, 20, 30)] == [1, 2, 3]
    assert [held.at(track, 5.0) for track in (10, 20, 30)] == [2, 1, 3]
    assert [held.at(track, 8.0) for track in (10, 20, 30)] == [2, 3, 1]
    assert held.at(99, 5.0) is None
