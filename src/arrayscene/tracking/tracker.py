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
        patience: longest pause after which a source is still the same.
        loyalty: a track pauses at most so many times as long as it has sounded, and half a second more: what was heard once
            and never again was a reflection.
        max_sources: tracks that are believed at one time.
    """

    motion: Motion = Motion()
    detection: float = 0.35
    talk: float = 3.0
    pause: float = 1.0
    even_strength: float = 1.75
    strength_slope: float = 2.7
    most_odds: float = 4.0
    expected: float = 1.3
    deviation: float = math.radians(7.0)
    least_deviation: float = math.radians(3.0)
    most_deviation: float = math.radians(12.0)
    crowded: float = 2.0
    apart: float = math.radians(15.0)
    gate: float = 4.0
    birth: float = -4.0
    confirm: float = 9.0
    discard: float = -7.0
    patience: float = 5.0
    loyalty: float = 3.0
    max_sources: int = 8


class TrackerState(NamedTuple):
    """Everything the tracker knows; one row a track, believed or not.

    Attributes:
        directed: directions, velocities and covariances.
        ids: from 1 in the order of birth, never given twice.
        believed: whether it is a track already, or only a supposition.
        activity: probability that the source sounds.
        odds: log odds that there is a source at all.
        strength: of detections, recursive mean while the source sounds.
        sounded: seconds in which it has sounded.
        silent: seconds since it was last detected.
        next_id: of the next that is born.
    """

    directed: Directed
    ids: NDArray[np.int64]
    believed: NDArray[np.bool_]
    activity: FloatArray
    odds: FloatArray
    strength: FloatArray
    sounded: FloatArray
    silent: FloatArray
    next_id: int


class TrackFrame(NamedTuple):
    """The tracks of one frame, believed or not.

    Attributes:
        time: seconds.
        ids: (track,) of the tracker.
        believed: (track,) whether it is a track; the others may become one, and then their past counts.
        directed: directions, velocities and covariances after this frame's detections.
        activity: (track,) probability that it sounds.
        strength: (track,) as `Detections.strength`, recursive mean.
        detection: (track,) which of the frame's detections was assigned to it; -1: none.
        variance: (track,) rad^2 of that detection.
        evidence: (track,) log likelihood of what was detected, or not, if it sounds less that if it does not.
    """

    time: float
    ids: NDArray[np.int64]
    believed: NDArray[np.bool_]
    directed: Directed
    activity: FloatArray
    strength: FloatArray
    detection: NDArray[np.intp]
    variance: FloatArray
    evidence: FloatArray


class Tracker:
    """Multiple sources by Kalman filters on the sphere and the best assignment of detections in each frame.

    A detection z of a source that is predicted at u with covariance S, sounds with probability a and is then detected with
    probability P, has the log likelihood ratio against a false one

        log(P / expected) + log odds(strength) + log N(z; u, S) |space|

    Detections and tracks are assigned so that the sum of these, with log a and less log(1 - a P) for a miss, is largest: first
    those that are believed, then the others. The ratios add up to the log odds of a track, which decide when it is believed
    (Wald's sequential test), and drive the probability that it sounds (a hidden Markov model of talk and pause). A track that
    pauses coasts: its velocity dies out and its variance grows, until it is detected again or its patience ends. Where two tracks
    are closer than two sources can be told apart, a miss says little and a detection is less exact, so that both go on as they
    went.

    Args:
        space: where directions live, `space_of(grid)`.
        frame_seconds: from frame to frame.
        config: what it believes.

    Cost: about 0.4 ms a frame.

    Raises: ShapeError for frames of no length, or a configuration with no source.

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
        self.stops, self.starts = (1 - math.exp(-frame_seconds / mean) for mean in (self.config.talk, self.config.pause))

    def init(self) -> TrackerState:
        """State before the first frame."""
        d, none = self.space.n_tangents, np.zeros(0)
        nobody = Directed(np.zeros((0, 3)), np.zeros((0, d, 3)), np.zeros((0, d)), np.zeros((0, 2 * d, 2 * d)))
        return TrackerState(nobody, np.zeros(0, np.int64), np.zeros(0, bool), none, none, none, none, none, 1)

    def step(self, detections: Detections, state: TrackerState) -> tuple[TrackFrame, TrackerState]:
        """Take in one frame."""
        config = self.config
        forecast = predicted(state.directed, self.frame_seconds, self.space, config.motion)
        activity = state.activity * (1 - self.stops) + (1 - state.activity) * self.starts
        odds, variances = self._judge(detections.strength)
        likelihood, steps, spread = self.weigh(forecast, detections, self._crowded(forecast, state.believed))
        partner = self._assign(likelihood, activity, state.believed)
        seen = partner >= 0
        directed = _put(forecast, seen, self._corrected(forecast, steps, spread, partner, seen))
        # Where a neighbour took the only detection, a miss says little.
        taken = self._overshadowed(forecast, directed, seen)
        evidence = np.where(taken, math.log1p(-0.25 * config.detection), math.log1p(-config.detection))
        evidence[seen] = likelihood[seen, partner[seen]]
        sounding = activity * np.exp(np.clip(evidence, -20, 20))
        either = sounding + 1 - activity
        activity = sounding / either
        state = state._replace(
            directed=directed,
            activity=activity,
            odds=np.minimum(state.odds + np.log(either), 2 * config.confirm),
            strength=_followed(state.strength, detections.strength, partner),
            sounded=state.sounded + self.frame_seconds * (activity > 0.5),
            silent=np.where(seen, 0.0, state.silent + self.frame_seconds),
        )
        alive, believed = self._survivors(state)
        state = _rows(state._replace(believed=believed), alive)
        variance = np.zeros(len(seen))
        variance[seen] = spread[seen, partner[seen]]
        frame = TrackFrame(
            detections.time, state.ids, state.believed, state.directed, state.activity, state.strength, partner[alive],
            variance[alive], evidence[alive],
        )  # fmt: skip
        unclaimed = np.setdiff1d(np.arange(len(odds)), partner[seen])
        return frame, self._born(state, detections, odds, variances, unclaimed)

    def weigh(
        self, forecast: Directed, detections: Detections, crowd: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """How well detections fit predicted directions.

        Args:
            forecast: predicted.
            detections: of the frame.
            crowd: (track,) whether another is too close to be told apart.

        Returns: (track, detection) log likelihood of being its source's against being false, -inf beyond the gate; (track,
            detection, d) innovations; (track, detection) variance of each.
        """
        odds, variances = self._judge(detections.strength)
        spread = np.where(crowd[:, None], self.config.crowded**2, 1.0) * variances
        steps = innovations(forecast, detections.vectors, self.space)
        usual = math.log(self.config.detection / self.config.expected)
        return self._likelihood(forecast, steps, spread) + usual + odds, steps, spread

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

    def _likelihood(self, forecast: Directed, steps: FloatArray, variances: FloatArray) -> FloatArray:
        """(track, detection) log density of the innovations over that of false detections; -inf beyond the gate."""
        d = self.space.n_tangents
        S = forecast.covariance[:, None, :d, :d] + variances[..., None, None] * np.eye(d)
        if d == 1:
            determinant, distance = S[..., 0, 0], steps[..., 0] ** 2 / S[..., 0, 0]
        else:
            determinant = S[..., 0, 0] * S[..., 1, 1] - S[..., 0, 1] ** 2
            a, b = steps[..., 0], steps[..., 1]
            distance = (S[..., 1, 1] * a**2 - 2 * S[..., 0, 1] * a * b + S[..., 0, 0] * b**2) / determinant
        density = -0.5 * (distance + np.log(determinant) + d * math.log(2 * math.pi)) + math.log(self.space.measure)
        return np.where(distance <= self.config.gate**2, density, -np.inf)

    def _assign(self, likelihood: FloatArray, activity: FloatArray, believed: NDArray[np.bool_]) -> NDArray[np.intp]:
        """(track,) the detection assigned to each, or -1: the believed choose first."""
        from scipy.optimize import linear_sum_assignment

        gains = likelihood + (np.log(np.maximum(activity, 1e-6)) - np.log1p(-self.config.detection * activity))[:, None]
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

    def _survivors(self, state: TrackerState) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(track,) whether it lives on, and whether it is believed from now on."""
        config = self.config
        old = state.believed
        patience = np.minimum(config.patience, config.loyalty * state.sounded + 0.5)
        alive = np.where(old, state.silent <= patience, (state.odds > config.discard) & (state.silent < 1.0))
        new = ~old & alive & (state.odds >= config.confirm)
        # Two new tracks of one source, or a new one beside an old one: the older stays.
        near = state.directed.vectors @ state.directed.vectors.T > math.cos(config.apart / 2)
        earlier = np.tri(len(old), k=-1, dtype=bool)
        new &= ~(near & earlier & (old | new)[None]).any(axis=1)
        room = config.max_sources - int((old & alive).sum())
        strongest = np.flatnonzero(new)[np.argsort(-state.odds[new], kind="stable")]
        new[strongest[max(room, 0) :]] = False
        return np.asarray(alive), np.asarray(old | new)

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
            np.append(state.ids, state.next_id + np.arange(n)),
            np.append(state.believed, np.zeros(n, bool)),
            np.append(state.activity, np.full(n, 0.9)),
            np.append(state.odds, self.config.birth + odds[rows]),
            np.append(state.strength, detections.strength[rows]),
            np.append(state.sounded, np.full(n, self.frame_seconds)),
            np.append(state.silent, np.zeros(n)),
            state.next_id + n,
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


def _rows(state: TrackerState, rows: NDArray[np.bool_]) -> TrackerState:
    return TrackerState(
        directed=state.directed.take(rows),
        ids=state.ids[rows],
        believed=state.believed[rows],
        activity=state.activity[rows],
        odds=state.odds[rows],
        strength=state.strength[rows],
        sounded=state.sounded[rows],
        silent=state.silent[rows],
        next_id=state.next_id,
    )
