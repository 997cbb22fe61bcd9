"""Sources that move, each by itself."""

import numpy as np
import pytest
from moving import RATE, images, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.errors import ArraySceneError
from arrayscene.metrics import match_sources, si_sdr
from arrayscene.recording import Recording
from arrayscene.recovery import recover
from arrayscene.tracking import Track, Tracks, separate, track

RING = MicrophoneArray.circular(4, 0.05)
PATHS = (lambda t: -100 + 30 * t, lambda t: 60 + 30 * t)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording(plane_waves(RING, PATHS, 5), RATE, RING)


@pytest.fixture(scope="module")
def tracks(recording: Recording) -> Tracks:
    return track(recording)


def test_walkers_are_clearer_than_in_the_recording_and_than_from_one_direction(recording: Recording, tracks: Tracks) -> None:
    targets = images(RING, PATHS, 5)[:, 0]
    before = si_sdr(recording.samples[:1], targets)
    steered = separate(recording, tracks, method="mwf")
    _, _, after = match_sources(steered, targets)
    still = recover(recording, n_sources=2, method="mwf", moving=False)
    _, _, fixed = match_sources(np.stack([source.signal for source in still.sources]), targets)
    assert steered.shape == (2, recording.n_samples)
    assert (after - before).mean() > 3
    assert after.mean() > fixed.mean() + 3


def test_a_source_is_silent_where_it_is_not_there(recording: Recording, tracks: Tracks) -> None:
    one = tracks.tracks[0]
    early = one.times < 2.0
    angles = None if one.azimuth is None else one.azimuth[early]
    short = Track(
        7, one.times[early], angles, None, one.deviation[early], one.activity[early], one.active[early], one.strength[early]
    )
    only = Tracks([short], tracks.detections, tracks.duration, tracks.frame_seconds, tracks.array, tracks.ambiguity)
    signal = separate(recording, only, method="delay-and-sum")[0]
    assert np.any(signal[: 2 * RATE])
    assert not np.any(signal[4 * RATE :])


def test_no_tracks_are_no_signals(recording: Recording, tracks: Tracks) -> None:
    nobody = Tracks([], tracks.detections, tracks.duration, tracks.frame_seconds, tracks.array, tracks.ambiguity)
    assert separate(recording, nobody).shape == (0, recording.n_samples)


def test_what_does_not_belong_together_is_refused(recording: Recording, tracks: Tracks) -> None:
    with pytest.raises(ArraySceneError, match="belong"):
        separate(recording.segment(0.0, 2.0), tracks)
    with pytest.raises(ArraySceneError, match=r"0\.5 s or more"):
        separate(recording, tracks, block_seconds=0.1)
    with pytest.raises(ArraySceneError, match="wien"):
        separate(recording, tracks, method="wien")
