"""The scene: who sounds where, how loud, and what each one sounds like by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Uncertainty:
    """How far draws of a source spread over frequency and time: what a decoder that draws knows of its errors.

    Attributes:
        frequencies: (band,) hertz, centres.
        times: (time,) seconds, centres.
        power: (band, time) mean power of the source, in one unit with `variance`.
        variance: (band, time) expected power of its error; NaN where nobody knows.
        draws: how many were made; 0: the decoder does not draw.
    """

    frequencies: FloatArray
    times: FloatArray
    power: FloatArray
    variance: FloatArray
    draws: int = 0

    @property
    def overall_db(self) -> float:
        """Expected power of the error over that of the source, all bands and times together, in dB; NaN where nobody knows."""
        known = np.isfinite(self.variance)
        heard = float(self.power[known].sum())
        return 10 * float(np.log10(max(self.variance[known].sum() / heard, 1e-12))) if heard > 0 else float("nan")


@dataclass(frozen=True)
class Path:
    """Where a source is at each moment.

    Attributes:
        times: (time,) seconds, rising.
        azimuth: (time,) radians, counter-clockwise from +x, in (-pi, pi]; None where the array cannot know it.
        elevation: (time,) radians up from the horizon; None where the array cannot know it.
        deviation: (time,) radians, standard deviation of the direction.
        active: (time,) whether it sounds, as its signal does; in between it pauses, and the direction is where it should be.
    """

    times: FloatArray
    azimuth: FloatArray | None
    elevation: FloatArray | None
    deviation: FloatArray
    active: NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """One recovered source.

    Attributes:
        azimuth: radians, counter-clockwise from +x, in (-pi, pi]; None where the array cannot know it.
        elevation: radians up from the horizon; None where the array cannot know it.
        distance: metres, or None where the recording cannot tell.
        level_db: RMS level of `signal` while active, dB re full scale (amplitude 1.0), at the reference microphone.
        active: (segment, 2) start and end in seconds of the stretches in which the source sounds.
        confidence: 0 to 1; how far the recording supports this source (see docs/architecture.md).
        signal: (sample,) the source alone as heard at the reference microphone, as long as the input.
        name: what the user calls it; None where nobody has said.
        uncertainty: how far the signal may be off; None where the decoder does not say.
        path: where it is at each moment, if it moves; `azimuth` and `elevation` are then those of its mean direction while it
            sounds. None for a source at rest.
        alternatives: (azimuth, elevation) in radians, None where not known, of other directions in which its sound is heard
            alike: that of a tone too high for the array. Mirror images, which every sound of some arrays has, are not among them.
    """

    azimuth: float | None
    elevation: float | None
    distance: float | None
    level_db: float
    active: FloatArray
    confidence: float
    signal: NDArray[np.float32]
    name: str | None = None
    uncertainty: Uncertainty | None = None
    path: Path | None = None
    alternatives: Sequence[tuple[float | None, float | None]] = ()


@dataclass(frozen=True)
class SoundMap:
    """Steered response power over direction and time.

    Attributes:
        azimuth, elevation: (direction,) radians.
        times: (time,) seconds, centre of each column.
        power: (direction, time) 0 to 1, the mean phase-transformed coherence towards each direction.
    """

    azimuth: FloatArray
    elevation: FloatArray
    times: FloatArray
    power: FloatArray

    def overall(self) -> FloatArray:
        """(direction,) power averaged over time."""
        return np.asarray(self.power.mean(axis=1))


@dataclass(frozen=True)
class Reliability:
    """How far to trust the result at each frequency.

    Attributes:
        frequencies: (freq,) hertz.
        reliability: (freq,) 0 to 1, the share of a source that can be right, mean over the sources: how well the response that
            was found tells them apart in the presence of what they leave unexplained.
        residual_db: (freq,) 10 log10 of |y - A x|^2 over |y|^2, summed over microphones and frames; 0 at most, where nothing of
            the recording is explained.
        condition: (freq,) condition number of the A that explains the recording.
        noise_gain_db: (freq,) white-noise gain, worst over the sources, of the inverse of the response that was found: what a
            linear decoder that keeps the sources apart does to sensor noise, above 0 dB amplifies it; not finite where there are
            more sources than microphones.
        aliasing_hz: frequency above which some other direction looks like that of a source to the array; infinite
            where there is none below half the sample rate.
    """

    frequencies: FloatArray
    reliability: FloatArray
    residual_db: FloatArray
    condition: FloatArray
    noise_gain_db: FloatArray
    aliasing_hz: float


@dataclass(frozen=True)
class Scene:
    """A recovered scene; `arrayscene.recover` makes it, `arrayscene.report.write_scene` puts it in a folder.

    Attributes:
        sources: loudest first.
        mixture: (sample,) what the reference microphone heard.
        sample_rate: hertz.
        array: the microphones that were used (bad channels are already left out).
        reference_channel: file channel (counted from 1) of the reference microphone.
        sound_map, reliability: what the pictures of the report show.
        method: name of the decoder that ran; `why`: why it was chosen, one sentence.
        ambiguity: "none", "mirror" or "cone": directions that this array cannot tell apart.
        assumptions, warnings: sentences for the user.
        inputs: names of the input files.
        timings: seconds spent, by step.
        start: seconds of the input at which the scene begins; every time of the scene counts from there.
    """

    sources: Sequence[Source]
    mixture: NDArray[np.float32]
    sample_rate: int
    array: MicrophoneArray
    reference_channel: int
    sound_map: SoundMap
    reliability: Reliability
    method: str
    why: str
    ambiguity: str
    assumptions: Sequence[str] = ()
    warnings: Sequence[str] = ()
    inputs: Sequence[str] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    start: float = 0.0

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.mixture) / self.sample_rate
