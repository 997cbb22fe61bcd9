"""From the frames of a whole recording to smooth tracks: what came later tells about what was before."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.localize import Grid
from arrayscene.localize.grid import to_angles
from arrayscene.tracking.follow import Followed, Follower
from arrayscene.tracking.identities import Verdict
from arrayscene.tracking.kalman import Directed, innovations, predicted, smoothed, started, updated
from arrayscene.tracking.tracker import Tracker
from arrayscene.tracking.tracks import Track

FloatArray = NDArray[np.floating[Any]]

LEAD_SECONDS = 1.0
"""Detections from which the direction and the velocity at the beginning of a track are read."""

LEAST_EVIDENCE = 3.0
"""Log likelihood ratio of what was detected before the beginning, above which it belongs to the track."""

PAUSE_COST = 1.5
"""Log likelihood that a second without detections costs."""

SHORTEST_SECONDS = 0.4
"""A track that sounds for less in all is left out."""


class _Story(NamedTuple):
    """One identity, frame by frame: (frame,) indices, and what was assigned to it."""

    frames: list[int]
    vectors: list[FloatArray | None]
    variances: list[float]
    strengths: list[float]
    evidence: list[float]


def tracks_of(frames: Sequence[Followed], follower: Follower) -> list[Track]:
    """Smooth tracks of all sources that were ever believed.

    A track ends with its last detection. It begins with its first, also where it was believed only later, and is then followed
    further back, as long as detections that nobody claims speak for it. Identities that were found to have changed places do so
    where they were closest. Detections and identities given, directions are filtered and smoothed, and so is the probability
    that the source sounds.

    Args:
        frames: all that `Follower.step` gave, in order.
        follower: which gave them.

    Cost: about 1 ms a second of each track.
    """
    claimed: list[set[int]] = [set() for _ in frames]
    held = _Held(first_names(frames), [verdict for frame in frames for verdict in frame.verdicts])
    stories: dict[int, _Story] = {}
    for index, (detections, frame, _, _) in enumerate(frames):
        for row, track in enumerate(frame.ids):
            name = held.at(int(track), detections.time)
            if name is None:
                continue
            story = stories.setdefault(name, _Story([], [], [], [], []))
            if story.frames and story.frames[-1] == index:
                continue
            seen = int(frame.detection[row])
            claimed[index].add(seen)
            story.frames.append(index)
            story.vectors.append(detections.vectors[seen] if seen >= 0 else None)
            story.variances.append(float(frame.variance[row]))
            story.strengths.append(float(detections.strength[seen]) if seen >= 0 else 0.0)
            story.evidence.append(float(frame.evidence[row]))
    times = np.array([frame.detections.time for frame in frames])
    for name in sorted(stories, key=lambda name: stories[name].frames[0]):
        stories[name] = _followed_back(stories[name], frames, claimed, follower)
    told = [_told(name, stories[name], times, follower) for name in sorted(stories)]
    return [track for track in told if track is not None]


def _followed_back(story: _Story, frames: Sequence[Followed], claimed: list[set[int]], follower: Follower) -> _Story:
    """The story with what was detected of it before the tracker took notice."""
    seen = [n for n, vector in enumerate(story.vectors) if vector is not None]
    if not seen:
        return story
    tracker, space, seconds = follower.tracker, follower.space, follower.frame_seconds
    config = tracker.config
    alone = np.zeros(1, np.bool_)
    # Time runs backwards: from some detections after the beginning to it, and on.
    known = seen[: max(round(LEAD_SECONDS / seconds), 1)]
    vector = story.vectors[known[-1]]
    assert vector is not None
    state = started(vector[None], np.array([story.variances[known[-1]]]), space, config.motion)
    for row in range(known[-1] - 1, known[0] - 1, -1):
        state = predicted(state, seconds, space, config.motion)
        vector = story.vectors[row]
        if vector is not None:
            state = updated(state, innovations(state, vector[None], space)[:, 0], np.array([story.variances[row]]), space)
    early = _Story([], [], [], [], [])
    partners: list[int] = []
    total, best, length, silent = 0.0, LEAST_EVIDENCE, 0, 0.0
    for index in range(story.frames[seen[0]] - 1, -1, -1):
        state = predicted(state, seconds, space, config.motion)
        detections = frames[index].detections
        ratios, steps, spread = tracker.weigh(state, detections, alone)
        free = [n for n in range(ratios.shape[1]) if n not in claimed[index] and ratios[0, n] > 0]
        partner = max(free, key=lambda n: float(ratios[0, n]), default=-1)
        evidence = math.log1p(-config.detection) if partner < 0 else float(ratios[0, partner])
        if partner >= 0:
            state = updated(state, steps[:, partner], spread[:, partner], space)
        silent = 0.0 if partner >= 0 else silent + seconds
        if silent > config.patience / 2:
            break
        early.frames.append(index)
        early.vectors.append(detections.vectors[partner] if partner >= 0 else None)
        early.variances.append(float(spread[0, partner]) if partner >= 0 else 0.0)
        early.strengths.append(float(detections.strength[partner]) if partner >= 0 else 0.0)
        early.evidence.append(evidence)
        partners.append(partner)
        # A pause costs no more than what it takes to fall silent.
        total += max(evidence, -PAUSE_COST * seconds)
        if total > best:
            best, length = total, len(partners)
    for index, partner in zip(early.frames[:length], partners[:length], strict=True):
        claimed[index].add(partner)
    kept = slice(seen[0], None)
    return _Story(
        early.frames[:length][::-1] + story.frames[kept],
        early.vectors[:length][::-1] + story.vectors[kept],
        early.variances[:length][::-1] + story.variances[kept],
        early.strengths[:length][::-1] + story.strengths[kept],
        early.evidence[:length][::-1] + story.evidence[kept],
    )


def first_names(frames: Sequence[Followed]) -> dict[int, int]:
    """The first name of every track that was ever believed."""
    names: dict[int, int] = {}
    for frame in frames:
        for track, name in zip(frame.frame.ids, frame.names, strict=True):
            if name > 0:
                names.setdefault(int(track), int(name))
    return names


class _Held:
    """Which identity every track stands for at any time, in the light of all verdicts."""

    def __init__(self, names: dict[int, int], verdicts: Sequence[Verdict]) -> None:
        exchanges = [verdict for verdict in verdicts if verdict.changed]
        self.starts = sorted({exchange.at for exchange in exchanges})
        self.names = [names]
        for start in self.starts:
            held = dict(names)
            for first, second in (exchange.tracks for exchange in exchanges if exchange.at <= start):
                held[first], held[second] = held[second], held[first]
            self.names.append(held)

    def at(self, track: int, time: float) -> int | None:
        """None for a track that was never believed."""
        return self.names[bisect_right(self.starts, time)].get(track)


def _told(name: int, story: _Story, times: FloatArray, follower: Follower) -> Track | None:
    seen = [n for n, vector in enumerate(story.vectors) if vector is not None]
    if not seen:
        return None
    # From the first detection to the last; frames in between that no track of this name covers are pauses.
    first, last = story.frames[seen[0]], story.frames[seen[-1]]
    indices = np.arange(first, last + 1)
    at = {index: n for n, index in enumerate(story.frames)}
    rows = [at.get(int(index)) for index in indices]
    evidence = np.array([-0.2 if row is None else story.evidence[row] for row in rows])
    activity = smoothed_activity(evidence, follower.tracker)
    active = activity > 0.5
    if active.sum() * follower.frame_seconds < SHORTEST_SECONDS:
        return None
    states = _path(story, rows, follower)
    d = follower.space.n_tangents
    vectors = np.concatenate([state.vectors for state in states])
    variance = np.concatenate([np.trace(state.covariance[:, :d, :d], axis1=1, axis2=2) / d for state in states])
    azimuth, elevation = angles(vectors, follower.front.grid)
    strength = np.array([0.0 if row is None else story.strengths[row] for row in rows])
    return Track(name, times[indices], azimuth, elevation, np.sqrt(np.maximum(variance, 0)), activity, active, strength)


def angles(vectors: FloatArray, grid: Grid) -> tuple[FloatArray | None, FloatArray | None]:
    """Azimuth and elevation in radians of (..., 3) unit vectors; None for the one that the array cannot know."""
    azimuth, elevation = to_angles(vectors)
    return (azimuth if grid.azimuth_known else None), (elevation if grid.elevation_known else None)


def _path(story: _Story, rows: Sequence[int | None], follower: Follower) -> list[Directed]:
    motion, space, seconds = follower.tracker.config.motion, follower.space, follower.frame_seconds
    start = rows[0]
    assert start is not None
    vector = story.vectors[start]
    assert vector is not None
    state = started(vector[None], np.array([story.variances[start] or follower.tracker.config.deviation**2]), space, motion)
    filtered, forecasts = [state], [state]
    for row in rows[1:]:
        state = forecast = predicted(state, seconds, space, motion)
        vector = None if row is None else story.vectors[row]
        if row is not None and vector is not None:
            step = innovations(forecast, vector[None], space)[:, 0]
            state = updated(forecast, step, np.array([story.variances[row]]), space)
        filtered.append(state)
        forecasts.append(forecast)
    return smoothed(filtered, forecasts, seconds, space, motion)


def smoothed_activity(evidence: FloatArray, tracker: Tracker) -> FloatArray:
    """(time,) probability of sounding given everything: forwards and backwards through talk and pause."""
    stops, starts = tracker.stops, tracker.starts
    likely = np.exp(np.clip(evidence, -20, 20))
    n = len(likely)
    forward, backward = np.empty(n), np.ones((n, 2))
    belief = 0.9
    for t in range(n):
        prior = belief * (1 - stops) + (1 - belief) * starts if t else belief
        belief = prior * likely[t] / (prior * likely[t] + 1 - prior)
        forward[t] = belief
    for t in range(n - 2, -1, -1):
        on, off = backward[t + 1, 0] * likely[t + 1], backward[t + 1, 1]
        backward[t] = (1 - stops) * on + stops * off, starts * on + (1 - starts) * off
        backward[t] /= backward[t].sum()
    on, off = forward * backward[:, 0], (1 - forward) * backward[:, 1]
    return np.asarray(on / np.maximum(on + off, 1e-300))
