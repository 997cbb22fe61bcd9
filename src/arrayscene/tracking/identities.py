"""Who is who after two tracks met: velocity and voice before and after decide whether the names change places."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.tracking.detections import Detections
from arrayscene.tracking.tracker import TrackFrame

FloatArray = NDArray[np.floating[Any]]


class IdentityConfig(NamedTuple):
    """When tracks meet, and what is known of people. Angles in radians, times in seconds, levels in decibels.

    Attributes:
        near, far: two tracks meet when they are closer than `near`, and part when they are farther than `far`.
        before, after: how long a velocity is measured before a meeting, and how long evidence is gathered after it.
        turn: rad/s by which the angular velocity of a walker differs after a meeting from before it.
        spectrum_db, level_db: how much a voice's spectrum in one band, and its level, vary from frame to frame.
        drift_db: how much their means change on the way.
        independent: frames that tell as much as one that does not depend on others.
        least_gain: log likelihood by which changed places must win.
    """

    near: float = math.radians(15.0)
    far: float = math.radians(22.0)
    before: float = 2.5
    after: float = 1.5
    turn: float = math.radians(15.0)
    spectrum_db: float = 8.0
    level_db: float = 6.0
    drift_db: float = 2.0
    independent: float = 4.0
    least_gain: float = 0.0


class Voice(NamedTuple):
    """Mean spectrum and level of one track's frames.

    Attributes:
        frames: (band,) frames in which the band was its own.
        spectrum: (band,) dB relative to the level.
        n_frames: frames.
        level: mean dB.
    """

    frames: FloatArray
    spectrum: FloatArray
    n_frames: float
    level: float

    def heard(self, bands_db: FloatArray, longest: float = 200.0) -> Voice:
        """With one more frame, (band,) dB, nan where a band is not its own; after so many frames old ones are forgotten."""
        own = np.isfinite(bands_db)
        if own.sum() < 4:
            return self
        known = own & (self.frames > 0)
        level = float((bands_db[known] - self.spectrum[known]).mean() if known.any() else bands_db[own].mean())
        count = np.minimum(self.frames + own, longest)
        change = np.where(own, bands_db - level - self.spectrum, 0.0)
        n_frames = min(self.n_frames + 1, longest)
        return Voice(count, self.spectrum + change / np.maximum(count, 1), n_frames, self.level + (level - self.level) / n_frames)

    def likeness(self, other: Voice, config: IdentityConfig) -> float:
        """Log likelihood that both are one voice."""
        shared = (self.frames >= 3) & (other.frames >= 3)
        if shared.sum() < 4:
            return 0.0
        rarity = config.independent / self.frames[shared] + config.independent / other.frames[shared]
        variance = config.spectrum_db**2 * rarity + config.drift_db**2
        difference = self.spectrum[shared] - other.spectrum[shared]
        offset = float((difference / variance).sum() / (1 / variance).sum())
        # Bands overlap by half, so that two of them tell what one does.
        alike = -0.25 * float((((difference - offset) ** 2) / variance).sum())
        rate = config.independent * (1 / self.n_frames + 1 / other.n_frames)
        louder = self.level - other.level + offset
        return alike - 0.5 * louder**2 / (config.level_db**2 * rate + config.drift_db**2)


class Trace(NamedTuple):
    """What one track did: (time,) seconds, (time, 3) directions of the last seconds, and its voice."""

    times: FloatArray
    vectors: FloatArray
    voice: Voice


class Meeting(NamedTuple):
    """Two tracks that met.

    Attributes:
        before: traces of both from before.
        since: seconds at which they met.
        closest, at: smallest angle so far, and when.
        parted: when they parted; None while they are together.
    """

    before: tuple[Trace, Trace]
    since: float
    closest: float
    at: float
    parted: float | None


class Verdict(NamedTuple):
    """What was decided about two tracks that had met.

    Attributes:
        tracks: their ids of the tracker.
        changed: whether their sources have changed places.
        since, at, parted, decided: seconds at which they met, were closest, parted, and at which this was decided.
        gain: log likelihood that they changed places, less that they did not.
    """

    tracks: tuple[int, int]
    changed: bool
    since: float
    at: float
    parted: float
    decided: float
    gain: float


class IdentityState(NamedTuple):
    """Names of the tracker's tracks, what is known of each, and who is meeting whom."""

    names: Mapping[int, int]
    traces: Mapping[int, Trace]
    meetings: Mapping[tuple[int, int], Meeting]
    next_name: int


class Identities:
    """Names for tracks that survive a crossing.

    Where two sources come so close that they are heard as one, no tracker can tell for a while which is which: they may have
    passed each other, or turned back. When they have parted, both stories are weighed by what is known from before: the angular
    velocity (people seldom turn just there), the mean spectrum of the voice in the bands that it dominated, and its level.

    Args:
        config: what is believed about people.

    Latency: a verdict falls `config.after` seconds after two tracks have parted; until then they keep the names of the tracker.
    Cost: about 0.1 ms a frame.
    """

    def __init__(self, config: IdentityConfig | None = None) -> None:
        self.config = config or IdentityConfig()

    def init(self) -> IdentityState:
        """State before the first frame."""
        return IdentityState({}, {}, {}, 1)

    def step(
        self, frame: TrackFrame, detections: Detections, state: IdentityState
    ) -> tuple[NDArray[np.int64], list[Verdict], IdentityState]:
        """(track,) names of the frame's tracks, 0 for what is not believed; verdicts of this frame; the next state."""
        rows = {int(frame.ids[row]): int(row) for row in np.flatnonzero(frame.believed)}
        names = {track: state.names[track] for track in rows if track in state.names}
        new = [track for track in rows if track not in names]
        names |= {track: state.next_name + number for number, track in enumerate(new)}
        meetings = self._meetings(frame, rows, state)
        busy = {track for pair, meeting in meetings.items() if meeting.parted is None for track in pair}
        traces = {
            track: self._traced(frame, detections, row, state.traces.get(track), track in busy) for track, row in rows.items()
        }
        verdicts = []
        for pair, meeting in list(meetings.items()):
            if meeting.parted == frame.time:
                # From here on evidence is gathered afresh.
                traces |= {track: _afresh(traces[track]) for track in pair}
            if meeting.parted is not None and frame.time - meeting.parted >= self.config.after:
                del meetings[pair]
                after = (traces[pair[0]], traces[pair[1]])
                gain = self.gain(meeting.before, after)
                changed = gain > self.config.least_gain
                verdicts.append(Verdict(pair, changed, meeting.since, meeting.at, meeting.parted, frame.time, gain))
                if changed:
                    names[pair[0]], names[pair[1]] = names[pair[1]], names[pair[0]]
                order = (1, 0) if changed else (0, 1)
                for track, own, now in zip(pair, order, after, strict=True):
                    traces[track] = now._replace(voice=_joined(meeting.before[own].voice, now.voice))
        found = np.array([names.get(int(track), 0) for track in frame.ids], np.int64)
        return found, verdicts, IdentityState(names, traces, meetings, state.next_name + len(new))

    def gain(self, before: tuple[Trace, Trace], after: tuple[Trace, Trace]) -> float:
        """Log likelihood that two sources changed tracks, less that each kept its own."""

        def story(first: int, second: int) -> float:
            total = 0.0
            for one, other in ((before[0], after[first]), (before[1], after[second])):
                total += one.voice.likeness(other.voice, self.config)
                total -= 0.5 * float(np.sum((spin(one) - spin(other)) ** 2)) / (2 * self.config.turn**2)
            return total

        return story(1, 0) - story(0, 1)

    def _meetings(self, frame: TrackFrame, rows: Mapping[int, int], state: IdentityState) -> dict[tuple[int, int], Meeting]:
        vectors = frame.directed.vectors
        meetings = {}
        for first in rows:
            for second in rows:
                pair = (first, second)
                if first >= second:
                    continue
                angle = math.acos(float(np.clip(vectors[rows[first]] @ vectors[rows[second]], -1, 1)))
                meeting = state.meetings.get(pair)
                if meeting is None:
                    if angle < self.config.near and first in state.traces and second in state.traces:
                        meetings[pair] = Meeting((state.traces[first], state.traces[second]), frame.time, angle, frame.time, None)
                    continue
                if angle < meeting.closest:
                    meeting = meeting._replace(closest=angle, at=frame.time)
                if angle < self.config.near:
                    meeting = meeting._replace(parted=None)
                elif angle > self.config.far and meeting.parted is None:
                    meeting = meeting._replace(parted=frame.time)
                meetings[pair] = meeting
        return meetings

    def _traced(self, frame: TrackFrame, detections: Detections, row: int, trace: Trace | None, busy: bool) -> Trace:
        bands = detections.bands_db[frame.detection[row]] if frame.detection[row] >= 0 else None
        if trace is None:
            n_bands = detections.bands_db.shape[1]
            trace = Trace(np.zeros(0), np.zeros((0, 3)), Voice(np.zeros(n_bands), np.zeros(n_bands), 0, 0.0))
        recent = trace.times > frame.time - self.config.before
        voice = trace.voice if busy or bands is None else trace.voice.heard(bands)
        return Trace(
            np.append(trace.times[recent], frame.time), np.vstack([trace.vectors[recent], frame.directed.vectors[row]]), voice
        )


def spin(trace: Trace) -> FloatArray:
    """(3,) rad/s, the angular velocity about its axis that fits the directions of a trace best; zero for less than 0.3 s.

    Along a great circle it stays the same, so that it can be compared between places.
    """
    times = trace.times - trace.times.mean() if len(trace.times) else trace.times
    if len(times) < 5 or np.ptp(times) < 0.3:
        return np.zeros(3)
    slope = times @ trace.vectors / (times @ times)
    middle = trace.vectors.mean(axis=0)
    return np.cross(middle / np.linalg.norm(middle), slope)


def _afresh(trace: Trace) -> Trace:
    n_bands = len(trace.voice.frames)
    return Trace(trace.times[-1:], trace.vectors[-1:], Voice(np.zeros(n_bands), np.zeros(n_bands), 0, 0.0))


def _joined(one: Voice, other: Voice) -> Voice:
    """Both voices' frames as one voice's."""
    shared = (one.frames > 0) & (other.frames > 0)
    offset = float((other.spectrum - one.spectrum)[shared].mean()) if shared.any() else 0.0
    count = one.frames + other.frames
    spectrum = (one.frames * one.spectrum + other.frames * (other.spectrum - offset)) / np.maximum(count, 1)
    n_frames = one.n_frames + other.n_frames
    level = (one.n_frames * one.level + other.n_frames * (other.level + offset)) / max(n_frames, 1)
    return Voice(count, spectrum, n_frames, level)
