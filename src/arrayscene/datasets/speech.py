"""Speech from a folder of anybody's files: found, split by speaker, cut into stretches that sound."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.activity import active_segments
from arrayscene.errors import RecordingError
from arrayscene.naming import counted
from arrayscene.recording import Recording
from arrayscene.speakers import some, speakers_for_test

LOWEST_HZ = 70.0
"""Corner of a high-pass: the deepest voices end above, hum and handling noise lie below."""


class DatasetWarning(UserWarning):
    """Something about the speech of a dataset that its user should know: where it comes from, what was left out."""


class Stretch(NamedTuple):
    """A stretch in which one speaker talks.

    Attributes:
        speaker: name.
        samples: (sample,) float32, scaled so that the talk in its file has a mean power of 1.
    """

    speaker: str
    samples: NDArray[np.float32]


def speakers_of(speakers: list[str], train: bool) -> list[str]:
    """The speakers for training or for the test, never the same (`arrayscene.speakers.speakers_for_test`); one is for training.

    Raises: RecordingError for the test of a single speaker.
    """
    test = speakers_for_test(speakers) if len(speakers) > 1 else set()
    if not train and not test:
        raise RecordingError(
            f"one speaker only, {speakers[0]!r}: nobody is left for the test; add speech of others, one folder a speaker"
        )
    return sorted(set(speakers) - test if train else test)


def load_speech(
    files: dict[str, list[Path]], *, sample_rate: int, n_samples: int, max_seconds: float, root: Path
) -> list[Stretch]:
    """Read files, resample them, take out what lies below voices and cut them into stretches of sound, `n_samples` or longer.

    Files are read speaker by speaker in turn until there are `max_seconds`, so that everybody is heard. Of several channels the
    first is taken.

    Args:
        files: by speaker.
        sample_rate: hertz.
        n_samples: shortest stretch that is kept.
        max_seconds: of talk in all.
        root: folder, for messages.

    Raises: RecordingError where nothing usable is left; it names the files and what is wrong with them.

    Warns: DatasetWarning naming the files that cannot be read, hold silence only or are too short.

    Cost: reading, resampling and about 4 ms a second of sound at 48 kHz; memory 4 bytes a sample.
    """
    stretches: list[Stretch] = []
    left_out: list[str] = []
    wanted = max_seconds * sample_rate
    for speaker, path in _in_turn(files):
        if wanted <= 0:
            break
        try:
            found = _read(path, sample_rate, n_samples)
        except RecordingError as error:
            left_out.append(str(error))
            continue
        stretches += [Stretch(speaker, samples) for samples in found]
        wanted -= sum(len(samples) for samples in found)
    if not stretches:
        raise RecordingError(f"{root}: no file can be used: {some(left_out)}")
    if left_out:
        count = counted(len(left_out), "file was", "files were")
        warnings.warn(f"{root}: {count} left out: {some(left_out)}", DatasetWarning, stacklevel=3)
    return stretches


def _read(path: Path, sample_rate: int, n_samples: int) -> list[NDArray[np.float32]]:
    recording = Recording.read(path)
    voice = recording.select([0]).resample(sample_rate)
    samples = voice.samples[0]
    if not np.isfinite(samples).all():
        raise RecordingError(f"{path}: holds NaN or infinite values")
    samples = _without_rumble(samples, sample_rate)
    bounds = [(round(start * sample_rate), round(stop * sample_rate)) for start, stop in active_segments(samples, sample_rate)]
    talk = [samples[start:stop] for start, stop in bounds]
    if not talk:
        raise RecordingError(f"{path}: silence")
    long = [stretch for stretch in talk if len(stretch) >= n_samples]
    if not long:
        longest = max(len(stretch) for stretch in talk) / sample_rate
        raise RecordingError(f"{path}: too short ({longest:.3f} s of sound; {n_samples / sample_rate:.3f} s are needed)")
    power = np.mean(np.concatenate(long) ** 2, dtype=np.float64)
    return [(stretch / np.sqrt(power)).astype(np.float32) for stretch in long]


def _without_rumble(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    from scipy.signal import butter, sosfilt

    return np.asarray(sosfilt(butter(4, LOWEST_HZ, "highpass", fs=sample_rate, output="sos"), samples), np.float32)


def _in_turn(files: dict[str, list[Path]]) -> Iterator[tuple[str, Path]]:
    for row in zip_longest(*files.values()):
        yield from ((speaker, path) for speaker, path in zip(files, row, strict=True) if path is not None)
