"""What `locate` finds: where each source is, as far as the array can know, how loud, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray

FloatArray = NDArray[np.floating[Any]]

Ambiguity = Literal["none", "mirror", "cone", "aliasing"]


@dataclass(frozen=True)
class LocatedSource:
    """One source.

    Attributes:
        azimuth: radians, counter-clockwise from +x, in (-pi, pi], as seen from the array's origin where the distance is known;
            None where the array cannot know it.
        azimuth_error: radians, one standard deviation; None with the azimuth.
        elevation: radians up from the horizon; None where the array cannot know it, and 0 was assumed.
        distance: metres from the array's origin; None where it cannot be known.
        distance_error: metres, one standard deviation.
        position: (3,) metres in the array's frame, where the distance is known.
        level_db: RMS level while it sounds, as heard by the reference microphone, reverberation included, dB re full scale.
        level_error_db: one standard deviation.
        level_1m_db: the level that it would have 1 m away, were there no room; None where the distance is not known.
        spl_db, spl_1m_db: both levels as dB SPL, where the calibration is known.
        active: (segment, 2) start and end in seconds.
        confidence: 0 to 1: the geometric mean of its support (the cube root of its votes relative to the strongest source's) and
            of the coherence with which they were given.
        ambiguity: "mirror" for a flat array, "cone" for a line: what the array cannot tell apart; "aliasing": the sound is so
            narrow and so high that other directions fit as well; "none".
        alternatives: (azimuth, elevation) in radians of other directions that fit as well; None where not known.
    """

    azimuth: float | None
    azimuth_error: float | None
    elevation: float | None
    distance: float | None
    distance_error: float | None
    position: FloatArray | None
    level_db: float
    level_error_db: float
    level_1m_db: float | None
    spl_db: float | None
    spl_1m_db: float | None
    active: FloatArray
    confidence: float
    ambiguity: Ambiguity
    alternatives: Sequence[tuple[float | None, float | None]]


@dataclass(frozen=True)
class Located:
    """The sources of a recording.

    Attributes:
        sources: strongest first.
        azimuth, elevation: (direction,) radians, of the grid; of a wide array, of its first part.
        power: (direction,) the map whose peaks the sources are, its highest value 1.
        array: the microphones that were used.
        reference_channel: file channel (counted from 1) of the microphone that levels refer to.
        sample_rate: hertz.
        duration: seconds.
        method: "votes", "pursuit", "overhead", "narrow-band", "music", "normmusic" or "srp".
        warnings: sentences for the user.
        inputs: names of the input files.
    """

    sources: Sequence[LocatedSource]
    azimuth: FloatArray
    elevation: FloatArray
    power: FloatArray
    array: MicrophoneArray
    reference_channel: int
    sample_rate: int
    duration: float
    method: str
    warnings: Sequence[str] = ()
    inputs: Sequence[str] = ()
