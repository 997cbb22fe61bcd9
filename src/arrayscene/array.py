"""MicrophoneArray: where the microphones are, in which file channels, and what azimuth 0 means.

The frame is right-handed: x front, y left, z up; metres. Azimuth is counter-clockwise from +x, seen from above.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.array_checks import (
    GeometryWarning,
    Layout,
    as_positions,
    check_count,
    check_labels,
    check_length,
    check_positions,
    distances,
)
from arrayscene.array_files import SUFFIXES, read_fields, write_fields
from arrayscene.array_presets import find_preset, presets
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError

__all__ = ["GeometryWarning", "MicrophoneArray"]

FLAT = 0.02
"""Share of the aperture below which an array counts as flat along an axis: delays across it tell too little to localise by."""

_FRAME = "+x, the front; +y is left (azimuth 90 degrees), +z is up"


@dataclass(frozen=True, eq=False)
class MicrophoneArray:
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
        body_radius: metres; radius of the rigid sphere around the origin that carries the microphones, if there is one.

    Raises:
        GeometryError: positions that no array can have, or names and channels that do not fit them.
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

    def __post_init__(self) -> None:
        positions = as_positions(self.positions, "mic-first")
        check_positions(positions)
        positions.flags.writeable = False
        names = tuple(self.names) or tuple(f"mic {mic + 1}" for mic in range(len(positions)))
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "names", names)
        check_labels(len(positions), names, self.channels, self.hardware_channels, self.sample_rate, self.body_radius)
        # numpy integers are welcome, but a file holds plain ones.
        object.__setattr__(self, "channels", None if self.channels is None else tuple(int(channel) for channel in self.channels))

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
            body_radius: metres, of a rigid sphere around the origin.
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
        )

    @classmethod
    def circular(cls, n: int, radius: float, *, start_angle: float = 0.0, center: bool = False) -> MicrophoneArray:
        """Microphones evenly on a horizontal circle around the origin.

        Microphone m is at azimuth `start_angle` + 2 pi m / n: the first at `start_angle`, then counter-clockwise seen from above.

        Args:
            n: microphones on the circle.
            radius: metres.
            start_angle: radians counter-clockwise from +x, the azimuth of the first microphone.
            center: one more microphone at the origin, the last in order.

        Raises:
            GeometryError: n below 1 or a radius that is not positive and finite.
        """
        check_count("circular: n", n)
        check_length("circular: radius", radius)
        angles = start_angle + 2.0 * math.pi * np.arange(n) / n
        ring = radius * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(n)])
        return cls(
            positions=np.vstack([ring, np.zeros((1, 3))]) if center else ring,
            name=f"circular-{n}{'+1' if center else ''}-{radius:g}m",
            zero_direction=f"+x; microphone 1 is at azimuth {math.degrees(start_angle):g} degrees, numbered counter-clockwise",
            source="circular generator",
        )

    @classmethod
    def linear(cls, n: int, spacing: float, *, axis: Literal["x", "y", "z"] = "y") -> MicrophoneArray:
        """Microphones evenly on a line through the origin, which is its middle.

        Microphones are ordered by growing coordinate: along y from right to left, along x from back to front, along z upwards.

        Args:
            n: microphones.
            spacing: metres between neighbours.
            axis: along which they lie; with "y" azimuth 0 is broadside.

        Raises:
            GeometryError: n below 1, a spacing that is not positive and finite, or another axis.
        """
        check_count("linear: n", n)
        check_length("linear: spacing", spacing)
        meanings = {
            "x": "+x, along the line (endfire)",
            "y": "+x, broadside to the line",
            "z": "+x, broadside to the upright line",
        }
        if axis not in meanings:
            raise GeometryError(f"linear: axis {axis!r} came; 'x', 'y' or 'z' was wanted")
        positions = np.zeros((n, 3))
        positions[:, "xyz".index(axis)] = spacing * (np.arange(n) - (n - 1) / 2)
        return cls(positions=positions, name=f"linear-{n}-{spacing:g}m", zero_direction=meanings[axis], source="linear generator")

    @classmethod
    def rectangular(cls, nx: int, ny: int, dx: float, dy: float) -> MicrophoneArray:
        """A horizontal grid of microphones around the origin.

        Microphone ix * ny + iy is at column ix from back to front and iy from right to left: y runs fastest.

        Args:
            nx: microphones along x, to the front.
            ny: microphones along y, to the left.
            dx: metres between neighbours along x.
            dy: metres between neighbours along y.

        Raises:
            GeometryError: counts below 1 or distances that are not positive and finite.
        """
        check_count("rectangular: nx", nx)
        check_count("rectangular: ny", ny)
        check_length("rectangular: dx", dx)
        check_length("rectangular: dy", dy)
        x, y = np.meshgrid(dx * (np.arange(nx) - (nx - 1) / 2), dy * (np.arange(ny) - (ny - 1) / 2), indexing="ij")
        return cls(
            positions=np.column_stack([x.ravel(), y.ravel(), np.zeros(nx * ny)]),
            name=f"rectangular-{nx}x{ny}-{dx:g}x{dy:g}m",
            zero_direction="+x, along the side of nx microphones",
            source="rectangular generator",
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
    def load(cls, path: str | Path) -> MicrophoneArray:
        """Read an array from a JSON or TOML file.

        Only `positions`, a list of [x, y, z] in metres, is needed; the other keys are the attributes of this class.

        Raises:
            GeometryError: an unreadable or malformed file (with the line), an unknown key (with the nearest known one) or
                bad positions.
        """
        path = Path(path)
        fields = {"name": path.stem} | read_fields(path)
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
        write_fields(self.to_dict(), Path(path))

    @classmethod
    def resolve(cls, spec: MicrophoneArray | str | Path) -> MicrophoneArray:
        """Whatever a user names an array by.

        Args:
            spec: an array (returned as it is); a file, if it ends in .json or .toml or exists; "circular:N:RADIUS" or
                "linear:N:SPACING" in metres; else the name of a known device.

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
        if isinstance(spec, Path) or path.suffix.lower() in SUFFIXES or path.is_file():
            return cls.load(path)
        kind, colon, numbers = spec.partition(":")
        if colon and kind.strip().lower() in ("circular", "linear"):
            return cls._generate(kind.strip().lower(), numbers, spec)
        return cls.preset(spec)

    def spread(self, n: int) -> list[int]:
        """Indices (from 0, in order) of at most `n` microphones: the first, then always the one farthest from those before it.

        Cost: O(n M).
        """
        chosen, distance = [0], np.full(self.n_mics, np.inf)
        while len(chosen) < min(n, self.n_mics):
            distance = np.minimum(distance, np.linalg.norm(self.positions - self.positions[chosen[-1]], axis=1))
            chosen.append(int(np.argmax(distance)))
        return sorted(chosen)

    def select(self, indices: Sequence[int]) -> MicrophoneArray:
        """Some of the microphones, in the given order; their file channels stay those of the device's files.

        Args:
            indices: microphones counted from 0, each at most once.

        Raises:
            GeometryError: an index that is not there or is there twice, or none at all.
        """
        chosen = [int(index) for index in indices]
        if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= self.n_mics:
            raise GeometryError(f"select: {chosen} came; different microphones out of 0 to {self.n_mics - 1} were wanted")
        channels = self.file_channels
        return MicrophoneArray(
            positions=self.positions[chosen],
            name=self.name,
            names=tuple(self.names[index] for index in chosen),
            channels=tuple(channels[index] for index in chosen),
            hardware_channels=self.hardware_channels or max(channels),
            zero_direction=self.zero_direction,
            source=self.source,
            sample_rate=self.sample_rate,
            body_radius=self.body_radius,
        )

    @property
    def n_mics(self) -> int:
        """Number of microphones M."""
        return len(self.positions)

    @property
    def file_channels(self) -> tuple[int, ...]:
        """File channel, counted from 1, of each microphone."""
        return self.channels if self.channels is not None else tuple(range(1, self.n_mics + 1))

    @cached_property
    def aperture(self) -> float:
        """Largest distance between two microphones, metres; 0 for a single one."""
        return float(distances(self.positions).max(initial=0.0))

    def aliasing_hz(self, speed_of_sound: float = SPEED_OF_SOUND) -> float:
        """Frequency above which even the closest microphones are more than half a wavelength apart: c / (2 d_min).

        For an even line this is the exact limit: above it two directions give the same phases at all microphones. Irregular
        layouts decline more gently, because their other distances disagree with the false directions. Infinite for a single
        microphone.

        Args:
            speed_of_sound: m/s.

        Reference: H. L. Van Trees, Optimum Array Processing, 2002, section 2.4 (spatial sampling, d <= lambda / 2).
        """
        if self.n_mics == 1:
            return math.inf
        return speed_of_sound / (2.0 * float(distances(self.positions).min()))

    @cached_property
    def axes_rank(self) -> int:
        """Number of dimensions that the array spans: 0 a point, 1 a line, 2 a plane, 3 space.

        A principal axis counts where the array's extent along it is more than 2 % of the aperture; below that the delays
        across it are too small to tell the two sides apart.
        """
        if self.n_mics == 1:
            return 0
        centred = self.positions - self.positions.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        extent = np.ptp(centred @ axes.T, axis=0)
        return int(np.count_nonzero(extent > FLAT * self.aperture))

    @property
    def ambiguity(self) -> str:
        """Directions that the array cannot tell apart (free field, omnidirectional microphones).

        "none" for a three-dimensional array; "mirror" for a flat one, which hears a direction and its mirror image in the plane
        alike; "cone" for a line, which knows only the angle to itself; "all" for a single microphone.
        """
        return ("all", "cone", "mirror", "none")[self.axes_rank]

    def to_dict(self) -> dict[str, Any]:
        """What an array file holds: plain lists, numbers and words; what is not known is left out."""
        fields: dict[str, Any] = {
            "name": self.name,
            "zero_direction": self.zero_direction,
            "source": self.source,
            "names": list(self.names),
            "channels": None if self.channels is None else list(self.channels),
            "hardware_channels": self.hardware_channels,
            "sample_rate": self.sample_rate,
            "body_radius": self.body_radius,
            "positions": self.positions.tolist(),
        }
        return {key: value for key, value in fields.items() if value is not None}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MicrophoneArray) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.name, self.names, self.channels, self.n_mics))

    @classmethod
    def _from_fields(cls, fields: Any) -> MicrophoneArray:
        return cls.from_positions(
            fields["positions"], layout="mic-first", **{key: fields[key] for key in fields if key != "positions"}
        )

    @classmethod
    def _generate(cls, kind: str, numbers: str, spec: str) -> MicrophoneArray:
        match = re.fullmatch(r"\s*(\d+)\s*:\s*([0-9.eE+-]+)\s*", numbers)
        try:
            count, metres = int(match[1]), float(match[2])  # type: ignore[index]
        except (TypeError, ValueError) as error:
            size = "RADIUS" if kind == "circular" else "SPACING"
            raise GeometryError(f"array {spec!r}: {kind}:N:{size} was wanted, in metres, such as {kind}:6:0.05") from error
        return cls.circular(count, metres) if kind == "circular" else cls.linear(count, metres)
