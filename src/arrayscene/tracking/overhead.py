"""Sources above a level array, where azimuth means nothing: found by a map of short windows, not followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.localize import Grid, localization_stft
from arrayscene.localize.finding import OVERHEAD, OVERHEAD_BAND_HZ
from arrayscene.localize.grid import with_zenith
from arrayscene.localize.srp_map import SRPMap
from arrayscene.recording import Recording
from arrayscene.tracking.detections import Detections
from arrayscene.tracking.tracks import Track

WINDOW_SECONDS: Final = 0.5
"""Short enough for a walker to have one azimuth in it, and for pauses of others."""

ABOVE: Final = 0.02
"""What SRP-PHAT must have more straight up than at any azimuth. Talkers 80 degrees up and more had 0.04 to 0.2 more, in pauses
0.015; at 65 degrees and below 0.03 to 0.4 less (0.00 in the highest tenth); diffuse noise up to 0.007 more."""

LEAST_SECONDS: Final = 1.0
"""For which a source overhead must be the loudest."""

ITS_OWN: Final = 0.85
"""Share of the time for which a track sounds in which the source overhead is the loudest: then it is a piece of that."""


def overhead(
    tracks: Sequence[Track],
    detections: Sequence[Detections],
    good: Recording,
    dc: NDArray[Any],
    grid: Grid,
) -> list[Track]:
    """The tracks, with one more for what sounds from overhead, in place of those that it was taken for.

    Its elevation is 90 degrees, its azimuth unknown. Of half a second at a time it is known whether it is the loudest; then it
    sounds. All sources overhead are one.

    Args:
        tracks: of the recording.
        detections: of all frames.
        good: working channels, with their array.
        dc: (mic,) offsets to subtract.
        grid: directions that the array can tell apart; nothing changes unless it is that of a level array.

    Cost: about 0.01 of the recording's duration.
    """
    assert good.array is not None
    if not detections or not is_level(good.array, grid):
        return list(tracks)
    up = _from_above(good, dc, grid)
    if up.sum() * WINDOW_SECONDS < LEAST_SECONDS:
        return list(tracks)
    pieces = [one for one in tracks if one.active.any() and _at(up, one.times[one.active]).mean() > ITS_OWN]
    others = [one for one in tracks if one not in pieces]
    name = min((one.id for one in pieces), default=max((one.id for one in others), default=0) + 1)
    times = np.array([frame.time for frame in detections])
    active = _at(up, times)
    first, last = np.flatnonzero(active)[[0, -1]]
    rows = slice(first, last + 1)
    strength = np.array([frame.strength[0] if len(frame.strength) else 0.0 for frame in detections])
    n = last + 1 - first
    # Anywhere above `OVERHEAD` is alike: a disc's standard deviation along each of its diameters is half its radius.
    deviation = np.full(n, (np.pi / 2 - OVERHEAD) / 2)
    source = Track(
        id=name,
        times=times[rows],
        azimuth=None,
        elevation=np.full(n, np.pi / 2),
        deviation=deviation,
        activity=active[rows].astype(np.float64),
        active=active[rows],
        strength=np.where(active, strength, 0.0)[rows],
    )
    return sorted([source, *others], key=lambda one: one.id)


def is_level(array: MicrophoneArray, grid: Grid) -> bool:
    """Whether azimuth is all that these microphones tell."""
    return grid.azimuth_known and not grid.elevation_known and array.ambiguity != "cone"


def _from_above(good: Recording, dc: NDArray[Any], grid: Grid) -> NDArray[np.bool_]:
    """(window,) whether most sound comes from straight up."""
    assert good.array is not None
    stft = localization_stft(good.sample_rate)
    srp = SRPMap(good.array, stft.frequencies(good.sample_rate), grid=with_zenith(grid), band=OVERHEAD_BAND_HZ)
    found = []
    for _, block in good.blocks(WINDOW_SECONDS):
        power = srp.power(stft(torch.from_numpy(block.samples - dc[:, None].astype(np.float32)))).numpy()
        # What is left at the end is too short to be sure.
        whole = block.n_samples >= WINDOW_SECONDS * good.sample_rate - 1
        found.append(whole and bool(power[-1] > power[:-1].max() + ABOVE))
    return np.array(found, bool)


def _at(up: NDArray[np.bool_], times: NDArray[Any]) -> NDArray[np.bool_]:
    return up[np.minimum(times / WINDOW_SECONDS, len(up) - 1).astype(np.intp)]
