"""Arrays turned, moved and put together: what becomes of each field of MicrophoneArray."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.arguments import check_number
from arrayscene.errors import GeometryError

if TYPE_CHECKING:
    from arrayscene.array import MicrophoneArray


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """(3, 3) R = R_z(yaw) R_y(-pitch) R_x(roll), which turns the front to azimuth `yaw` and elevation `pitch`.

    Args:
        yaw: radians, counter-clockwise seen from above.
        pitch: radians, the front upwards.
        roll: radians, the left side upwards.

    Raises:
        GeometryError: an angle that is not finite.
    """
    for angle in (yaw, pitch, roll):
        check_number("rotation", angle, GeometryError)
    angles = (float(yaw), float(pitch), float(roll))
    if not all(math.isfinite(angle) for angle in angles):
        raise GeometryError(f"rotation: yaw, pitch, roll = {angles} came; finite radians were wanted")
    (cy, cp, cr), (sy, sp, sr) = (tuple(map(function, angles)) for function in (math.cos, math.sin))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return np.asarray(about_z @ about_y @ about_x, dtype=np.float64)


def selected_fields(array: MicrophoneArray, chosen: Sequence[int]) -> dict[str, Any]:
    """The fields that change where only some of the microphones, counted from 0, are kept."""
    channels = array.file_channels
    several = {field: getattr(array, field) for field in ("names", "directivity", "gains_db", "delays", "blocks")}
    return {
        "positions": array.positions[chosen],
        "orientations": None if array.orientations is None else array.orientations[chosen],
        "channels": tuple(channels[mic] for mic in chosen),
        "hardware_channels": array.hardware_channels or max(channels),
        **{field: None if values is None else tuple(values[mic] for mic in chosen) for field, values in several.items()},
    }


def turned_fields(array: MicrophoneArray, yaw: float, pitch: float, roll: float) -> dict[str, Any]:
    """The fields that change where an array is turned around the origin.

    Raises:
        GeometryError: an angle that is not finite, or a rigid cylinder that would no longer stand upright.
    """
    turn = rotation(yaw, pitch, roll)
    if array.body_radius is not None and array.body_shape == "cylinder" and abs(turn[2, 2]) < 1 - 1e-12:
        raise GeometryError(f"array {array.name!r} sits on an upright cylinder, which can only be turned by yaw")
    angles = ", ".join(
        f"{word} {math.degrees(angle):g}" for word, angle in (("yaw", yaw), ("pitch", pitch), ("roll", roll)) if angle
    )
    return {
        "positions": array.positions @ turn.T,
        "orientations": None if array.orientations is None else array.orientations @ turn.T,
        "zero_direction": f"+x, after a turn by {angles} degrees; before it {array.zero_direction}" if angles else "+x",
    }


def moved_positions(array: MicrophoneArray, offset: ArrayLike) -> NDArray[np.float64]:
    """Positions shifted by (3,) metres.

    Raises:
        GeometryError: not three finite numbers, or a rigid body that would leave the origin.
    """
    shift = as_place(offset, "moved: offset")
    held = array.body_radius is not None
    if held and (shift[:2].any() or (shift[2] and array.body_shape == "sphere")):
        raise GeometryError(
            f"array {array.name!r} sits on a rigid {array.body_shape} around the origin, from which it cannot be moved by "
            f"{shift.tolist()} m; leave it there, or drop the body first: dataclasses.replace(array, body_radius=None)"
        )
    return np.asarray(array.positions + shift)


def combined_fields(
    arrays: Sequence[MicrophoneArray], places: ArrayLike, rotations: Sequence[Sequence[float]] | None
) -> dict[str, Any]:
    """The fields of one array made of several; see `MicrophoneArray.combine`."""
    spots = np.asarray(places, dtype=np.float64)
    if not arrays or spots.shape != (len(arrays), 3):
        raise GeometryError(
            f"combine: {len(arrays)} arrays and places of shape {spots.shape} came; one [x, y, z] in metres for each of at least "
            "one array was wanted"
        )
    turns = [(0.0, 0.0, 0.0)] * len(arrays) if rotations is None else [tuple(angles) for angles in rotations]
    if len(turns) != len(arrays) or any(len(angles) != 3 for angles in turns):
        raise GeometryError(
            f"combine: rotations {rotations} came for {len(arrays)} arrays; one (yaw, pitch, roll) each was wanted"
        )
    parts = []
    for array, spot, (yaw, pitch, roll) in zip(arrays, spots, turns, strict=True):
        turned = array.rotated(yaw, pitch, roll) if yaw or pitch or roll else array
        parts.append(turned.moved(spot))
    if len(parts) > 1 and any(part.body_radius is not None for part in parts):
        raise GeometryError(
            "combine: an array on a rigid body came among several; only one body, around the origin, can be modelled: drop it "
            "first with dataclasses.replace(array, body_radius=None)"
        )
    rates = {part.sample_rate for part in parts}
    return {
        "positions": np.vstack([part.positions for part in parts]),
        "names": tuple(f"{number}: {name}" for number, part in enumerate(parts, start=1) for name in part.names),
        "blocks": tuple(number for number, part in enumerate(parts, start=1) for _ in part.names),
        "zero_direction": "+x, of the frame in which the sub-arrays were placed",
        "source": "combined from " + ", ".join(part.name for part in parts),
        "sample_rate": rates.pop() if len(rates) == 1 else None,
        "body_radius": parts[0].body_radius,
        "body_shape": parts[0].body_shape,
        "directivity": _joined(parts, "directivity", 1.0),
        "orientations": _joined_axes(parts),
        "gains_db": _joined(parts, "gains_db", 0.0),
        "delays": _joined(parts, "delays", 0.0),
        **_joined_channels(parts),
    }


def as_place(place: ArrayLike, label: str) -> NDArray[np.float64]:
    """Three finite numbers of metres.

    Raises:
        GeometryError: naming `label` and what came.
    """
    try:
        metres = np.asarray(place, dtype=np.float64)
    except (TypeError, ValueError):
        metres = np.array(math.nan)
    if metres.shape != (3,) or not np.isfinite(metres).all():
        raise GeometryError(f"{label} = {place!r} came; [x, y, z] in metres was wanted")
    return metres


def _joined(parts: Sequence[MicrophoneArray], field: str, neutral: float) -> tuple[float, ...] | None:
    if all(getattr(part, field) is None for part in parts):
        return None
    return tuple(value for part in parts for value in getattr(part, field) or (neutral,) * part.n_mics)


def _joined_axes(parts: Sequence[MicrophoneArray]) -> NDArray[np.float64] | None:
    if all(part.orientations is None for part in parts):
        return None
    # The axis of an omnidirectional microphone means nothing.
    ahead = [1.0, 0.0, 0.0]
    return np.vstack([np.tile(ahead, (part.n_mics, 1)) if part.orientations is None else part.orientations for part in parts])


def _joined_channels(parts: Sequence[MicrophoneArray]) -> dict[str, Any]:
    """The channels of one file that holds the devices' files side by side."""
    if all(part.channels is None and part.hardware_channels is None for part in parts):
        return {}
    widths = [part.hardware_channels or max(part.file_channels) for part in parts]
    starts = [sum(widths[:number]) for number in range(len(parts))]
    return {
        "channels": tuple(start + channel for start, part in zip(starts, parts, strict=True) for channel in part.file_channels),
        "hardware_channels": sum(widths),
    }
