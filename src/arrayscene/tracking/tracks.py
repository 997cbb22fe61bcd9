"""What tracking found: one track a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.activity import runs
from arrayscene.array import MicrophoneArray
from arrayscene.localize.grid import to_vectors
from arrayscene.tracking.detections import Detections

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Track:
    """One source over time.

    Attributes:
        id: from 1, in the order in which sources were believed.
        times: (time,) seconds, rising, one a frame from the first detection to the last.
        azimuth: (time,) radians, counter-clockwise from +x, in (-pi, pi]; None where the array cannot know it.
        elevation: (time,) radians up from the horizon; None where the array cannot know it.
        deviation: (time,) radians, standard deviation of the direction along each way in which it can move.
        activity: (time,) probability that the source sounds.
        active: (time,) whether it sounds; in between it pauses, and the direction is where it should be.
        strength: (time,) how many bands it dominates, relative to a detection in a diffuse field; 0 where nothing was detected.
    """

    id: int
    times: FloatArray
    azimuth: FloatArray | None
    elevation: FloatArray | None
    deviation: FloatArray
    activity: FloatArray
    active: NDArray[np.bool_]
    strength: FloatArray

    def stretches(self, frame_seconds: float) -> NDArray[np.float64]:
        """(segment, 2) start and end in seconds of where it sounds."""
        first, stop = runs(self.active).T
        return np.stack([self.times[first] - frame_seconds / 2, self.times[stop - 1] + frame_seconds / 2], axis=1)

    def vectors(self) -> FloatArray:
        """(time, 3) unit vectors towards the source; angles that the array cannot know count as 0."""
        azimuth = np.zeros(len(self.times)) if self.azimuth is None else self.azimuth
        elevation = np.zeros(len(self.times)) if self.elevation is None else self.elevation
        return to_vectors(azimuth, elevation)


@dataclass(frozen=True)
class Tracks:
    """The tracks of a recording.

    Attributes:
        tracks: in the order of their ids.
        detections: what every frame was made of.
        duration: seconds of the recording.
        frame_seconds: from frame to frame.
        array: the microphones that were used.
        ambiguity: "none", "mirror" or "cone": directions that it cannot tell apart.
        assumptions, warnings: sentences for the user.
        inputs: names of the input files.
    """

    tracks: Sequence[Track]
    detections: Sequence[Detections]
    duration: float
    frame_seconds: float
    array: MicrophoneArray
    ambiguity: str
    assumptions: Sequence[str] = ()
    warnings: Sequence[str] = ()
    inputs: Sequence[str] = ()

    @property
    def times(self) -> NDArray[np.float64]:
        """(time,) seconds, middle of every frame."""
        return np.array([detections.time for detections in self.detections])
