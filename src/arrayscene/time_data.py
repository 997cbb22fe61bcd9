"""acoular's HDF5 time data as files of a recording: /time_data (sample, channel) with its attribute sample_freq."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.audio_file import MIN_SAMPLE_RATE, AudioFile, check_there
from arrayscene.errors import DeviceError, RecordingError

SUFFIXES = (".h5", ".hdf5", ".hdf")

_NODE = "time_data"


@dataclass(frozen=True)
class TimeDataFile:
    """An HDF5 file of acoular's, opened for reading; what `AudioFile` is for audio.

    Attributes:
        path: as given.
        sample_rate: hertz.
        n_channels: columns of the data.
        n_samples: rows of the data.
        subtype: "FLOAT" or "DOUBLE", libsndfile's names of the sample formats.
        notes: none.
    """

    path: Path
    sample_rate: int
    n_channels: int
    n_samples: int
    subtype: str
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> TimeDataFile:
        """Read and check what the file says of itself.

        Args:
            path: an .h5 file with a dataset time_data (sample, channel) of real numbers and its attribute sample_freq in hertz.
                Numbers are taken as they are, mostly pascals.

        Raises:
            RecordingError: missing, no HDF5, without such data, or below 4000 Hz.
            DeviceError: h5py is not installed.
        """
        path = Path(path)
        check_there(path)
        with _opened(path) as file:
            data = file.get(_NODE)
            if data is None or not hasattr(data, "shape"):
                names = ", ".join(file.keys()) or "nothing"
                raise RecordingError(
                    f"{path}: holds {names}; a dataset {_NODE} (sample, channel), as acoular writes it, was wanted"
                )
            if len(data.shape) != 2 or data.dtype.kind != "f" or 0 in data.shape:
                raise RecordingError(
                    f"{path}: {_NODE} is {data.dtype} of shape {data.shape}; real numbers (sample, channel) were wanted"
                )
            rate = np.asarray(data.attrs.get("sample_freq", np.nan), dtype=np.float64).ravel()
            if rate.shape != (1,) or not np.isfinite(rate[0]) or rate[0] != round(rate[0]) or rate[0] < MIN_SAMPLE_RATE:
                raise RecordingError(
                    f"{path}: sample_freq is {rate.tolist()}; a whole number of at least {MIN_SAMPLE_RATE} Hz was wanted"
                )
            n_samples, n_channels = data.shape
            return cls(path, int(rate[0]), n_channels, n_samples, "FLOAT" if data.dtype.itemsize <= 4 else "DOUBLE")

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate

    def blocks(self, start: int, stop: int, size: int) -> Generator[NDArray[np.float32], None, None]:
        """Read samples `start` to `stop` in order.

        Args:
            start: first sample, counted from 0.
            stop: sample after the last one.
            size: samples a block.

        Yields:
            (sample, channel) float32; every block of `size` samples but the last.

        Raises:
            RecordingError: the file changed or cannot be read.
        """
        with _opened(self.path) as file:
            data = file[_NODE]
            if data.shape != (self.n_samples, self.n_channels):
                raise RecordingError(f"{self.path}: changed since it was opened; read it again")
            for first in range(start, stop, size):
                yield np.ascontiguousarray(data[first : min(first + size, stop)], dtype=np.float32)


SampleFile = AudioFile | TimeDataFile


def open_file(path: str | os.PathLike[str]) -> SampleFile:
    """Audio, or acoular's time data where the suffix is .h5, .hdf5 or .hdf.

    Raises: as `AudioFile.open` and `TimeDataFile.open`.
    """
    return TimeDataFile.open(path) if Path(path).suffix.lower() in SUFFIXES else AudioFile.open(path)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise DeviceError(f"{path}: HDF5 files are read with h5py, which is missing; pip install 'arrayscene[hdf5]'") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise RecordingError(
            f"{path}: cannot be read as HDF5 ({str(error).splitlines()[0]}); acoular's time data was wanted"
        ) from error
