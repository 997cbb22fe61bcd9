"""Sources at rest that no track is of: known from a whole recording, too weak at any moment to be followed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arrayscene.localize import Grid
from arrayscene.localize.grid import to_vectors
from arrayscene.tracking.follow import usual_config
from arrayscene.tracking.kalman import started
from arrayscene.tracking.looking_back import smoothed_activity
from arrayscene.tracking.space import space_of
from arrayscene.tracking.tracker import Tracker
from arrayscene.tracking.tracks import Track, Tracks
from arrayscene.tracking.walkers import MOVES, WORTH_SECONDS, extent

NEAR: Final = np.deg2rad(20.0)
"""Within this angle of a track a source is the one that was followed."""


def with_resting(
    tracks: Tracks, grid: Grid, azimuth: NDArray[Any], elevation: NDArray[Any], at_most: int | None = None
) -> Tracks:
    """The tracks, and one more for each source at rest that none of them comes near.

    A track that moves accounts for all places on its way, one that rests for one. A source that is added keeps its direction;
    when it sounds follows from the detections near it that are no other track's, and where those tell too little, it always does.

    Args:
        tracks: of a recording.
        grid: directions that its array can tell apart.
        azimuth: (source,) radians, where sources at rest were found, strongest first.
        elevation: likewise.
        at_most: sources in all.
    """
    found = list(tracks.tracks)
    free = list(found)
    for angles in zip(azimuth, elevation, strict=True):
        place = space_of(grid).project(to_vectors(*(np.asarray(angle, np.float64) for angle in angles)))
        away = [_away(one, place) for one in free]
        nearest = int(np.argmin(away)) if away else -1
        if nearest >= 0 and away[nearest] < NEAR:
            if extent(free[nearest]) < MOVES:
                free.pop(nearest)
        elif at_most is None or len(found) < at_most:
            name = max((one.id for one in found), default=0) + 1
            found.append(_resting(name, place, float(angles[0]), float(angles[1]), tracks, grid))
    return replace(tracks, tracks=found)


def _away(track: Track, place: NDArray[Any]) -> float:
    """Radians from a place to where a track comes nearest while it sounds."""
    vectors = track.vectors()[track.active]
    return math.acos(float(np.clip((vectors @ place).max(initial=-1.0), -1, 1)))


def _resting(name: int, place: NDArray[Any], azimuth: float, elevation: float, tracks: Tracks, grid: Grid) -> Track:
    tracker = Tracker(space_of(grid), tracks.frame_seconds, usual_config(tracks.array))
    config, times = tracker.config, tracks.times
    here = started(place[None], np.array([config.least_deviation**2]), tracker.space, config.motion)
    others = [_on_frames(one, times) for one in tracks.tracks]
    evidence, strength = np.full(len(times), math.log1p(-config.detection)), np.zeros(len(times))
    for n, heard in enumerate(tracks.detections):
        ratios = tracker.weigh(here, heard, np.zeros(1, np.bool_))[0][0]
        nearer = [heard.vectors @ other[n] > heard.vectors @ place for other in others if np.isfinite(other[n, 0])]
        ratios = np.where(np.any(nearer, axis=0) if nearer else False, -np.inf, ratios)
        if len(ratios) and ratios.max() > evidence[n]:
            best = int(ratios.argmax())
            evidence[n], strength[n] = ratios[best], heard.strength[best]
    activity = smoothed_activity(evidence, tracker)
    if (activity > 0.5).sum() * tracks.frame_seconds < min(WORTH_SECONDS, 0.5 * tracks.duration):
        activity = np.ones(len(times))
    return Track(
        id=name,
        times=times,
        azimuth=np.full(len(times), azimuth) if grid.azimuth_known else None,
        elevation=np.full(len(times), elevation) if grid.elevation_known else None,
        deviation=np.full(len(times), config.least_deviation),
        activity=activity,
        active=activity > 0.5,
        strength=strength,
    )


def _on_frames(track: Track, times: NDArray[Any]) -> NDArray[Any]:
    """(frame, 3) where a track is while it sounds; nan elsewhere."""
    found = np.full((len(times), 3), np.nan)
    rows = np.searchsorted(times, track.times - 1e-6)
    found[rows[track.active]] = track.vectors()[track.active]
    return found
