"""Speech from a folder of anybody's files: found, split by speaker, cut into stretches that sound."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.activity import active_segments
from arrayscene.audio_writer import FORMATS
from arrayscene.errors import RecordingError
from arrayscene.recording import Recording

SUFFIXES = {f".{suffix}" for suffix in FORMATS} | {".aifc", ".au", ".snd", ".sph", ".voc", ".wave"}
"""Files that are tried; everything else in the folder is passed over in silence."""

TEST_SHARE = 0.2
"""Share of the speakers that is kept for the test."""

NAMED = 5
"""Files named in a warning before it only counts them."""


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


def find_speech(root: Path) -> dict[str, list[Path]]:
    """Audio files by speaker, both sorted.

    A file's speaker is the folder in `root` that it lies in, at any depth; a file in `root` itself belongs to the speaker whose
    name is its own up to the first `-`, `_`, `.` or space: `103-1240-0000.flac` and `103_b.wav` to `103`.

    Raises: RecordingError where there is no audio file.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not any(part.startswith(".") for part in inside.parts):
            found.setdefault(inside.parts[0] if len(inside.parts) > 1 else _first_word(path.stem), []).append(path)
    if not found:
        raise RecordingError(
            f"{root}: holds no audio file ({', '.join(sorted(SUFFIXES))}); put speech there, one folder a speaker, or name a new"
            " folder, which is filled with the voices of the package"
        )
    return dict(sorted(found.items()))


def speakers_of(speakers: list[str], train: bool) -> list[str]:
    """The speakers for training or for the test: never the same.

    A speaker is for the test where a hash of the name falls into the lowest fifth, so that a folder that grows keeps everybody on
    the side where they were. With few speakers the lowest is for the test in any case, and the highest for training; a single
    speaker is for training.

    Raises: RecordingError for the test of a single speaker.
    """
    ranked = sorted(speakers, key=_rank)
    if len(ranked) == 1:
        if train:
            return ranked
        raise RecordingError(
            f"one speaker only, {ranked[0]!r}: nobody is left for the test; add speech of others, one folder a speaker"
        )
    n_test = min(max(1, sum(_rank(name) < TEST_SHARE for name in ranked)), len(ranked) - 1)
    return sorted(ranked[n_test:] if train else ranked[:n_test])


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
        raise RecordingError(f"{root}: no file can be used: {_some(left_out)}")
    if left_out:
        count = "1 file was" if len(left_out) == 1 else f"{len(left_out)} files were"
        warnings.warn(f"{root}: {count} left out: {_some(left_out)}", DatasetWarning, stacklevel=3)
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


def _first_word(stem: str) -> str:
    for mark in "-_. ":
        stem = stem.partition(mark)[0] or stem
    return stem


def _rank(speaker: str) -> float:
    """0 to 1, the same for a name everywhere and always."""
    return int.from_bytes(hashlib.sha256(speaker.casefold().encode()).digest()[:8]) / 2**64


def _some(messages: list[str]) -> str:
    more = len(messages) - NAMED
    return "; ".join(messages[:NAMED]) + (f"; and {more} more" if more > 0 else "")
