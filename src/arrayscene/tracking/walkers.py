"""Which tracks are of sources that move."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from arrayscene.tracking.tracks import Track, Tracks

MOVES: Final = np.deg2rad(20.0)
"""How far apart a moving source is at different times: tracks of talkers at rest span up to 10 degrees in rooms."""

LEAST_SECONDS: Final = 2.0
"""How long it must sound for that."""

WORTH_SECONDS: Final = 1.0
"""What sounds for less is no source of a scene, but a piece of one, or a reflection."""

MOST_TIMES: Final = 200


def extent(track: Track) -> float:
    """Radians between the directions that a track has while it sounds: what 95 % of pairs of moments do not exceed."""
    vectors = track.vectors()[track.active]
    if len(vectors) < 2:
        return 0.0
    some = vectors[:: -(-len(vectors) // MOST_TIMES)]
    return float(np.quantile(np.arccos(np.clip(some @ some.T, -1, 1)), 0.95))


def moving(tracks: Tracks) -> bool:
    """Whether any source moves. On 50 rooms with talkers at rest and 58 with walkers: see docs/architecture.md."""
    return any(_seconds(one, tracks) >= LEAST_SECONDS and extent(one) >= MOVES for one in tracks.tracks)


def worthwhile(tracks: Tracks, at_most: int | None = None) -> Tracks:
    """Without the tracks that hardly sound, and of many those with the most sound."""
    kept = [one for one in tracks.tracks if _seconds(one, tracks) >= min(WORTH_SECONDS, 0.5 * tracks.duration)]
    kept = sorted(kept, key=lambda one: -_seconds(one, tracks))[:at_most]
    return replace(tracks, tracks=sorted(kept, key=lambda one: one.id))


def _seconds(track: Track, tracks: Tracks) -> float:
    return float(track.active.sum()) * tracks.frame_seconds
