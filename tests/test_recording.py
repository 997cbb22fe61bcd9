"""Recording: what is read, which channels are the microphones, and that blocks are the whole."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.recording import Recording

RATE = 16000


def noise(n_mics: int, n_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n_mics, n_samples)).astype(np.float32)


def numbered(path: Path, n_channels: int, rate: int = RATE, n_samples: int = 100) -> Path:
    """A file whose channel c (from 1) holds c / 100 throughout."""
    samples = np.tile(np.arange(1, n_channels + 1) / 100, (n_samples, 1))
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def values(recording: Recording) -> list[int]:
    return [round(100 * float(row[0])) for row in recording.samples]


# --- which channels are the microphones


def test_without_an_array_all_channels_come_or_those_asked_for(tmp_path: Path) -> None:
    path = numbered(tmp_path / "x.wav", 5)
    assert values(Recording.read(path)) == [1, 2, 3, 4, 5]
    some = Recording.read(path, channels=(4, 1))
    assert (values(some), some.channels, some.array) == ([4, 1], (4, 1), None)


def test_a_file_with_as_many_channels_as_microphones_is_taken_whole(tmp_path: Path) -> None:
    array = MicrophoneArray.from_positions(np.eye(4, 3) * 0.1, channels=(2, 3, 4, 5), hardware_channels=6)
    recording = Recording.read(numbered(tmp_path / "x.wav", 4), array=array)
    assert (values(recording), recording.channels) == ([1, 2, 3, 4], (1, 2, 3, 4))


def test_a_file_of_the_device_is_taken_by_its_channel_map(tmp_path: Path) -> None:
    array = MicrophoneArray.from_positions(np.eye(4, 3) * 0.1, channels=(5, 3, 4, 2), hardware_channels=6)
    recording = Recording.read(numbered(tmp_path / "x.wav", 6), array=array)
    assert (values(recording), recording.channels) == ([5, 3, 4, 2], (5, 3, 4, 2))
    assert recording.array == array


def test_every_preset_reads_a_file_of_its_device(tmp_path: Path) -> None:
    for name in MicrophoneArray.preset_names():
        array = MicrophoneArray.preset(name)
        n_channels = array.hardware_channels or max(array.file_channels)
        recording = Recording.read(numbered(tmp_path / "x.wav", n_channels), array=name)
        assert values(recording) == list(array.file_channels), name


def test_channels_asked_for_win(tmp_path: Path) -> None:
    array = MicrophoneArray.linear(3, 0.05)
    recording = Recording.read(numbered(tmp_path / "x.wav", 3), array=array, channels=[3, 2, 1])
    assert (values(recording), recording.channels) == ([3, 2, 1], (3, 2, 1))


def test_array_by_name_and_by_file(tmp_path: Path) -> None:
    array = MicrophoneArray.linear(3, 0.05)
    array.save(tmp_path / "line.toml")
    path = numbered(tmp_path / "x.wav", 3)
    assert Recording.read(path, array=tmp_path / "line.toml").array == array
    assert Recording.read(path, array="linear:3:0.05").array is not None
    with pytest.raises(GeometryError):
        Recording.read(path, array="no-such-device")


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (None, r"5 channels came; the array .* has 3 microphones.*--channels 1,2,3"),
        ((1, 2), r"2 channels \[1, 2\] asked for; the array .* has 3 microphones"),
        ((1, 2, 6), r"\[6\] not there; different numbers from 1 to 5"),
        ((0, 1, 2), r"\[0\] not there"),
        ((1, 2, 2), r"\[2\] more than once"),
        ((), r"none at all"),
    ],
)
def test_channels_that_do_not_fit_are_refused(tmp_path: Path, channels: tuple[int, ...] | None, message: str) -> None:
    path = numbered(tmp_path / "x.wav", 5)
    with pytest.raises(RecordingError, match=message):
        Recording.read(path, array=MicrophoneArray.linear(3, 0.05), channels=channels)


def test_mono_for_an_array_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="1 channel came; the array"):
        Recording.read(numbered(tmp_path / "x.wav", 1), array=MicrophoneArray.linear(3, 0.05))


# --- one file a microphone


def test_one_file_a_microphone_in_order(tmp_path: Path) -> None:
    x = noise(3, 500)
    paths = [tmp_path / f"mic{mic}.wav" for mic in range(3)]
    for path, row in zip(paths, x, strict=True):
        soundfile.write(path, row, RATE, subtype="FLOAT")
    recording = Recording.read(paths, array=MicrophoneArray.linear(3, 0.05))
    np.testing.assert_array_equal(recording.samples, x)
    assert recording.inputs == tuple(str(path) for path in paths)
    np.testing.assert_array_equal(Recording.read(paths, channels=(3, 1)).samples, x[[2, 0]])


def test_files_of_different_length_or_rate_are_named_with_their_figures(tmp_path: Path) -> None:
    a, b, c = (
        numbered(tmp_path / "a.wav", 1),
        numbered(tmp_path / "b.wav", 1, n_samples=90),
        numbered(tmp_path / "c.wav", 1, 8000),
    )
    with pytest.raises(RecordingError, match=r"a\.wav has 100 samples at 16000 Hz, .*b\.wav has 90 at 16000 Hz"):
        Recording.read([a, b])
    with pytest.raises(RecordingError, match=r"a\.wav has 100 samples at 16000 Hz, .*c\.wav has 100 at 8000 Hz"):
        Recording.read([a, c])
    with pytest.raises(RecordingError, match=r"two\.wav: 2 channels among 2 files"):
        Recording.read([a, numbered(tmp_path / "two.wav", 2)])
    with pytest.raises(RecordingError, match="no file came"):
        Recording.read([])


# --- in memory


def test_samples_are_checked() -> None:
    with pytest.raises(ShapeError, match="shape"):
        Recording(np.zeros(100), RATE)
    with pytest.raises(ShapeError, match="divide by 32768"):
        Recording(np.zeros((2, 100), np.int16), RATE)
    with pytest.raises(ShapeError, match="complex"):
        Recording(np.zeros((2, 100), complex), RATE)
    with pytest.raises(RecordingError, match="no samples"):
        Recording(np.zeros((2, 0)), RATE)
    with pytest.raises(RecordingError, match="3999"):
        Recording(np.zeros((2, 10)), 3999)
    with pytest.raises(RecordingError, match=r"2 channels came; the array .* has 3 microphones"):
        Recording(np.zeros((2, 10)), RATE, array=MicrophoneArray.linear(3, 0.05))


def test_samples_that_are_as_wanted_are_not_copied() -> None:
    x = noise(2, 100)
    assert Recording(x, RATE).samples is x
    fortran = Recording(np.asfortranarray(x.astype(np.float64)), RATE).samples
    assert (fortran.dtype, fortran.flags.c_contiguous) == (np.float32, True)


def test_select_takes_channels_and_array_along(tmp_path: Path) -> None:
    array = MicrophoneArray.linear(4, 0.05)
    path = numbered(tmp_path / "x.wav", 6)
    for recording in (
        Recording.read(path, array=array, channels=(2, 3, 5, 6)),
        Recording(noise(4, 10), RATE, array, (2, 3, 5, 6)),
    ):
        chosen = recording.select([3, 0])
        assert chosen.channels == (6, 2)
        assert chosen.array is not None
        np.testing.assert_array_equal(chosen.array.positions, array.positions[[3, 0]])
        np.testing.assert_array_equal(chosen.samples, recording.samples[[3, 0]])
    for rows in ([], [4], [0, 0], [-1]):
        with pytest.raises(RecordingError, match="rows"):
            recording.select(rows)


def test_segment_outside_the_recording_is_refused(tmp_path: Path) -> None:
    recording = Recording.read(numbered(tmp_path / "x.wav", 2, n_samples=RATE))
    assert recording.segment(0.25, 0.5).n_samples == RATE // 4
    assert recording.segment(0.75).duration == 0.25
    for start, stop in ((-0.1, 0.5), (0.5, 0.5), (0.6, 0.5), (0.5, 1.1), (2.0, None)):
        with pytest.raises(RecordingError, match=r"0 to 1\.000 s"):
            recording.segment(start, stop)
    for start, stop in ((math.nan, 0.5), (0.0, math.inf)):
        with pytest.raises(RecordingError, match="finite"):
            recording.segment(start, stop)


def test_resampling_too_short_a_recording() -> None:
    with pytest.raises(RecordingError, match="leave none"):
        Recording(np.zeros((1, 3)), 192000).resample(4000)
    with pytest.raises(RecordingError, match="3000"):
        Recording(np.zeros((1, 300)), 192000).resample(3000)


def test_resampling_keeps_a_tone() -> None:
    t = np.arange(44100) / 44100
    recording = Recording(np.sin(2 * np.pi * 1000 * t)[None], 44100).resample(RATE)
    expected = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(recording.samples[0, 500:-500], expected[500:-500], atol=1e-4)


# --- blocks are the whole


def joined(recording: Recording, seconds: float, overlap: float) -> np.ndarray:
    parts, covered = [], 0
    for start, block in recording.blocks(seconds, overlap):
        assert start <= covered
        assert start + block.n_samples > covered
        parts.append(block.samples[:, covered - start :])
        covered = start + block.n_samples
        assert block.channels == recording.channels
    return np.concatenate(parts, axis=1)


@pytest.fixture(scope="module")
def file_44k(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blocks") / "x.wav"
    soundfile.write(path, noise(3, 60000).T, 44100, subtype="FLOAT")
    return path


lengths = st.tuples(st.integers(1, 70000), st.floats(0, 0.95)).filter(lambda pair: pair[0] * (1 - pair[1]) > 300)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths, st.booleans())
def test_blocks_of_any_length_and_overlap_are_the_whole(file_44k: Path, lengths: tuple[int, float], loaded: bool) -> None:
    recording = Recording.read(file_44k)
    if loaded:
        assert recording.samples.shape == (3, 60000)
    size, share = lengths
    np.testing.assert_array_equal(joined(recording, size / 44100, int(size * share) / 44100), noise(3, 60000))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([8000, 16000, 44101, 48000]), st.integers(300, 50000), st.integers(0, 59000), st.integers(500, 60000))
def test_resampling_in_blocks_is_resampling_the_whole(file_44k: Path, rate: int, size: int, first: int, length: int) -> None:
    last = min(60000, first + length)
    start, stop = first / 44100, last / 44100
    whole = Recording(noise(3, 60000)[:, first:last], 44100).resample(rate)
    lazy = Recording.read(file_44k, sample_rate=rate, start=start, stop=stop)
    assert lazy.n_samples == whole.n_samples
    np.testing.assert_allclose(joined(lazy, size / rate, 0), whole.samples, atol=2e-6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([8000, 16000, 44101, 96000]), st.floats(0, 1.3), st.floats(0.01, 1.3))
def test_a_segment_of_a_resampled_file_is_that_of_the_whole(file_44k: Path, rate: int, start: float, length: float) -> None:
    whole = Recording(noise(3, 60000), 44100).resample(rate)
    lazy = Recording.read(file_44k).resample(rate).select([2, 0]).segment(start, min(start + length, whole.duration))
    first = round(start * rate)
    np.testing.assert_allclose(lazy.samples, whole.samples[[2, 0], first : first + lazy.n_samples], atol=1e-5)


def test_reading_a_long_file_in_blocks_never_loads_it(file_44k: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> np.ndarray:
        raise AssertionError("the whole file was loaded")

    monkeypatch.setattr("arrayscene.audio_span.FileSpan.load", refuse)
    recording = Recording.read(file_44k, sample_rate=16000, channels=(3, 1)).segment(0.1, 1.2)
    assert sum(block.n_samples for _, block in recording.blocks(0.25)) == recording.n_samples
    assert "in its files" in repr(recording)


def test_blocks_that_make_no_sense_are_refused() -> None:
    recording = Recording(noise(1, 100), RATE)
    for seconds, overlap in ((0.0, 0.0), (1e-6, 0.0), (0.001, 0.001), (0.001, -0.1)):
        with pytest.raises(RecordingError, match="at least one sample"):
            next(iter(recording.blocks(seconds, overlap)))
    assert [(start, block.n_samples) for start, block in recording.blocks(1.0)] == [(0, 100)]


def test_a_recording_of_one_sample(tmp_path: Path) -> None:
    Recording(noise(2, 1), RATE).write(tmp_path / "x.wav")
    recording = Recording.read(tmp_path / "x.wav")
    assert [(start, block.n_samples) for start, block in recording.blocks(0.5, 0.25)] == [(0, 1)]


def test_resampling_twice_and_writing_over_its_own_file(file_44k: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    Recording.read(file_44k).write(path)
    twice = Recording.read(path).resample(16000).resample(8000)
    whole = Recording(noise(3, 60000), 44100).resample(16000).resample(8000)
    np.testing.assert_allclose(twice.samples, whole.samples, atol=2e-6)
    Recording.read(path).resample(16000).write(path)
    assert Recording.read(path).sample_rate == 16000
