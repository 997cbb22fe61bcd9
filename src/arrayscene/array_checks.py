"""What a microphone array can be: the shape, units and spacing of its positions, and the labels that fit them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.errors import GeometryError

Layout = Literal["mic-first", "axis-first"]

COINCIDENT = 1e-4
"""Metres below which two microphones are one: no two capsules fit into a tenth of a millimetre."""

LARGEST_APERTURE = 50.0
"""Metres above which an aperture is taken for a mistake of units."""

SPARSEST = 1.0
"""Metres between closest microphones from which on an array looks like centimetres: it would alias above 170 Hz."""


class GeometryWarning(UserWarning):
    """Positions that are possible but probably not meant, such as millimetres given for metres."""


def as_positions(xyz: ArrayLike, layout: Layout | None = None) -> NDArray[np.float64]:
    """Bring positions into the house's shape.

    Args:
        xyz: (M, 3), (M, 2) for a flat array at z = 0, or (3, M) where only that reading is possible; metres.
        layout: "mic-first" for (M, 3) or (M, 2), "axis-first" for (3, M) or (2, M); needed for 3 x 3 and 3 x 2 only.

    Returns:
        (M, 3) float64, a copy; not yet checked.

    Raises:
        GeometryError: not real numbers, no microphone, an impossible or ambiguous shape.
    """
    positions = _mic_first(_as_real(xyz), layout)
    if positions.shape[1] == 2:
        positions = np.column_stack([positions, np.zeros(len(positions))])
    return positions


def check_positions(positions: NDArray[np.float64]) -> None:
    """Refuse positions, (M, 3) in metres, that no array can have. Cost O(M^2).

    Raises:
        GeometryError: not finite, or two microphones in one place.

    Warns:
        GeometryWarning: the size looks like centimetres or millimetres.
    """
    if not np.isfinite(positions).all():
        mic, axis = np.argwhere(~np.isfinite(positions))[0]
        raise GeometryError(
            f"positions: microphone {mic + 1} has {'xyz'[axis]} = {positions[mic, axis]}; "
            "finite numbers in metres were wanted; correct it or leave that microphone out"
        )
    if len(positions) < 2:
        return
    first, second = np.triu_indices(len(positions), k=1)
    apart = distances(positions)
    closest = int(np.argmin(apart))
    if apart[closest] < COINCIDENT:
        raise GeometryError(
            f"positions: microphones {first[closest] + 1} and {second[closest] + 1} (counted from 1) are both at "
            f"{positions[first[closest]].tolist()} m; different places were wanted; correct one of them or leave it out"
        )
    aperture, nearest = float(apart.max()), float(apart[closest])
    if aperture > LARGEST_APERTURE:
        doubt = f"the aperture is {aperture:g} m; if that is millimetres, divide by 1000 ({aperture / 1000:g} m)"
    elif nearest >= SPARSEST:
        doubt = f"the closest microphones are {nearest:g} m apart; if that is centimetres, divide by 100 ({nearest / 100:g} m)"
    else:
        return
    warnings.warn(f"positions are in metres: {doubt}", GeometryWarning, stacklevel=5)


def distances(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of every pair of microphones once, (M (M - 1) / 2,) metres. Cost O(M^2)."""
    first, second = np.triu_indices(len(positions), k=1)
    return np.asarray(np.linalg.norm(positions[first] - positions[second], axis=1))


def check_labels(
    n_mics: int,
    names: Sequence[str],
    channels: Sequence[int] | None,
    hardware_channels: int | None,
    sample_rate: int | None,
    body_radius: float | None,
) -> None:
    """Refuse names, channels and sizes that do not fit `n_mics` microphones; the arguments are those of MicrophoneArray.

    Raises:
        GeometryError: naming the label and what it was.
    """
    if len(names) != n_mics or not all(isinstance(name, str) for name in names):
        raise GeometryError(f"names: {list(names)} came for {n_mics} microphones; one word per microphone was wanted")
    for label, value in (("hardware_channels", hardware_channels), ("sample_rate", sample_rate)):
        if value is not None:
            check_count(label, value)
    if body_radius is not None:
        check_length("body_radius", body_radius)
    if channels is None:
        return
    fits = all(_is_count(channel) and channel <= (hardware_channels or channel) for channel in channels)
    if not fits or len(set(channels)) != n_mics or len(channels) != n_mics:
        limit = "" if hardware_channels is None else f", at most {hardware_channels} (hardware_channels)"
        raise GeometryError(
            f"channels: {list(channels)} came for {n_mics} microphones; "
            f"one file channel per microphone was wanted, all different, counted from 1{limit}"
        )


def check_count(label: str, value: object) -> None:
    """Refuse what is not a whole number of at least 1.

    Raises:
        GeometryError: naming `label` and the value.
    """
    if not _is_count(value):
        raise GeometryError(f"{label} = {value!r} came; a whole number of at least 1 was wanted")


def check_length(label: str, value: object) -> None:
    """Refuse what is not a positive, finite number of metres.

    Raises:
        GeometryError: naming `label` and the value.
    """
    if not (isinstance(value, int | float | np.floating) and math.isfinite(value) and value > 0):
        raise GeometryError(f"{label} = {value!r} came; a positive, finite number of metres was wanted")


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def _as_real(xyz: ArrayLike) -> NDArray[np.float64]:
    try:
        raw = np.asarray(xyz)
    except ValueError as error:
        raise GeometryError(
            f"positions: rows of different length came ({error}); one [x, y, z] per microphone was wanted"
        ) from error
    if raw.dtype.kind not in "iuf":
        raise GeometryError(
            f"positions: {raw.dtype} of shape {raw.shape} came, starting with {raw.ravel()[:3].tolist()}; "
            "real numbers in metres were wanted, one [x, y, z] per microphone"
        )
    return raw.astype(np.float64)


def _mic_first(raw: NDArray[np.float64], layout: Layout | None) -> NDArray[np.float64]:
    if raw.size == 0:
        raise GeometryError(f"positions: no microphone came (shape {raw.shape}); at least one [x, y, z] was wanted")
    if raw.ndim != 2:
        raise GeometryError(f"positions: shape {raw.shape} came; (M, 3) was wanted, one [x, y, z] in metres per microphone")
    if layout == "axis-first":
        raw = raw.T
    elif layout == "mic-first":
        pass
    elif layout is not None:
        raise GeometryError(f"positions: layout {layout!r} came; 'mic-first' or 'axis-first' was wanted")
    elif raw.shape in ((3, 3), (3, 2)):
        raise GeometryError(
            f"positions: 3 x {raw.shape[1]} came, which can be read by row or by column; say layout='mic-first' if every row is "
            "one microphone, layout='axis-first' if the rows are x, y and z"
        )
    elif raw.shape[0] == 3:
        raw = raw.T
    if raw.shape[1] not in (2, 3):
        raise GeometryError(
            f"positions: {raw.shape[0]} microphones with {raw.shape[1]} coordinates each came; "
            "3 coordinates (or 2 for a flat array) in metres were wanted"
        )
    return np.array(raw, dtype=np.float64, order="C")
