"""What a recording can be: the shape and type of its samples, its rate, files that fit together, channels that fit the array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.arguments import as_indices, shown
from arrayscene.array import MicrophoneArray
from arrayscene.audio_file import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.time_data import SampleFile


def as_samples(samples: NDArray[Any]) -> NDArray[np.float32]:
    """(mic, sample) as C-contiguous float32, copied only where it is not that yet.

    Raises:
        ShapeError: samples that are not two-dimensional and real, or integers.
    """
    try:
        samples = np.asarray(samples)
    except ValueError:
        raise ShapeError(
            f"recording: {shown(samples)} came; (mic, sample) of real numbers, one length a row, is wanted"
        ) from None
    if samples.ndim != 2 or samples.shape[0] == 0 or not (np.isrealobj(samples) and np.issubdtype(samples.dtype, np.number)):
        raise ShapeError(f"recording: shape {samples.shape} of {samples.dtype} came; (mic, sample) of real numbers is wanted")
    if np.issubdtype(samples.dtype, np.integer):
        raise ShapeError(
            f"recording: {samples.dtype} samples came; floats with full scale 1.0 are wanted: "
            f"divide by {np.iinfo(samples.dtype).max + 1}"
        )
    return np.ascontiguousarray(samples, dtype=np.float32)


def as_rate(sample_rate: float) -> int:
    """A whole number of hertz from `MIN_SAMPLE_RATE` to `MAX_SAMPLE_RATE`.

    Raises:
        RecordingError: any other, or no number.
    """
    is_number = isinstance(sample_rate, int | float | np.number) and np.isrealobj(sample_rate)
    if not is_number or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE or sample_rate != int(sample_rate):
        came = f"{sample_rate} Hz" if is_number else repr(sample_rate)
        raise RecordingError(
            f"sample rate {came}; a whole number of at least {MIN_SAMPLE_RATE} Hz and at most {MAX_SAMPLE_RATE} is wanted"
        )
    return int(sample_rate)


def check_alike(files: Sequence[SampleFile]) -> None:
    """Refuse several files that cannot be the channels of one recording.

    Raises:
        RecordingError: one with several channels, or of another rate or length than the first.
    """
    if len(files) == 1:
        return
    for file in files:
        if file.n_channels != 1:
            raise RecordingError(
                f"{file.path}: {file.n_channels} channels among {len(files)} files; "
                "give one multichannel file, or several files with one channel each"
            )
    first = files[0]
    for file in files[1:]:
        if (file.sample_rate, file.n_samples) != (first.sample_rate, first.n_samples):
            raise RecordingError(
                f"{first.path} has {first.n_samples} samples at {first.sample_rate} Hz, {file.path} has {file.n_samples} at "
                f"{file.sample_rate} Hz; files of one recording have one length and one rate: cut or resample them alike first"
            )


def choose_channels(name: str, n: int, array: MicrophoneArray | None, asked: Sequence[int] | None) -> tuple[int, ...]:
    """File channels, counted from 1, of the microphones; see `Recording.read` for the rule.

    Args:
        name: of the recording, for errors.
        n: channels that it has.
        array: the microphones, if they are known.
        asked: the channels that the user asks for.

    Raises:
        RecordingError: a channel that does not exist or comes twice, or channels that do not fit the array.
    """
    if asked is not None:
        return _check_channels(name, n, array, tuple(as_indices(f"{name}: channels", asked, RecordingError)))
    if array is None:
        return tuple(range(1, n + 1))
    if array.channels is not None and n == (array.hardware_channels or max(array.channels)):
        return array.channels
    if n == array.n_mics:
        return tuple(range(1, n + 1))
    device = ""
    if array.channels is not None:
        device = f" (its device writes {array.hardware_channels or max(array.channels)} channels)"
    remedy = "choose the array that fits"
    if n > array.n_mics:
        numbers = ",".join(map(str, range(1, array.n_mics + 1)))
        remedy = f"say which file channels they are, such as --channels {numbers}, or {remedy}"
    raise RecordingError(
        f"{name}: {n} channel{'s' * (n != 1)} came; the array {array.name} has {array.n_mics} microphones{device}; {remedy}"
    )


def _check_channels(name: str, n: int, array: MicrophoneArray | None, asked: tuple[int, ...]) -> tuple[int, ...]:
    wrong = [channel for channel in asked if not 1 <= channel <= n]
    twice = sorted({channel for channel in asked if asked.count(channel) > 1})
    if not asked or wrong or twice:
        trouble = f"{wrong} not there" if wrong else f"{twice} more than once" if twice else "none at all"
        raise RecordingError(f"{name}: channels {list(asked)} asked for, {trouble}; different numbers from 1 to {n} are wanted")
    if array is not None and len(asked) != array.n_mics:
        raise RecordingError(
            f"{name}: {len(asked)} channels {list(asked)} asked for; the array {array.name} has {array.n_mics} microphones: "
            "give one file channel for each, in their order"
        )
    return asked
