"""Two who meet, once the recording has ended: their voices say whether they passed each other or turned back."""

from collections.abc import Callable

import numpy as np
import pytest
from moving import RATE, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.recording import Recording
from arrayscene.tracking import Tracks, track
from arrayscene.voices import load_voice

RING = MicrophoneArray.circular(4, 0.05)
SECONDS = 10


def walk(side: int, back: bool) -> Callable[[np.ndarray], np.ndarray]:
    """60 degrees to one side, at the middle after half the time, and as far to that side or the other at the end."""
    return lambda t: side * 12 * np.abs(t - SECONDS / 2) * (1 if back else np.sign(SECONDS / 2 - t))


def met(back: bool) -> Tracks:
    voices = [
        np.concatenate([load_voice(name) for name in names])[: SECONDS * RATE]
        for names in (("english-allison", "spanish-allison"), ("italian-carlo", "italian-carlo-2"))
    ]
    sounds = [0.1 * voice / np.sqrt(np.mean(voice**2)) for voice in voices]
    return track(Recording(plane_waves(RING, [walk(1, back), walk(-1, back)], SECONDS, sounds=sounds), RATE, RING))


@pytest.mark.parametrize("back", [False, True])
def test_who_meets_stays_the_same(back: bool) -> None:
    found = met(back)
    assert len(found.tracks) == 2
    for one in found.tracks:
        assert one.azimuth is not None
        side = 1 if one.azimuth[0] > 0 else -1
        error = np.degrees(one.azimuth) - walk(side, back)(one.times)
        assert np.abs(error)[np.abs(one.times - SECONDS / 2) > 2].max() < 15
