"""The array file that a diagnosis or a calibration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.orientation import Turn
from arrayscene.errors import RecordingError
from arrayscene.recording import Recording
from arrayscene.time_data import open_file


def corrected_array(
    recording: Recording,
    hypothesis: Hypothesis,
    gains_db: Sequence[float],
    *,
    turn: Turn | None = None,
    scale: float = 1.0,
    why: str,
) -> MicrophoneArray:
    """The recording's array with everything in it that was found; polarities have no place in array files.

    Args:
        recording: all its channels, before `equalized`, so that known gains and delays stay.
        hypothesis: about all its rows.
        gains_db: of every row, to be added to what the array says.
        turn: of the array.
        scale: of the positions.
        why: added to the array's source.
    """
    array = recording.array
    assert array is not None
    positions, orientations = scale * array.positions, array.orientations
    if turn is not None:
        positions = positions @ turn.matrix.T
        orientations = None if orientations is None else orientations @ turn.matrix.T
    # Files are read by people. On a body microphones stay exactly on its surface, where its response is cheapest.
    positions = np.round(positions, 6 if array.body_radius is None else 12) + 0.0
    orientations = None if orientations is None else np.round(orientations, 6) + 0.0
    rows = hypothesis.row_of_mic
    known_gains = np.asarray(array.gains_db or [0.0] * array.n_mics)
    known_delays = np.asarray(array.delays or [0.0] * array.n_mics)
    gains = np.round((known_gains + np.asarray(gains_db))[rows], 2)
    delays = np.round((known_delays + np.asarray(hypothesis.delays))[rows], 7)
    fields: dict[str, object] = {}
    if rows != list(range(len(rows))):
        channels = tuple(recording.channels[row] for row in rows)
        # A map is used for files of as many channels as the device writes: those of this recording's, if it is another's.
        own = set(channels) == set(array.file_channels)
        fields |= {"channels": channels, "hardware_channels": array.hardware_channels if own else _channels_in_files(recording)}
    return replace(
        array,
        positions=positions,
        orientations=orientations,
        body_radius=None if array.body_radius is None else scale * array.body_radius,
        gains_db=tuple(gains.tolist()) if gains.any() else None,
        delays=tuple(delays.tolist()) if delays.any() else None,
        source=f"{array.source}; {why}",
        **fields,  # type: ignore[arg-type]  # Two fields of the kinds that the array has them.
    )


def _channels_in_files(recording: Recording) -> int | None:
    """Channels of the files that a recording came from, None where they are not there."""
    try:
        return sum(open_file(Path(name)).n_channels for name in recording.inputs) or None
    except RecordingError:
        return None


def widened(found: Hypothesis, rows: Sequence[int], n_mics: int) -> Hypothesis:
    """A hypothesis about some rows as one about all `n_mics`; the others are as they should be."""
    order, signs, delays = list(range(n_mics)), [1] * n_mics, [0.0] * n_mics
    for row, mic, sign, delay in zip(rows, found.order, found.signs, found.delays, strict=True):
        order[row], signs[row], delays[row] = rows[mic], sign, delay
    return Hypothesis(tuple(order), tuple(signs), tuple(delays))


def spread(values: Sequence[float] | NDArray[np.float64], rows: Sequence[int], n_mics: int) -> list[float]:
    """Values of some rows as a list for all `n_mics`; the others are 0."""
    wide = [0.0] * n_mics
    for row, value in zip(rows, values, strict=True):
        wide[row] = float(value)
    return wide
