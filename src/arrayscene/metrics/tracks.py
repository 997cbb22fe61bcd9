"""Tracks against true paths: who was followed, for how long, and under how many names."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.errors import ShapeError
from arrayscene.metrics.assignment import pair_within

FloatArray = NDArray[np.float64]


class TrackMeasures(NamedTuple):
    """How well tracks follow true sources.

    Attributes:
        n_switches: times that a true source went over from one track to another.
        n_fragments: times that a true source was lost and found again while it was there.
        kept: (truth,) share of the frames of each true source in which the one track that stands for it follows it; tracks
            and sources are paired one to one so that the sum over all sources is largest.
        track_index: (truth,) that track; -1 for a source without one.
        covered: (truth,) share of its frames in which any track follows it.
        missed_rate: share of all true presences that no track follows; nan without any.
        false_rate: share of all track presences that follow nobody; 0 without any.
        mean_error: radians, over all paired presences; nan without any.
    """

    n_switches: int
    n_fragments: int
    kept: FloatArray
    track_index: NDArray[np.intp]
    covered: FloatArray
    missed_rate: float
    false_rate: float
    mean_error: float


def track_measures(
    distances: ArrayLike, track_present: ArrayLike, true_present: ArrayLike, *, gate: float = math.radians(20.0)
) -> TrackMeasures:
    """Compare tracks with true paths frame by frame.

    In each frame a pair of the frame before is kept while both are there within the gate; the others are paired anew, as many
    as possible, closest first of all. That is what makes a switch a switch: not a better fit, but a lost one.

    Target: the true direction of each source at each time.

    Args:
        distances: (frame, track, truth) radians; not looked at where either is not there.
        track_present: (frame, track) whether the track claims that its source is there (or sounds: what counts is the caller's).
        true_present: (frame, truth) whether the source is there.
        gate: radians; what is farther away is not followed.

    Raises: ShapeError for shapes that do not fit together, or distances that are no numbers of 0 or more where both are there.

    Cost: O(frame n^3) for n sources.

    Reference: K. Bernardin and R. Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT metrics", 2008,
        sec. 2.1 (pairing, switches); E. Ristani et al., "Performance measures and a data set for multi-target, multi-camera
        tracking", 2016 (one track for one source over all time: `kept`).
    """
    table = np.asarray(distances, np.float64)
    there, true_there = np.asarray(track_present, bool), np.asarray(true_present, bool)
    if table.ndim != 3 or there.shape != table.shape[:2] or true_there.shape != (table.shape[0], table.shape[2]):
        raise ShapeError(
            f"distances {table.shape}, track_present {there.shape} and true_present {true_there.shape} came; (frame, track,"
            " truth), (frame, track) and (frame, truth) are needed"
        )
    both = there[:, :, None] & true_there[:, None]
    if not (table[both] >= 0).all() or not np.isfinite(table[both]).all():
        raise ShapeError("distances that are negative or no numbers came; radians of 0 or more are needed where both are there")
    table = np.where(both, table, 2 * gate + 1.0)
    within = table <= gate
    follower = _followers(table, within, gate)
    paired = follower >= 0
    frames, truths = np.nonzero(paired)
    errors = table[frames, follower[paired], truths]
    presence, n_paired, n_present = true_there.sum(axis=0), int(paired.sum()), int(there.sum())
    kept, track_index = _one_track_each(within, presence)
    n_switches, n_fragments = _breaks(follower, true_there)
    return TrackMeasures(
        n_switches=n_switches,
        n_fragments=n_fragments,
        kept=kept,
        track_index=track_index,
        covered=paired.sum(axis=0) / np.maximum(presence, 1),
        missed_rate=1 - n_paired / int(presence.sum()) if presence.sum() else math.nan,
        false_rate=1 - n_paired / n_present if n_present else 0.0,
        mean_error=float(errors.mean()) if n_paired else math.nan,
    )


def _followers(table: FloatArray, within: NDArray[np.bool_], gate: float) -> NDArray[np.intp]:
    """(frame, truth) the track that follows each true source, or -1."""
    n_frames, n_tracks, n_true = table.shape
    follower = np.full((n_frames, n_true), -1, np.intp)
    current = np.full(n_true, -1, np.intp)
    for frame in range(n_frames):
        kept = current >= 0
        kept[kept] = within[frame, current[kept], np.flatnonzero(kept)]
        follower[frame, kept] = current[kept]
        tracks, truths = np.setdiff1d(np.arange(n_tracks), current[kept]), np.flatnonzero(~kept)
        rows, columns = pair_within(table[frame][np.ix_(tracks, truths)], gate)
        follower[frame, truths[columns]] = tracks[rows]
        # A source that pauses is still expected under its old name, unless that track has gone over to another.
        paused = (follower[frame] < 0) & ~np.isin(current, follower[frame])
        current = np.where(paused, current, follower[frame])
    return follower


def _breaks(follower: NDArray[np.intp], there: NDArray[np.bool_]) -> tuple[int, int]:
    """How often the followed go over to another track, and how often they are lost and found."""
    n_switches = n_fragments = 0
    for names, present in zip(follower.T, there.T, strict=True):
        seen = names[present] >= 0
        n_switches += int((np.diff(names[names >= 0]) != 0).sum())
        n_fragments += max(int((np.diff(seen.astype(np.int8), prepend=0) == 1).sum()) - 1, 0)
    return n_switches, n_fragments


def _one_track_each(within: NDArray[np.bool_], presence: NDArray[np.intp]) -> tuple[FloatArray, NDArray[np.intp]]:
    """For each true source the share of its frames near the track that stands for it, and which one that is."""
    from scipy.optimize import linear_sum_assignment

    frames = within.sum(axis=0)
    # Of as many frames, the larger shares: otherwise the order of the tracks would decide.
    rows, columns = linear_sum_assignment(frames + frames / np.maximum(presence, 1) / (len(presence) + 1), maximize=True)
    share, index = np.zeros(frames.shape[1]), np.full(frames.shape[1], -1, np.intp)
    real = frames[rows, columns] > 0
    rows, columns = rows[real], columns[real]
    share[columns] = frames[rows, columns] / np.maximum(presence[columns], 1)
    index[columns] = rows
    return share, index
