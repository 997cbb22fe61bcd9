"""What arrays are chosen for, and which figures count for how much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import ArraySceneError
from arrayscene.naming import one_of

Unit = Literal["dB", "Hz", "°", "m", "share"]


@dataclass(frozen=True)
class Criterion:
    """One figure and what it counts: no points at `poor`, all of `weight` at `good`, in proportion between.

    Attributes:
        figure: its name in `ArrayFigures.numbers`.
        label: what it is, in words.
        weight: points out of 100.
        poor, good: values of no and of full points; in proportion on a logarithmic scale for hertz, metres and degrees.
        unit: of the values.
        why: what it is good for.
    """

    figure: str
    label: str
    weight: int
    poor: float
    good: float
    unit: Unit
    why: str

    def share(self, value: float) -> float:
        """0 to 1: the share of the points that a value earns."""
        if self.unit in ("Hz", "°", "m"):
            if not 0 < value < math.inf:
                return float((value > 0) == (self.good > self.poor))
            value, poor, good = math.log(value), math.log(self.poor), math.log(self.good)
        else:
            poor, good = self.poor, self.good
        return min(1.0, max(0.0, (value - poor) / (good - poor)))


@dataclass(frozen=True)
class Purpose:
    """A use of an array.

    Attributes:
        name: what the user types.
        title: in a heading, after "for".
        scene: what is assumed, in a sentence.
        looks: directions that count: "azimuths" all around on the horizon, "sphere" every direction, "view" within 45 degrees of
            where the array faces.
        band: hertz over which figures are averaged, evenly in octaves.
        shown: hertz that the figures span.
        octaves: hertz at which patterns are drawn.
        white_noise_gain_db: floor of the superdirective decoder.
        criteria: what counts, 100 points in all.
    """

    name: str
    title: str
    scene: str
    looks: Literal["azimuths", "sphere", "view"]
    band: tuple[float, float]
    shown: tuple[float, float]
    octaves: tuple[float, ...]
    white_noise_gain_db: float
    criteria: tuple[Criterion, ...]

    def frequencies(self, per_octave: int) -> NDArray[np.float64]:
        """(freq,) hertz, evenly on a logarithmic axis through 1 kHz, over the span shown."""
        low, high = (round(per_octave * math.log2(hertz / 1000)) for hertz in self.shown)
        return np.asarray(1000.0 * 2.0 ** (np.arange(low, high + 1) / per_octave))

    def in_band(self, frequencies: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of (freq,) hertz count."""
        return (frequencies > 0.99 * self.band[0]) & (frequencies < 1.01 * self.band[1])


_SPEECH = (500.0, 1000.0, 2000.0, 4000.0)

_CONFERENCE = Purpose(
    name="conference",
    title="a conference",
    scene="Talkers all around at a moderate distance, told by azimuth, 100 Hz to 8 kHz; any of them may sit in the array's "
    "weakest direction, so the worst tenth of azimuths counts.",
    looks="azimuths",
    band=(100.0, 8000.0),
    shown=(100.0, 8000.0),
    octaves=_SPEECH,
    white_noise_gain_db=-10.0,
    criteria=(
        Criterion("superdirective_index_low_db", "directivity index, superdirective, worst tenth of azimuths",
                  30, 0.0, 12.0, "dB", "keeps room and other talkers out"),
        Criterion("unambiguous", "unambiguous azimuths", 25, 0.5, 1.0, "share", "tells talkers in front from behind"),
        Criterion("angle_error_high_deg", "least azimuth error, worst tenth of azimuths",
                  20, 1.0, 0.03, "°", "tells neighbours at the table apart"),
        Criterion("aliasing_low_hz", "aliasing limit, lowest",
                  15, 2000.0, 8000.0, "Hz", "keeps directions clear in the whole band"),
        Criterion("white_noise_gain_db", "white noise gain, delay-and-sum",
                  10, 3.0, 18.0, "dB", "keeps far talkers above the microphones' noise"),
    ),
)  # fmt: skip

_ROBOT = Purpose(
    name="robot",
    title="a robot",
    scene="Sounds from any direction, above and below included, on a small body whose own noise calls for robust decoding: no "
    "decoder may amplify sensor noise (white noise gain of 0 dB at least), 100 Hz to 8 kHz.",
    looks="sphere",
    band=(100.0, 8000.0),
    shown=(100.0, 8000.0),
    octaves=_SPEECH,
    white_noise_gain_db=0.0,
    criteria=(
        Criterion("unambiguous", "unambiguous directions", 25, 0.0, 1.0, "share", "tells up from down, front from back"),
        Criterion("aperture_m", "aperture", 20, 0.5, 0.1, "m", "fits on a small body"),
        Criterion("superdirective_index_low_db", "directivity index without amplified noise, worst tenth of directions",
                  15, 0.0, 10.0, "dB", "keeps other sounds out"),
        Criterion("white_noise_gain_db", "white noise gain, delay-and-sum",
                  15, 3.0, 18.0, "dB", "averages the noise of electronics and motors out"),
        Criterion("direction_error_high_deg", "least direction error, worst tenth of directions",
                  15, 2.0, 0.05, "°", "finds azimuth and elevation"),
        Criterion("aliasing_low_hz", "aliasing limit, lowest",
                  10, 2000.0, 8000.0, "Hz", "keeps directions clear in the whole band"),
    ),
)  # fmt: skip

_RECOGNITION = Purpose(
    name="recognition",
    title="speech recognition",
    scene="A talker at a known azimuth, any one, and a recogniser that needs 300 Hz to 4 kHz free of noise and room.",
    looks="azimuths",
    band=(300.0, 4000.0),
    shown=(100.0, 8000.0),
    octaves=_SPEECH,
    white_noise_gain_db=-10.0,
    criteria=(
        Criterion("superdirective_index_db", "directivity index, superdirective, mean",
                  45, 2.0, 14.0, "dB", "keeps room and noise out"),
        Criterion("white_noise_gain_db", "white noise gain, delay-and-sum",
                  25, 3.0, 18.0, "dB", "keeps the microphones' noise down"),
        Criterion("aliasing_low_hz", "aliasing limit, lowest",
                  15, 2000.0, 4000.0, "Hz", "keeps other directions out of the whole band"),
        Criterion("unambiguous", "unambiguous azimuths", 15, 0.5, 1.0, "share", "keeps noise from the mirror side out"),
    ),
)  # fmt: skip

_IMAGING = Purpose(
    name="imaging",
    title="acoustic imaging",
    scene="Maps of sound within 45° of where the array faces, by delay-and-sum, 500 Hz to 8 kHz; the array is turned "
    "to the scene.",
    looks="view",
    band=(500.0, 8000.0),
    shown=(125.0, 16000.0),
    octaves=(1000.0, 2000.0, 4000.0, 8000.0),
    white_noise_gain_db=-10.0,
    criteria=(
        Criterion("main_lobe_deg", "main lobe at half its power, delay-and-sum, mean of two planes",
                  30, 90.0, 10.0, "°", "tells sources side by side apart"),
        Criterion("aliasing_low_hz", "aliasing limit within the view, lowest",
                  25, 2000.0, 8000.0, "Hz", "keeps ghosts out of the map"),
        Criterion("delay_and_sum_index_db", "directivity index, delay-and-sum, mean",
                  20, 3.0, 15.0, "dB", "shows weak sources beside strong ones"),
        Criterion("unambiguous", "unambiguous directions in view", 15, 0.0, 1.0, "share", "puts every source in one place"),
        Criterion("white_noise_gain_db", "white noise gain, delay-and-sum",
                  10, 6.0, 18.0, "dB", "sees below the microphones' noise"),
    ),
)  # fmt: skip

PURPOSES: Mapping[str, Purpose] = {purpose.name: purpose for purpose in (_CONFERENCE, _ROBOT, _RECOGNITION, _IMAGING)}


def find_purpose(name: str) -> Purpose:
    """The purpose of that name.

    Raises: ArraySceneError that lists what is known.
    """
    return PURPOSES[one_of(name.strip(), list(PURPOSES), "--purpose", ArraySceneError)]
