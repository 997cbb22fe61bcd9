"""Detections, tracker and identities in one chain: live, block by block."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.localize import Grid
from arrayscene.tracking.detections import Detections, FrameDirections, FrontState
from arrayscene.tracking.identities import Identities, IdentityConfig, IdentityState, Verdict
from arrayscene.tracking.space import space_of
from arrayscene.tracking.tracker import Tracker, TrackerConfig, TrackerState, TrackFrame

FloatArray = NDArray[np.floating[Any]]


LINE_STRENGTH = 1.4
"""`even_strength` for lines of microphones, whose diffuse field votes more: of 90 talkers in 60 scenes 60 were followed, not
54, and 5 that were none, not 1."""


def usual_config(array: MicrophoneArray) -> TrackerConfig:
    """What the tracker believes where nothing is said."""
    return TrackerConfig(even_strength=LINE_STRENGTH) if array.ambiguity == "cone" else TrackerConfig()


class FollowState(NamedTuple):
    """States of the three steps."""

    front: FrontState
    tracker: TrackerState
    identities: IdentityState


class Followed(NamedTuple):
    """One frame.

    Attributes:
        detections: what was heard in it.
        frame: the tracker's tracks, also those that are not believed.
        names: (track,) identities from 1, 0 for what is not believed.
        verdicts: what was decided in this frame about tracks that had met: whether their sources have changed places.
    """

    detections: Detections
    frame: TrackFrame
    names: NDArray[np.int64]
    verdicts: tuple[Verdict, ...]


class Follower:
    """Who is where, live: any number of samples in, a frame for every 64 ms of them out.

    Args:
        array: microphones, at least two.
        sample_rate: hertz.
        grid: directions to scan; those that the array can tell apart by default.
        tracker: what is believed about sources and detections; `usual_config` by default.
        identities: what is believed about people who meet.
        speed_of_sound: m/s.

    Latency: one frame.
    Cost: see benchmarks/results/tracking.md.

    Raises: as `FrameDirections` and `Tracker`.
    """

    def __init__(
        self,
        array: MicrophoneArray,
        sample_rate: int,
        *,
        grid: Grid | None = None,
        tracker: TrackerConfig | None = None,
        identities: IdentityConfig | None = None,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> None:
        self.front = FrameDirections(array, sample_rate, grid=grid, speed_of_sound=speed_of_sound)
        self.space = space_of(self.front.grid)
        self.frame_seconds = self.front.frame_seconds
        self.tracker = Tracker(self.space, self.frame_seconds, tracker or usual_config(array))
        self.identities = Identities(identities)

    def init(self) -> FollowState:
        """State before the first sample."""
        return FollowState(self.front.init(), self.tracker.init(), self.identities.init())

    def step(self, samples: NDArray[Any], state: FollowState) -> tuple[list[Followed], FollowState]:
        """Take in (mic, sample) more samples; the frames that they complete."""
        heard, front = self.front.step(samples, state.front)
        tracker, identities = state.tracker, state.identities
        found = []
        for detections in heard:
            frame, tracker = self.tracker.step(detections, tracker)
            names, verdicts, identities = self.identities.step(frame, detections, identities)
            found.append(Followed(detections, frame, names, tuple(verdicts)))
        return found, FollowState(front, tracker, identities)
