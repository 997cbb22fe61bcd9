"""acoular's HDF5 time data as recordings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from arrayscene import Recording
from arrayscene.errors import DeviceError, RecordingError

h5py = pytest.importorskip("h5py", reason="HDF5 is read with h5py: pip install arrayscene[hdf5]")

RATE = 51200


def write(path: Path, data: np.ndarray | None = None, rate: object = float(RATE), name: str = "time_data") -> Path:
    data = np.random.default_rng(0).standard_normal((RATE, 3)) if data is None else data
    with h5py.File(path, "w") as file:
        node = file.create_dataset(name, data=data)
        if rate is not None:
            node.attrs["sample_freq"] = rate
    return path


def test_numbers_are_taken_as_they_are(tmp_path: Path) -> None:
    data = 5 * np.random.default_rng(0).standard_normal((RATE, 3))
    recording = Recording.read(write(tmp_path / "run.h5", data))
    assert (recording.n_mics, recording.sample_rate, recording.n_samples) == (3, RATE, RATE)
    assert recording.subtype == "DOUBLE"
    np.testing.assert_allclose(recording.samples, data.T, rtol=1e-6)


def test_stretches_channels_rates_and_blocks(tmp_path: Path) -> None:
    path = write(tmp_path / "run.hdf5")
    whole = Recording.read(path)
    part = Recording.read(path, channels=[3, 1], start=0.25, stop=0.5)
    np.testing.assert_array_equal(part.samples, whole.samples[[2, 0], RATE // 4 : RATE // 2])
    joined = np.hstack([block.samples for _, block in Recording.read(path).blocks(0.3)])
    np.testing.assert_array_equal(joined, whole.samples)
    assert Recording.read(path, sample_rate=16000).samples.shape == (3, 16000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "other"}, "holds other"),
        ({"rate": None}, "sample_freq"),
        ({"rate": 1000.0}, "at least 4000 Hz"),
        ({"rate": 48000.5}, "whole number"),
        ({"data": np.zeros(10)}, r"shape \(10,\)"),
        ({"data": np.zeros((10, 2), np.int16)}, "real numbers"),
        ({"data": np.zeros((0, 2))}, "shape"),
    ],
)
def test_files_that_hold_no_time_data(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        Recording.read(write(tmp_path / "run.h5", **options))  # type: ignore[arg-type]


def test_files_that_are_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with pytest.raises(RecordingError, match="no such file"):
        Recording.read(path)
    path.write_bytes(b"RIFF" * 100)
    with pytest.raises(RecordingError, match="cannot be read as HDF5"):
        Recording.read(path)


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    recording = Recording.read(write(tmp_path / "run.h5"))
    write(tmp_path / "run.h5", np.zeros((100, 3)))
    with pytest.raises(RecordingError, match="changed"):
        _ = recording.samples


def test_without_h5py_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "run.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DeviceError, match=r"arrayscene\[hdf5\]"):
        Recording.read(path)
