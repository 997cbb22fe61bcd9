"""From detections, frame by frame, to tracks: who is the same as before, who is new, who pauses, who has gone."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import ShapeError
from arrayscene.tracking.detections import Detections
from arrayscene.tracking.kalman import Directed, Motion, innovations, predicted, started, updated
from arrayscene.tracking.space import Space

FloatArray = NDArray[np.floating[Any]]


class TrackerConfig(NamedTuple):
    """What the tracker believes about sources and detections. Angles in radians, times in seconds.

    Attributes:
        motion: how sources move.
        detection: probability that a sounding source is detected in a frame.
        talk, pause: mean length of a stretch of sound and of a pause.
        even_strength: strength at which a detection is as likely real as not; the log odds grow by `strength_slope` times
            the logarithm of the strength over it, and never exceed `most_odds`.
        expected: real detections in a mean frame.
        deviation: standard deviation of the direction of a detection of `even_strength`; it falls with the square root of the
            strength, between `least_deviation` and `most_deviation`.
        crowded: what that deviation is multiplied with where two tracks are closer than `apart`: then their detections melt.
        apart: angle within which two sources may give one detection.
        gate: normalised distance (standard deviations) beyond which a detection cannot belong to a track.
        birth: log odds that a detection which nobody claims is a new source, before its strength is looked at.
        confirm, discard: log odds at which a new track is believed, or given up.
        patience: longest pause after which a source is still the same; a track pauses at most as long as it has sounded, and
            half a second more.
        max_sources: tracks that are believed at one time.
    """

    motion: Motion = Motion()
    detection: float = 0.65
    talk: float = 1.5
    pause: float = 1.0
    even_strength: float = 0.075
    strength_slope: float = 2.7
    most_odds: float = 4.0
    expected: float = 1.3
    deviation: float = math.radians(6.0)
    least_deviation: float = math.radians(3.0)
    most_deviation: float = math.radians(12.0)
    crowded: float = 2.0
    apart: float = math.radians(15.0)
    gate: float = 4.0
    birth: float = -4.0
    confirm: float = 7.0
    discard: float = -7.0
    patience: float = 5.0
    max_sources: int = 8


class TrackerState(NamedTuple):
    """Everything the tracker knows; one row a track, believed or not.

    Attributes:
        directed: directions, velocities and covariances.
        ids: identities, from 1 in the order of confirmation; 0 for a track that is not believed yet.
        activity: probability that the source sounds.
        odds: log odds that there is a source at all.
        strength: of detections, recursive mean while the source sounds.
        sounded: seconds in which it has sounded.
        silent: seconds since it was last detected.
        next_id: identity of the next that is confirmed.
    """

    directed: Directed
    ids: NDArray[np.int64]
    activity: FloatArray
    odds: FloatArray
    strength: FloatArray
    sounded: FloatArray
    silent: FloatArray
    next_id: int


class TrackFrame(NamedTuple):
    """The believed tracks of one frame.

    Attributes:
        time: seconds.
        ids: (track,) identities.
        directed: directions, velocities and covariances after this frame's detections.
        activity: (track,) probability that it sounds.
        strength: (track,) 0 to 1.
        detection: (track,) which of the frame's detections was assigned to it; -1: none.
        variance: (track,) rad^2 of that detection.
    """

    time: float
    ids: NDArray[np.int64]
    directed: Directed
    activity: FloatArray
    strength: FloatArray
    detection: NDArray[np.intp]
    variance: FloatArray


class Tracker:
    """Multiple sources by Kalman filters on the sphere and the best assignment of detections in each frame.

    A detection z of a source that is predicted at u with covariance S, sounds with probability a and is then detected with
    probability P, has the log likelihood ratio against a false one

        log(a P / expected) + log odds(strength) + log N(z; u, S) |space|

    Detections and tracks are assigned so that the sum of these, less log(1 - a P) for a miss, is largest: first those that are
    believed, then the others. The ratios add up to the log odds of a track, which decide when it is believed (Wald's
    sequential test), and drive the probability that it sounds (a hidden Markov model of talk and pause). A track that pauses
    coasts: its velocity dies out and its variance grows, until it is detected again or its patience ends. Where two tracks are
    closer than two sources can be told apart, a miss says little and a detection is less exact, so that both go on as they went.

    Args:
        space: where directions live, `space_of(grid)`.
        frame_seconds: from frame to frame.
        config: what it believes.

    Cost: about 0.4 ms a frame.

    References: Y. Bar-Shalom and X.-R. Li, "Multitarget-multisensor tracking", 1995, ch. 3 and 7 (assignment, track scores);
        F. Grondin and F. Michaud, "Lightweight and optimized sound source localization and tracking methods", 2019 (activity and
        probation on the sphere).
    """

    def __init__(self, space: Space, frame_seconds: float, config: TrackerConfig | None = None) -> None:
        self.space, self.frame_seconds, self.config = space, frame_seconds, config or TrackerConfig()
        if not frame_seconds > 0 or self.config.max_sources < 1:
            raise ShapeError(
                f"Tracker: frame_seconds={frame_seconds} and max_sources={self.config.max_sources} came; positive seconds and at"
                " least one source are needed"
            )
        self._stops, self._starts = (1 - math.exp(-frame_seconds / mean) for mean in (self.config.talk, self.config.pause))

    def init(self) -> TrackerState:
        """State before the first frame."""
        d, none = self.space.n_tangents, np.zeros(0)
        nobody = Directed(np.zeros((0, 3)), np.zeros((0, d, 3)), np.zeros((0, d)), np.zeros((0, 2 * d, 2 * d)))
        return TrackerState(nobody, np.zeros(0, np.int64), none, none, none, none, none, 1)

    def step(self, detections: Detections, state: TrackerState) -> tuple[TrackFrame, TrackerState]:
        """Take in one frame."""
        config = self.config
        forecast = predicted(state.directed, self.frame_seconds, self.space, config.motion)
        activity = state.activity * (1 - self._stops) + (1 - state.activity) * self._starts
        crowd = self._crowded(forecast, state.ids > 0)
        odds, variances = self._judge(detections.strength)
        chance = config.detection * activity
        steps = innovations(forecast, detections.vectors, self.space)
        spread = np.where(crowd[:, None], config.crowded**2, 1.0) * variances
        gains = self._gains(forecast, steps, spread, odds, chance)
        partner = self._assign(gains, state.ids > 0)
        seen = partner >= 0
        directed = _put(forecast, seen, self._corrected(forecast, steps, spread, partner, seen))
        # Where a neighbour took the only detection, a miss says little.
        taken = self._overshadowed(forecast, directed, seen)
        missed = np.log1p(-chance * np.where(taken, 0.25, 1.0))
        ratio = missed.copy()
        ratio[seen] = gains[seen, partner[seen]] + np.log1p(-chance[seen])
        activity = self._sounding(activity, ratio, seen, taken, chance)
        state = TrackerState(
            directed=directed,
            ids=state.ids,
            activity=activity,
            odds=np.minimum(state.odds + ratio, 2 * config.confirm),
            strength=_followed(state.strength, detections.strength, partner),
            sounded=state.sounded + self.frame_seconds * (activity > 0.5),
            silent=np.where(seen, 0.0, state.silent + self.frame_seconds),
            next_id=state.next_id,
        )
        alive, confirmed = self._survivors(state)
        ids, next_id = _named(state.ids, alive & confirmed & (state.ids == 0), state.next_id)
        state = _rows(state._replace(ids=ids, next_id=next_id), alive)
        shown = state.ids > 0
        frame = TrackFrame(
            detections.time,
            state.ids[shown],
            state.directed.take(shown),
            state.activity[shown],
            state.strength[shown],
            partner[alive][shown],
            np.where(seen, spread[np.arange(len(partner)), partner] if len(odds) else 0.0, 0.0)[alive][shown],
        )
        unclaimed = np.setdiff1d(np.arange(len(odds)), partner[seen])
        return frame, self._born(state, detections, odds, variances, unclaimed)

    def _judge(self, strength: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(detection,) log odds of being real, and variance."""
        config = self.config
        relative = np.maximum(strength, 1e-9) / config.even_strength
        odds = np.minimum(config.strength_slope * np.log(relative), config.most_odds)
        deviation = np.clip(config.deviation / np.sqrt(relative), config.least_deviation, config.most_deviation)
        return odds, deviation**2

    def _crowded(self, forecast: Directed, believed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(track,) whether another believed track is too close to be told apart."""
        near = forecast.vectors @ forecast.vectors.T > math.cos(self.config.apart)
        np.fill_diagonal(near, False)
        return np.asarray((near & believed[None]).any(axis=1))

    def _gains(
        self, forecast: Directed, steps: FloatArray, variances: FloatArray, odds: FloatArray, chance: FloatArray
    ) -> FloatArray:
        """(track, detection) how much an assignment adds to the log likelihood; -inf beyond the gate."""
        d = self.space.n_tangents
        S = forecast.covariance[:, None, :d, :d] + variances[..., None, None] * np.eye(d)
        if d == 1:
            determinant, distance = S[..., 0, 0], steps[..., 0] ** 2 / S[..., 0, 0]
        else:
            determinant = S[..., 0, 0] * S[..., 1, 1] - S[..., 0, 1] ** 2
            a, b = steps[..., 0], steps[..., 1]
            distance = (S[..., 1, 1] * a**2 - 2 * S[..., 0, 1] * a * b + S[..., 0, 0] * b**2) / determinant
        density = -0.5 * (distance + np.log(determinant) + d * math.log(2 * math.pi)) + math.log(self.space.measure)
        gains = np.log(np.maximum(chance, 1e-6) / self.config.expected)[:, None] + odds + density - np.log1p(-chance)[:, None]
        return np.where(distance <= self.config.gate**2, gains, -np.inf)

    def _assign(self, gains: FloatArray, believed: NDArray[np.bool_]) -> NDArray[np.intp]:
        """(track,) the detection assigned to each, or -1: the believed choose first."""
        from scipy.optimize import linear_sum_assignment

        partner = np.full(len(gains), -1, np.intp)
        free = np.arange(gains.shape[1])
        for tracks in (np.flatnonzero(believed), np.flatnonzero(~believed)):
            if not len(tracks) or not len(free):
                continue
            worth = np.maximum(gains[np.ix_(tracks, free)], 0.0)
            rows, columns = linear_sum_assignment(worth, maximize=True)
            real = worth[rows, columns] > 0
            partner[tracks[rows[real]]] = free[columns[real]]
            free = np.delete(free, columns[real])
        return partner

    def _corrected(
        self, forecast: Directed, steps: FloatArray, variances: FloatArray, partner: NDArray[np.intp], seen: NDArray[np.bool_]
    ) -> Directed:
        rows, columns = np.flatnonzero(seen), partner[seen]
        return updated(forecast.take(rows), steps[rows, columns], variances[rows, columns], self.space)

    def _overshadowed(self, forecast: Directed, directed: Directed, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        near = forecast.vectors @ directed.vectors.T > math.cos(self.config.apart)
        return np.asarray((near & seen[None]).any(axis=1) & ~seen)

    def _sounding(
        self, activity: FloatArray, ratio: FloatArray, seen: NDArray[np.bool_], taken: NDArray[np.bool_], chance: FloatArray
    ) -> FloatArray:
        """Posterior of sounding: a detection must come from there unless it is false; a miss may be chance or silence."""
        silent = 1 - activity
        with_sound = np.where(taken, 1 - 0.25 * self.config.detection, 1 - self.config.detection)
        likely = np.where(seen, np.exp(np.clip(ratio, -20, 20)), activity * with_sound)
        return np.asarray(likely / (likely + silent))

    def _survivors(self, state: TrackerState) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(track,) whether it lives on, and whether it is believed from now on."""
        config = self.config
        old = state.ids > 0
        patience = np.minimum(config.patience, state.sounded + 0.5)
        alive = np.where(old, state.silent <= patience, (state.odds > config.discard) & (state.silent < 1.0))
        confirmed = state.odds >= config.confirm
        # Two new tracks of one source, or a new one beside an old one: the older stays.
        near = state.directed.vectors @ state.directed.vectors.T > math.cos(config.apart / 2)
        earlier = np.tri(len(old), k=-1, dtype=bool)
        confirmed &= ~(near & earlier & (old | confirmed)[None]).any(axis=1)
        room = config.max_sources - int((old & alive).sum())
        candidates = np.flatnonzero(confirmed & ~old & alive)
        candidates = candidates[np.argsort(-state.odds[candidates], kind="stable")]
        confirmed[candidates[max(room, 0) :]] = False
        return np.asarray(alive), np.asarray(confirmed)

    def _born(
        self, state: TrackerState, detections: Detections, odds: FloatArray, variances: FloatArray, unclaimed: NDArray[np.intp]
    ) -> TrackerState:
        score = self.config.birth + odds[unclaimed]
        rows = unclaimed[score > self.config.discard]
        if not len(rows):
            return state
        new = started(detections.vectors[rows], variances[rows], self.space, self.config.motion)
        n = len(rows)
        return TrackerState(
            Directed(*(np.concatenate(parts) for parts in zip(state.directed, new, strict=True))),
            np.append(state.ids, np.zeros(n, np.int64)),
            np.append(state.activity, np.full(n, 0.9)),
            np.append(state.odds, self.config.birth + odds[rows]),
            np.append(state.strength, detections.strength[rows]),
            np.append(state.sounded, np.full(n, self.frame_seconds)),
            np.append(state.silent, np.zeros(n)),
            state.next_id,
        )


def _put(whole: Directed, rows: NDArray[np.bool_], part: Directed) -> Directed:
    changed = [values.copy() for values in whole]
    for values, new in zip(changed, part, strict=True):
        values[rows] = new
    return Directed(*changed)


def _followed(strength: FloatArray, detected: FloatArray, partner: NDArray[np.intp]) -> FloatArray:
    """Recursive mean, over about half a second of detections, of the strength."""
    seen = partner >= 0
    found = strength.copy()
    found[seen] += 0.1 * (detected[partner[seen]] - found[seen])
    return found


def _named(ids: NDArray[np.int64], new: NDArray[np.bool_], next_id: int) -> tuple[NDArray[np.int64], int]:
    n = int(new.sum())
    named = ids.copy()
    named[new] = np.arange(next_id, next_id + n)
    return named, next_id + n


def _rows(state: TrackerState, rows: NDArray[np.bool_]) -> TrackerState:
    return TrackerState(state.directed.take(rows), *(part[rows] for part in state[1:-1]), state.next_id)
