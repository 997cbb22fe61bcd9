"""What a microphone array can be: the shape, units and spacing of its positions, and the labels that fit them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Literal, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.errors import GeometryError

Layout = Literal["mic-first", "axis-first"]

COINCIDENT = 1e-4
"""Metres below which two microphones are one: no two capsules fit into a tenth of a millimetre."""

LARGEST_APERTURE = 50.0
"""Metres above which an aperture is taken for a mistake of units."""

LARGEST_GAIN_DB = 120.0
"""dB above which a channel's gain is taken for a mistake."""

LARGEST_DELAY = 1.0
"""Seconds above which a channel's delay is taken for a mistake of units."""

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
    if aperture <= LARGEST_APERTURE and nearest < SPARSEST:
        return
    units = {"centimetres": 100, "millimetres": 1000}
    likely = {word: size for word, size in units.items() if 0.005 <= nearest / size <= 0.5 and aperture / size <= 5} or units
    meant = ", ".join(f"if those are {word}, divide by {size} (aperture {aperture / size:g} m)" for word, size in likely.items())
    warnings.warn(
        f"positions are in metres: the aperture is {aperture:g} m, the closest microphones are {nearest:g} m apart; {meant}",
        GeometryWarning,
        stacklevel=5,
    )


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
    blocks: Sequence[int] | None,
) -> None:
    """Refuse names, channels and counts that do not fit `n_mics` microphones; the arguments are those of MicrophoneArray.

    Raises:
        GeometryError: naming the label and what it was.
    """
    if len(names) != n_mics or not all(isinstance(name, str) for name in names):
        raise GeometryError(f"names: {list(names)} came for {n_mics} microphones; one word per microphone was wanted")
    for label, value in (("hardware_channels", hardware_channels), ("sample_rate", sample_rate)):
        if value is not None:
            check_count(label, value)
    if blocks is not None and not (len(blocks) == n_mics and all(_is_count(block) for block in blocks)):
        raise GeometryError(
            f"blocks: {list(blocks)} came for {n_mics} microphones; "
            "the number of its sub-array, counted from 1, was wanted for each microphone"
        )
    if channels is None:
        return
    fits = all(_is_count(channel) and channel <= (hardware_channels or channel) for channel in channels)
    if not fits or len(set(channels)) != n_mics or len(channels) != n_mics:
        limit = "" if hardware_channels is None else f", at most {hardware_channels} (hardware_channels)"
        raise GeometryError(
            f"channels: {list(channels)} came for {n_mics} microphones; "
            f"one file channel per microphone was wanted, all different, counted from 1{limit}"
        )


def check_body(radius: float | None, shape: str) -> None:
    """Refuse a body that is no sphere or cylinder of a positive radius.

    Raises:
        GeometryError: naming the field and what it was.
    """
    if radius is not None:
        check_length("body_radius", radius)
    if shape not in ("sphere", "cylinder"):
        raise GeometryError(f"body_shape: {shape!r} came; 'sphere' or 'cylinder' was wanted")


def as_numbers(label: str, values: object, n_mics: int, largest: float, unit: str) -> tuple[float, ...] | None:
    """One finite number for each microphone, of at most `largest` in absolute value, as plain floats; None stays None.

    Raises:
        GeometryError: naming `label` and what came.
    """
    if values is None:
        return None
    numbers = [float(value) if _is_number(value) else math.nan for value in _listed(values)]
    if len(numbers) != n_mics or not all(abs(number) <= largest for number in numbers):
        raise GeometryError(
            f"{label}: {_short(values)} came for {n_mics} microphones; "
            f"one number in {unit} for each was wanted, none beyond {largest:g} {unit}"
        )
    return tuple(numbers)


def as_directivity(values: object, n_mics: int) -> tuple[float, ...] | None:
    """One p from 0 (figure of eight) to 1 (omnidirectional) for each microphone; a single number stands for all.

    Raises:
        GeometryError: another number of values, or one outside 0 to 1.
    """
    if values is None:
        return None
    several = [values] * n_mics if _is_number(values) else _listed(values)
    numbers = [float(value) if _is_number(value) else math.nan for value in several]
    if len(numbers) != n_mics or not all(0 <= number <= 1 for number in numbers):
        raise GeometryError(
            f"directivity: {_short(values)} came for {n_mics} microphones; a number from 0 (figure of eight) over 0.5 (cardioid) "
            "to 1 (omnidirectional) was wanted for each, or one for all"
        )
    return tuple(numbers)


def as_orientations(
    axes: ArrayLike | None, positions: NDArray[np.float64], directivity: Sequence[float] | None
) -> NDArray[np.float64] | None:
    """Unit vectors along the microphones' axes, (M, 3), read-only.

    Args:
        axes: (M, 3) of any length; None for axes away from the array's centroid.
        positions: (M, 3) metres.
        directivity: p of each microphone; without it and without axes there is nothing to say.

    Raises:
        GeometryError: a vector for each microphone is not there or has no direction, or a directional microphone at the
            centroid whose axis is not given.
    """
    if axes is None and directivity is None:
        return None
    if axes is None:
        vectors = positions - positions.mean(axis=0)
        at_centre = np.linalg.norm(vectors, axis=1) < COINCIDENT
        # The axis of an omnidirectional microphone means nothing.
        vectors[at_centre] = [1.0, 0.0, 0.0]
        lost = [mic for mic in range(len(positions)) if at_centre[mic] and directivity is not None and directivity[mic] < 1]
        if lost:
            raise GeometryError(
                f"orientations: microphone {lost[0] + 1} (counted from 1) is directional and lies at the array's centroid, from "
                "which the others point away; give an axis [x, y, z] for each microphone"
            )
    else:
        raw = np.asarray(axes)
        if raw.shape != positions.shape or raw.dtype.kind not in "iuf" or not np.isfinite(raw).all():
            raise GeometryError(
                f"orientations: {_short(axes)} came for {len(positions)} microphones; one finite [x, y, z] for each was wanted"
            )
        vectors = raw.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    if not (lengths > 0).all():
        raise GeometryError(
            f"orientations: microphone {np.argmin(lengths) + 1} has [0, 0, 0]; a vector along its axis was wanted"
        )
    # What is of unit length already is kept to the last bit, so that a saved array is read back the same.
    vectors = np.array(np.where(np.abs(lengths - 1)[:, None] < 1e-12, vectors, vectors / lengths[:, None]))
    vectors.flags.writeable = False
    return vectors


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


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool) and math.isfinite(value)


def _listed(values: object) -> list[object]:
    return list(values) if isinstance(values, Iterable) and not isinstance(values, str) else []


def _short(values: object) -> str:
    words = str(values.tolist() if isinstance(values, np.ndarray) else list(values) if isinstance(values, tuple) else values)
    return words if len(words) <= 80 else f"{words[:77]}..."


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
