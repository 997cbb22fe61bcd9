"""Sources of long recordings that say little in one of the blocks."""

import numpy as np
import pytest
from waves import RATE, bursts, heard

from arrayscene import listening
from arrayscene.array import MicrophoneArray
from arrayscene.listening import listen

ARRAY = MicrophoneArray.preset("respeaker-usb-4")


@pytest.mark.parametrize(("says", "sounds"), [(1.2, True), (0.0, False)])
def test_who_says_little_in_a_block_is_not_lost_there(says: float, sounds: bool) -> None:
    """One talks all the time; the other in the first block, then for a moment or not at all, then not at all."""
    first, second = bursts(64.0, 1), bursts(64.0, 2)
    moment = slice(30 * RATE, 30 * RATE + round(says * RATE))
    again = second[moment].copy()
    second[20 * RATE :] = 0
    second[moment] = again
    recording = heard(ARRAY, (first, (40.0, 0.0)), (0.7 * second, (-90.0, 0.0)))
    assert listening.block_count(recording) == 3
    found = listen(recording, np.zeros(4), None, None, None, lambda step, done: None)
    assert np.degrees(found.azimuth) == pytest.approx([40, -90], abs=5)
    assert found.active == [[0, 1], [0, 1] if sounds else [0], [0]]
