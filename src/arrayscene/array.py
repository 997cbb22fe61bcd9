"""MicrophoneArray: where the microphones are, in which file channels, and what azimuth 0 means.

The frame is right-handed: x front, y left, z up; metres. Azimuth is counter-clockwise from +x, seen from above.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.arguments import as_indices, as_path
from arrayscene.array_checks import (
    LARGEST_DELAY,
    LARGEST_GAIN_DB,
    GeometryWarning,
    Layout,
    as_directivity,
    as_numbers,
    as_orientations,
    as_positions,
    check_body,
    check_labels,
    check_positions,
)
from arrayscene.array_files import READABLE, constructor_fields, file_fields, read_array, write_fields
from arrayscene.array_generators import LayoutGenerators
from arrayscene.array_imports import pyroomacoustics_fields
from arrayscene.array_measures import LayoutMeasures
from arrayscene.array_placing import combined_fields, moved_positions, selected_fields, turned_fields
from arrayscene.array_presets import find_preset, presets
from arrayscene.array_specs import generate
from arrayscene.errors import GeometryError

__all__ = ["BodyShape", "GeometryWarning", "MicrophoneArray"]

BodyShape = Literal["sphere", "cylinder"]

_FRAME = "+x, the front; +y is left (azimuth 90 degrees), +z is up"


@dataclass(frozen=True, eq=False)
class MicrophoneArray(LayoutGenerators, LayoutMeasures):
    """A set of microphones at known places.

    Attributes:
        positions: (M, 3) float64, read-only; metres; x front, y left, z up.
        name: what the array is called.
        names: one name per microphone; "mic 1" and so on unless given.
        channels: file channels, counted from 1, that hold the microphones, in their order; None where channel m is microphone m.
        hardware_channels: channels in the device's own files, where there are more than microphones.
        zero_direction: in words, where azimuth 0 points on the device.
        source: where the positions come from.
        sample_rate: hertz at which the device records, if it has one rate.
        body_radius: metres; radius of the rigid body around the origin that carries the microphones, if there is one.
        body_shape: "sphere", or "cylinder" for one along z so long that its ends do not matter.
        directivity: p of each microphone, which hears a plane wave with the gain p + (1 - p) cos(angle to its axis): 1 omni,
            0.5 cardioid, 0 figure of eight; one number stands for all; None where all are omnidirectional.
        orientations: (M, 3) float64, read-only, unit vectors along the microphones' axes; away from the array's centroid
            where `directivity` is given without them.
        gains_db: dB that each channel's electronics add; responses leave them out, `Recording.equalized` takes them out.
        delays: seconds that each channel's electronics add, treated alike; `delays_us`, microseconds, in files.
        blocks: sub-array that each microphone belongs to, counted from 1, in an array made of several.

    Raises:
        GeometryError: positions that no array can have, or other fields that do not fit them.
    """

    positions: NDArray[np.float64]
    name: str = "array"
    names: tuple[str, ...] = ()
    channels: tuple[int, ...] | None = None
    hardware_channels: int | None = None
    zero_direction: str = _FRAME
    source: str = "given by the user"
    sample_rate: int | None = None
    body_radius: float | None = None
    body_shape: BodyShape = "sphere"
    directivity: tuple[float, ...] | None = None
    orientations: NDArray[np.float64] | None = None
    gains_db: tuple[float, ...] | None = None
    delays: tuple[float, ...] | None = None
    blocks: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        positions = as_positions(self.positions, "mic-first")
        check_positions(positions)
        positions.flags.writeable = False
        names = tuple(self.names) or tuple(f"mic {mic + 1}" for mic in range(len(positions)))
        check_labels(len(positions), names, self.channels, self.hardware_channels, self.sample_rate, self.blocks)
        check_body(self.body_radius, self.body_shape)
        directivity = as_directivity(self.directivity, len(positions))
        # numpy integers are welcome, but a file holds plain ones.
        fields = {
            "positions": positions,
            "names": names,
            "channels": None if self.channels is None else tuple(int(channel) for channel in self.channels),
            "directivity": directivity,
            "orientations": as_orientations(self.orientations, positions, directivity),
            "gains_db": as_numbers("gains_db", self.gains_db, len(positions), LARGEST_GAIN_DB, "dB"),
            "delays": as_numbers("delays", self.delays, len(positions), LARGEST_DELAY, "s"),
            "blocks": None if self.blocks is None else tuple(int(block) for block in self.blocks),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    @classmethod
    def from_positions(
        cls,
        xyz: ArrayLike,
        *,
        name: str = "array",
        names: Iterable[str] = (),
        channels: Iterable[int] | None = None,
        hardware_channels: int | None = None,
        zero_direction: str = _FRAME,
        source: str = "given by the user",
        sample_rate: int | None = None,
        body_radius: float | None = None,
        body_shape: BodyShape = "sphere",
        directivity: Iterable[float] | float | None = None,
        orientations: ArrayLike | None = None,
        gains_db: Iterable[float] | None = None,
        delays: Iterable[float] | None = None,
        blocks: Iterable[int] | None = None,
        layout: Layout | None = None,
    ) -> MicrophoneArray:
        """An array of any layout.

        Args:
            xyz: (M, 3) metres, (M, 2) for a flat array at z = 0, or (3, M) where only that reading is possible.
            name: what the array is called.
            names: one name per microphone.
            channels: file channels, counted from 1, that hold the microphones.
            hardware_channels: channels in the device's own files.
            zero_direction: in words, where azimuth 0 points on the device.
            source: where the positions come from.
            sample_rate: hertz.
            body_radius: metres, of a rigid body around the origin.
            body_shape: "sphere" or "cylinder", the shape of that body.
            directivity: p of each microphone, or one for all: 1 omnidirectional, 0.5 cardioid, 0 figure of eight.
            orientations: (M, 3) axes of the microphones.
            gains_db: dB that each channel's electronics add.
            delays: seconds that each channel's electronics add.
            blocks: sub-array, counted from 1, of each microphone.
            layout: "mic-first" for (M, 3) or (M, 2), "axis-first" for (3, M) or (2, M); needed where the shape has two readings.

        Raises:
            GeometryError: positions that no array can have, 3 x 3 without `layout`, or labels that do not fit.

        Warns:
            GeometryWarning: the size looks like centimetres or millimetres.
        """
        return cls(
            positions=as_positions(xyz, layout),
            name=name,
            names=tuple(names),
            channels=None if channels is None else tuple(channels),
            hardware_channels=hardware_channels,
            zero_direction=zero_direction,
            source=source,
            sample_rate=sample_rate,
            body_radius=body_radius,
            body_shape=body_shape,
            directivity=directivity,  # type: ignore[arg-type]  # __post_init__ takes one number for all as well.
            orientations=None if orientations is None else np.asarray(orientations),
            gains_db=None if gains_db is None else tuple(gains_db),
            delays=None if delays is None else tuple(delays),
            blocks=None if blocks is None else tuple(blocks),
        )

    @classmethod
    def preset(cls, name: str) -> MicrophoneArray:
        """A known device, by name or alias; case and punctuation do not matter.

        Raises:
            GeometryError: no such device; the message suggests the nearest name.
        """
        return cls._from_fields(find_preset(name).fields)

    @staticmethod
    def preset_names() -> tuple[str, ...]:
        """The names of all known devices, sorted."""
        return tuple(preset.name for preset in presets())

    @classmethod
    def from_pyroomacoustics(cls, microphones: Any, *, name: str = "array") -> MicrophoneArray:
        """An array of pyroomacoustics: its (3, M) or (2, M) positions, or the object that holds them.

        Args:
            microphones: metres, axes first; or a `pyroomacoustics.MicrophoneArray` or `Beamformer`, whose rate and directivities
                of the cardioid family are taken over.
            name: what the array is called.

        Raises:
            GeometryError: positions that no array can have, or another directivity.
        """
        fields = pyroomacoustics_fields(microphones)
        return cls.from_positions(fields.pop("positions"), layout="mic-first", name=name, **fields)

    @classmethod
    def combine(
        cls,
        arrays: Sequence[MicrophoneArray],
        places: ArrayLike,
        *,
        rotations: Sequence[Sequence[float]] | None = None,
        name: str = "combined",
    ) -> MicrophoneArray:
        """One array made of several, whose `blocks` say which microphone belongs to which.

        Channels are those of a file that holds the devices' files side by side, in the order of the arrays.

        Args:
            arrays: the sub-arrays.
            places: (array, 3) metres, where the origin of each goes.
            rotations: (yaw, pitch, roll) in radians by which each is turned first, as `rotated` does; not at all if None.
            name: what the whole is called.

        Raises:
            GeometryError: places or rotations that do not fit the arrays, microphones in one place, or several arrays of
                which one sits on a rigid body.
        """
        return cls(name=name, **combined_fields(arrays, places, rotations))

    @classmethod
    def load(cls, path: str | Path) -> MicrophoneArray:
        """Read an array from a file; the suffix says what it is.

        .json, .toml: only `positions`, a list of [x, y, z] in metres, is needed; the other keys are the attributes of this class,
        but delays are in microseconds (`delays_us`). .xml: acoular's <pos Name= x= y= z=/>. .sofa: the receivers (AES69).
        Coordinates are kept as they are; where another frame was meant, `rotated` helps.

        Raises:
            GeometryError: an unreadable or malformed file (with the line), an unknown key (with the nearest known one) or
                bad positions.
            DeviceError: a .sofa file, and sofar is not installed.
        """
        path = as_path("array file", path, GeometryError)
        fields = {"name": path.stem} | read_array(path)
        try:
            return cls._from_fields(fields)
        except GeometryError as error:
            raise GeometryError(f"array file {path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the array to a JSON or TOML file, as the suffix says, whole or not at all; `load` gives back the same array.

        Raises:
            GeometryError: another suffix.
            ArraySceneError: the file cannot be written.
        """
        write_fields(self.to_dict(), as_path("array file", path, GeometryError))

    @classmethod
    def resolve(cls, spec: MicrophoneArray | str | Path) -> MicrophoneArray:
        """Whatever a user names an array by.

        Args:
            spec: an array (returned as it is); a file, if it ends in .json, .toml, .xml or .sofa or exists; a layout such as
                "circular:6:0.05" (the forms are in `arrayscene.array_specs.FORMS`); else the name of a known device.

        Raises:
            GeometryError: none of these, or the file or the device's name is wrong.
        """
        if isinstance(spec, MicrophoneArray):
            return spec
        if not isinstance(spec, str | Path):
            raise GeometryError(
                f"array: {type(spec).__name__} came; a MicrophoneArray, the name of a device or a file was wanted"
            )
        path = Path(spec)
        if isinstance(spec, Path) or path.suffix.lower() in READABLE or path.is_file():
            return cls.load(path)
        return generate(cls, spec) or cls.preset(spec)

    def rotated(self, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> MicrophoneArray:
        """The array turned around the origin, so that what was its front (+x) ends at azimuth `yaw` and elevation `pitch`.

        It is rolled first, then pitched, then yawed.

        Args:
            yaw: radians, counter-clockwise seen from above.
            pitch: radians, the front upwards.
            roll: radians, the left side upwards.

        Raises:
            GeometryError: an angle that is not finite, or a rigid cylinder that would no longer stand upright.
        """
        return replace(self, **turned_fields(self, yaw, pitch, roll))

    def moved(self, offset: ArrayLike) -> MicrophoneArray:
        """The array shifted by (3,) metres.

        Raises:
            GeometryError: not three finite numbers, or a rigid body that would leave the origin.
        """
        return replace(self, positions=moved_positions(self, offset))

    def select(self, indices: Sequence[int]) -> MicrophoneArray:
        """Some of the microphones, in the given order; their file channels stay those of the device's files.

        Args:
            indices: microphones counted from 0, each at most once.

        Raises:
            GeometryError: an index that is not there or is there twice, or none at all.
        """
        chosen = as_indices("select", indices, GeometryError)
        if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= self.n_mics:
            raise GeometryError(f"select: {chosen} came; different microphones out of 0 to {self.n_mics - 1} were wanted")
        return replace(self, **selected_fields(self, chosen))

    @property
    def file_channels(self) -> tuple[int, ...]:
        """File channel, counted from 1, of each microphone."""
        return self.channels if self.channels is not None else tuple(range(1, self.n_mics + 1))

    def to_dict(self) -> dict[str, Any]:
        """What an array file holds: plain lists, numbers and words; what is not known is left out."""
        return file_fields(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MicrophoneArray) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.name, self.names, self.channels, self.n_mics))

    @classmethod
    def _generated(cls, positions: NDArray[np.float64], **fields: Any) -> Self:
        return cls(positions=positions, **fields)

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Any]) -> MicrophoneArray:
        fields = constructor_fields(fields)
        return cls.from_positions(fields.pop("positions"), layout="mic-first", **fields)
