"""Impulse responses from SOFA files (AES69): what was measured, seen from the listener."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import GeometryError
from arrayscene.response.impulse_responses import ImpulseResponses
from arrayscene.sofa_file import read_sofa, sofa_positions, sofa_values

if TYPE_CHECKING:
    import sofar

NEAREST = 1e-3
"""Metres from the listener below which a source has no direction."""


def read_impulse_sofa(path: Path) -> ImpulseResponses:
    """The impulse responses of a SOFA file of data type FIR: heads, arrays in free field or in a room.

    Directions are those of the source as the listener sees it: from its position, relative to its view and up vectors.

    Raises:
        GeometryError: another data type, or entries that are missing or do not fit each other.
    """
    sofa = read_sofa(path)
    kind = str(getattr(sofa, "GLOBAL_DataType", "none"))
    if kind != "FIR":
        raise GeometryError(
            f"SOFA file {path}: data of type {kind!r} (convention {getattr(sofa, 'GLOBAL_SOFAConventions', 'unknown')!r}) came;"
            " impulse responses, type 'FIR', were wanted; export the file so"
        )
    samples = sofa_values(sofa, path, "Data_IR")
    if samples.ndim != 3 or 0 in samples.shape:
        raise GeometryError(f"SOFA file {path}: Data.IR has shape {samples.shape}; (measurement, receiver, sample) was wanted")
    n_measured, n_receivers, _ = samples.shape
    receivers = sofa_positions(sofa, path, "ReceiverPosition")
    if len(receivers) != n_receivers:
        raise GeometryError(
            f"SOFA file {path}: Data.IR has {n_receivers} receivers, ReceiverPosition {len(receivers)}; as many were wanted"
        )
    rate = _sample_rate(sofa, path)
    seen = _from_listener(sofa, path, n_measured)
    distance = np.linalg.norm(seen, axis=1)
    if distance.min() < NEAREST:
        raise GeometryError(
            f"SOFA file {path}: the source of measurement {int(distance.argmin()) + 1} lies at the listener; a direction was"
            " wanted"
        )
    return ImpulseResponses(
        _with_delays(samples, _delays(sofa, path, n_measured, n_receivers)),
        rate,
        azimuth=np.arctan2(seen[:, 1], seen[:, 0]),
        elevation=np.arcsin(np.clip(seen[:, 2] / distance, -1, 1)),
        distance=distance,
        name=path.name,
    )


def _sample_rate(sofa: sofar.Sofa, path: Path) -> float:
    rates = np.unique(sofa_values(sofa, path, "Data_SamplingRate"))
    units = str(getattr(sofa, "Data_SamplingRate_Units", "hertz")).strip().lower()
    if len(rates) != 1 or rates[0] <= 0 or units not in ("hertz", "hz"):
        raise GeometryError(
            f"SOFA file {path}: Data.SamplingRate is {rates.tolist()} {units}; one positive rate in hertz was wanted"
        )
    return float(rates[0])


def _from_listener(sofa: sofar.Sofa, path: Path, n_measured: int) -> NDArray[np.float64]:
    """(measurement, 3) metres, x along the listener's view, z along its up vector made square to it."""
    source = _each(sofa_positions(sofa, path, "SourcePosition"), n_measured, path, "SourcePosition")
    offset = source - _each(_listener(sofa, path, "Position", [0, 0, 0]), n_measured, path, "ListenerPosition")
    view = _each(_listener(sofa, path, "View", [1, 0, 0]), n_measured, path, "ListenerView")
    up = _each(_listener(sofa, path, "Up", [0, 0, 1]), n_measured, path, "ListenerUp")
    left = np.cross(up, view)
    lengths = np.linalg.norm(left, axis=1)
    if lengths.min() < 1e-6:
        raise GeometryError(f"SOFA file {path}: ListenerView and ListenerUp are parallel or zero; two directions were wanted")
    front = view / np.linalg.norm(view, axis=1, keepdims=True)
    left /= lengths[:, None]
    axes = np.stack([front, left, np.cross(front, left)], axis=1)
    return np.asarray(np.einsum("mij,mj->mi", axes, offset))


def _listener(sofa: sofar.Sofa, path: Path, entry: str, otherwise: list[float]) -> NDArray[np.float64]:
    name = f"Listener{entry}"
    if getattr(sofa, name, None) is None:
        return np.array([otherwise], dtype=np.float64)
    return sofa_positions(sofa, path, name)


def _each(values: NDArray[np.float64], n_measured: int, path: Path, entry: str) -> NDArray[np.float64]:
    """(measurement, 3) of an entry that is given once or for each measurement."""
    if values.shape not in ((1, 3), (n_measured, 3)):
        raise GeometryError(
            f"SOFA file {path}: {entry} has shape {values.shape} for {n_measured} measurements; (1, 3) or ({n_measured}, 3) was"
            " wanted"
        )
    return np.broadcast_to(values, (n_measured, 3))


def _delays(sofa: sofar.Sofa, path: Path, n_measured: int, n_receivers: int) -> NDArray[np.float64]:
    """(measurement or 1, receiver) samples that the responses must be delayed by."""
    if getattr(sofa, "Data_Delay", None) is None:
        return np.zeros((1, n_receivers))
    delays = sofa_values(sofa, path, "Data_Delay")
    if delays.shape not in ((1, n_receivers), (n_measured, n_receivers)) or delays.min() < 0:
        raise GeometryError(
            f"SOFA file {path}: Data.Delay has shape {delays.shape} and values from {delays.min():g}; samples, 0 or more, for"
            f" each of {n_receivers} receivers were wanted, once or for each of {n_measured} measurements"
        )
    return delays


def _with_delays(samples: NDArray[np.float64], delays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Responses (measurement, receiver, tap) later by (measurement or 1, receiver) samples; fractions of one by a phase ramp."""
    if not delays.any():
        return samples
    n_taps = samples.shape[-1] + int(np.ceil(delays.max()))
    # As much silence again, so that the ringing of a fractional delay does not wrap around.
    n_fft = 1 << (2 * n_taps - 1).bit_length()
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(n_fft) * delays[..., None])
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, n_fft) * phase, n_fft)[..., :n_taps])
