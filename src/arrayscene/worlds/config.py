"""WorldConfig: what scenes may be like, as one readable page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

from arrayscene.array import MicrophoneArray
from arrayscene.array_presets import presets
from arrayscene.config_file import Settings, check_names
from arrayscene.errors import GeometryError, RecordingError

Range = tuple[float, float]
"""Least and most; a value is drawn evenly from between. Twice the same number fixes it."""

LAYOUTS = ("circular", "linear", "random", "preset")
"""Words for arrays that are drawn anew for every scene."""


@dataclass(frozen=True)
class WorldConfig(Settings):
    """What scenes may be like. A range is (least, most), a probability 0 to 1; every scene draws its own values.

    Attributes:
        sample_rate: hertz.
        duration: seconds of a scene.
        room_length, room_width, room_height: metres.
        t60: seconds at 1 kHz, as measured; (0, 0) for free air.
        t60_low, t60_high: T60 at 125 Hz and at 8 kHz over that at 1 kHz, even in octaves between; (1, 1) for walls that
            absorb all frequencies alike.
        arrays: what the array is drawn from: the words "circular", "linear", "random" (in a box) and "preset" (a known device),
            or anything that `MicrophoneArray.resolve` takes, such as "respeaker-usb-4" or "circular:6:0.05".
        n_mics: microphones of a drawn array, and of the known devices that "preset" may choose.
        circle_radius, line_spacing, box_side: metres, of drawn arrays.
        array_height: metres from the floor to the array's origin.
        wall_distance: least metres between the array's origin and a wall.
        position_error: metres, standard deviation of each coordinate of each microphone from where the array says it is.
        gain_error_db: standard deviation of the microphones' gains in dB.
        delay_error: seconds, standard deviation of the microphones' delays.
        n_talkers: talkers of a scene.
        distance: metres from the array's origin to a talker.
        talker_height: metres from the floor to a mouth.
        separation: radians, least azimuth between two talkers; as much as fits where so many do not.
        level_difference_db: level of each talker's image at the first microphone, relative to the others.
        speech_share: share of the scene in which a talker has speech; the rest is silence before and after.
        moving: probability that a talker walks, in a straight line and evenly.
        speed: m/s of one that walks.
        diffuse_snr_db: talkers over diffuse noise at the first microphone.
        point_noise: probability of a noise with a place.
        point_snr_db: talkers over that noise at the first microphone.
        noise_slope_db: dB an octave by which the spectrum of both noises falls above 100 Hz, negative.
        sensor_snr_db: talkers over white noise that is independent between microphones.
        level_db: RMS level of the mixture at the first microphone in dB full scale, lower where a peak would reach full scale.
        clipping: probability that the mixture is clipped.
        clip_db: how far its peak is then beyond full scale.
        early: seconds after the direct path that belong to the early target; 0 for the direct path alone.
        images_at: whether images, early targets and noise are kept at the first microphone ("reference") or at "all".

    Raises:
        RecordingError, GeometryError: a value that no scene can have, and which.
    """

    kind: ClassVar[str] = "world"

    sample_rate: int = 16000
    duration: float = 4.0

    room_length: Range = (3.0, 10.0)
    room_width: Range = (3.0, 8.0)
    room_height: Range = (2.5, 4.0)
    t60: Range = (0.15, 0.8)
    t60_low: Range = (0.9, 1.3)
    t60_high: Range = (0.6, 1.0)

    arrays: tuple[str, ...] = LAYOUTS
    n_mics: tuple[int, int] = (2, 16)
    circle_radius: Range = (0.03, 0.12)
    line_spacing: Range = (0.02, 0.06)
    box_side: Range = (0.06, 0.3)
    array_height: Range = (0.7, 1.6)
    wall_distance: float = 0.5
    position_error: float = 0.001
    gain_error_db: float = 0.7
    delay_error: float = 3e-6

    n_talkers: tuple[int, int] = (1, 4)
    distance: Range = (0.5, 4.0)
    talker_height: Range = (1.0, 1.9)
    separation: float = math.radians(15.0)
    level_difference_db: Range = (-3.0, 3.0)
    speech_share: Range = (0.7, 1.0)
    moving: float = 0.2
    speed: Range = (0.1, 1.0)

    diffuse_snr_db: Range = (10.0, 35.0)
    point_noise: float = 0.3
    point_snr_db: Range = (5.0, 25.0)
    noise_slope_db: Range = (-6.0, 0.0)
    sensor_snr_db: Range = (25.0, 60.0)

    level_db: Range = (-36.0, -20.0)
    clipping: float = 0.03
    clip_db: Range = (1.0, 6.0)

    early: float = 0.05
    images_at: Literal["reference", "all"] = "reference"

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _typed(field.name, getattr(self, field.name)))
        for name in _POSITIVE_RANGES:
            self._demand(getattr(self, name)[0] > 0, name, "positive numbers")
        for name in ("moving", "point_noise", "clipping"):
            self._demand(0 <= getattr(self, name) <= 1, name, "a probability from 0 to 1")
        for name in ("position_error", "gain_error_db", "delay_error", "early", "separation", "wall_distance"):
            self._demand(getattr(self, name) >= 0, name, "0 or more")
        self._demand(4000 <= self.sample_rate <= 192000, "sample_rate", "4000 to 192000 Hz")
        self._demand(0.1 <= self.duration <= 120, "duration", "0.1 to 120 seconds")
        self._demand(self.t60[0] >= 0, "t60", "seconds, or 0 for free air")
        self._demand(1 <= self.n_mics[0] and self.n_mics[1] <= 64, "n_mics", "1 to 64 microphones")
        self._demand(1 <= self.n_talkers[0] and self.n_talkers[1] <= 20, "n_talkers", "1 to 20 talkers")
        self._demand(self.speech_share[1] <= 1, "speech_share", "shares up to 1")
        self._demand(self.position_error <= 0.02, "position_error", "at most 0.02 m")
        self._demand(self.delay_error <= 1e-4, "delay_error", "at most 1e-4 s")
        self._demand(self.early <= 0.06, "early", "at most 0.06 s, as long as images are exact,")
        self._demand(self.images_at in ("reference", "all"), "images_at", "'reference' or 'all'")
        self._demand(len(self.arrays) > 0, "arrays", "at least one layout, device or file")
        self._check_arrays()

    @property
    def n_samples(self) -> int:
        """Samples of a scene."""
        return round(self.duration * self.sample_rate)

    def to_dict(self) -> dict[str, Any]:
        """What a file holds: plain numbers, words and lists; the separation in degrees."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        separation = values.pop("separation")
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return plain | {"separation_deg": round(math.degrees(separation), 9)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            ArraySceneError: as in `load`.
        """
        if not isinstance(values, Mapping):
            raise RecordingError(f"WorldConfig: {type(values).__name__} came; a table of names and values was wanted")
        given = dict(values)
        if "separation_deg" in given:
            degrees = given.pop("separation_deg")
            if not isinstance(degrees, int | float):
                raise RecordingError(f"WorldConfig: separation_deg = {degrees!r} came; a number of degrees was wanted")
            given["separation"] = math.radians(degrees)
        check_names(given, [field.name for field in fields(cls)], "WorldConfig")
        return cls(**given)

    def _check_arrays(self) -> None:
        """Every array must fit into the largest room."""
        largest = (self.room_length[1], self.room_width[1], self.room_height[1])
        for spec in self.arrays:
            if spec == "preset":
                if not fitting_presets(self.n_mics):
                    raise GeometryError(f"WorldConfig: no known device has {self.n_mics[0]} to {self.n_mics[1]} microphones")
            elif spec not in LAYOUTS:
                array = MicrophoneArray.resolve(spec)
                if array.aperture > min(largest[0], largest[1]) - 2 * 0.1:
                    raise GeometryError(
                        f"WorldConfig: the array {spec} is {array.aperture:.2f} m wide and does not fit into the largest room, "
                        f"{largest[0]:g} x {largest[1]:g} x {largest[2]:g} m; enlarge room_length and room_width"
                    )
        if 2 * self.wall_distance >= min(largest[:2]):
            raise GeometryError(
                f"WorldConfig: wall_distance = {self.wall_distance:g} m leaves no place for an array in the largest room, "
                f"{largest[0]:g} x {largest[1]:g} m; make it smaller or the rooms larger"
            )


def fitting_presets(n_mics: tuple[int, int]) -> list[str]:
    """Names of the known devices with so many microphones, sorted."""
    return sorted(preset.name for preset in presets() if n_mics[0] <= len(preset.fields["positions"]) <= n_mics[1])


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(WorldConfig)}

_COUNTS = ("n_mics", "n_talkers")

_POSITIVE_RANGES = (
    *("room_length", "room_width", "room_height", "t60_low", "t60_high", "circle_radius", "line_spacing", "box_side"),
    *("array_height", "distance", "talker_height", "speech_share", "speed", "clip_db"),
)


def _typed(name: str, value: Any) -> Any:
    """A field's value in its own type; ranges become tuples of two rising finite numbers."""
    default = _DEFAULTS[name]
    wrong = RecordingError(f"WorldConfig: {name} = {value!r} came; {_wanted(default)} was wanted")
    if name == "images_at":
        return value
    if name == "arrays":
        words = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
        if not all(isinstance(word, str) for word in words):
            raise wrong
        return words
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_is_number, value)) or value[0] > value[1]:
            raise wrong
        if name in _COUNTS:
            if any(number != int(number) for number in value):
                raise wrong
            return (int(value[0]), int(value[1]))
        return (float(value[0]), float(value[1]))
    if not _is_number(value) or (isinstance(default, int) and value != int(value)):
        raise wrong
    return type(default)(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wanted(default: Any) -> str:
    if isinstance(default, tuple) and default and not isinstance(default[0], str):
        return f"two numbers, least and most, such as {list(default)},"
    return "a list of words" if isinstance(default, tuple) else f"a number such as {default!r}"
