"""Sources that move: whether any does, and what is heard along its track instead of at one place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arrayscene.errors import ShapeError
from arrayscene.listening import Heard
from arrayscene.localize import direction_grid
from arrayscene.localize.wandering import wanders
from arrayscene.recording import Recording
from arrayscene.tracking import Tracks, track
from arrayscene.tracking.resting import with_resting
from arrayscene.tracking.signals import mean_directions
from arrayscene.tracking.walkers import moving as walks
from arrayscene.tracking.walkers import worthwhile

SHORTEST_TRACKS = 4.0
"""Seconds below which nobody is noticed to move: separation of short blocks costs more than a walker covers."""


def followed(
    good: Recording, heard: Heard, moving: bool | None, n_sources: int | None, report: Callable[[str, float], None]
) -> Tracks | None:
    """Tracks of the sources, where they move or are said to; None where they are at rest, or cannot be followed.

    Those of them that stay where they are and are too weak to be followed are added.
    """
    assert good.array is not None
    grid = direction_grid(good.array)
    if moving is None and good.duration >= SHORTEST_TRACKS and not heard.remarks:
        suspected = wanders(heard.peaks, grid, heard.azimuth, heard.elevation)
    else:
        suspected = bool(moving)
    if not suspected:
        return None
    try:
        tracks = worthwhile(track(good, max_sources=n_sources, progress=report), n_sources)
    except ShapeError:
        # The sample rate leaves no band for short frames.
        return None
    if not tracks.tracks or not (moving or walks(tracks)):
        return None
    return with_resting(tracks, grid, heard.azimuth, heard.elevation, n_sources) if moving else tracks


def along(heard: Heard, tracks: Tracks) -> Heard:
    """What was heard, with the tracks' sources in place of those at rest."""
    azimuth, elevation = mean_directions(tracks)
    strength = np.array([float(one.strength[one.active].sum()) for one in tracks.tracks])
    sounding = np.array([np.interp(tracks.times, one.times, one.active, left=0, right=0) > 0.5 for one in tracks.tracks])
    together = [[int(n) for n in np.flatnonzero(now)] for now in sounding.T]
    support = strength / max(float(strength.max()), 1e-30)
    return heard._replace(azimuth=azimuth, elevation=elevation, support=support, active=together, n_dropped=0, alternatives=())
