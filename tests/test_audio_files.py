"""Files as they come and go: every format, broken headers, missing files, writing whole or not at all."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from arrayscene import audio_writer
from arrayscene.audio_file import AudioFile
from arrayscene.audio_writer import FORMATS, AudioWriter
from arrayscene.errors import RecordingError
from arrayscene.recording import Recording

RATE = 16000


def sound(n_mics: int = 2, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(7).standard_normal((n_mics, len(t)))
    tones = np.stack([0.3 * np.sin(2 * np.pi * (200 + 130 * mic) * t) for mic in range(n_mics)])
    return (tones + 0.003 * noise).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "subtype", "error"),
    [
        ("wav", "PCM_U8", 2**-7),
        ("wav", "PCM_16", 2**-15),
        ("wav", "PCM_24", 2**-23),
        ("wav", "PCM_32", 2**-24),
        ("wav", "FLOAT", 0.0),
        ("wav", "DOUBLE", 0.0),
        ("rf64", "PCM_16", 2**-15),
        ("rf64", None, 0.0),
        ("w64", "PCM_24", 2**-23),
        ("w64", None, 0.0),
        ("aiff", "PCM_16", 2**-15),
        ("aif", None, 0.0),
        ("caf", "PCM_24", 2**-23),
        ("caf", None, 0.0),
        ("flac", "PCM_16", 2**-15),
        ("flac", None, 2**-23),
    ],
)
def test_formats_without_loss_come_back(tmp_path: Path, suffix: str, subtype: str | None, error: float) -> None:
    x = sound(3)
    path = tmp_path / f"x.{suffix}"
    assert Recording(x, RATE).write(path, subtype) == 0
    back = Recording.read(path)
    assert (back.sample_rate, back.samples.dtype, back.samples.flags.c_contiguous) == (RATE, np.float32, True)
    assert back.notes == ()
    np.testing.assert_allclose(back.samples, x, atol=error, rtol=0)


@pytest.mark.parametrize("suffix", ["ogg", "opus", "mp3"])
def test_formats_with_loss_come_back_in_time(tmp_path: Path, suffix: str) -> None:
    x = sound(2)
    Recording(x, RATE).write(tmp_path / f"x.{suffix}")
    back = Recording.read(tmp_path / f"x.{suffix}")
    assert (back.n_mics, back.n_samples, back.sample_rate, back.notes) == (2, RATE, RATE, ())
    for heard, meant in zip(back.samples, x, strict=True):
        assert np.corrcoef(heard, meant)[0, 1] > 0.98


@pytest.mark.parametrize("suffix", list(FORMATS))
@pytest.mark.parametrize("n_samples", [1, 17, 999])
def test_very_short_recordings_keep_their_length(tmp_path: Path, suffix: str, n_samples: int) -> None:
    Recording(sound()[:, :n_samples], RATE).write(tmp_path / f"x.{suffix}")
    assert Recording.read(tmp_path / f"x.{suffix}").samples.shape == (2, n_samples)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_a_stretch_is_the_same_stretch_of_the_whole(tmp_path: Path, suffix: str) -> None:
    Recording(sound(2, 4.0), RATE).write(tmp_path / f"x.{suffix}")
    whole = Recording.read(tmp_path / f"x.{suffix}").samples
    part = Recording.read(tmp_path / f"x.{suffix}", start=2.5, stop=3.0)
    np.testing.assert_allclose(part.samples, whole[:, 40000:48000], atol=1e-6)


# --- files that are not as they should be


def truncate(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


@pytest.mark.parametrize("suffix", ["wav", "rf64", "w64", "aiff", "caf", "flac", "ogg", "opus", "mp3"])
def test_a_truncated_file_is_read_with_a_note(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    Recording(sound(2, 3.0), RATE).write(path)
    whole = Recording.read(path).samples
    truncate(path, 0.5)
    cut = Recording.read(path)
    assert 0.5 < cut.duration < 2.0
    np.testing.assert_allclose(cut.samples, whole[:, : cut.n_samples], atol=1e-6)
    assert sum(block.n_samples for _, block in cut.blocks(0.3)) == cut.n_samples
    (note,) = cut.notes
    assert "cut." in note
    assert "truncated" in note
    if suffix not in ("ogg", "opus"):
        assert "declares 3.00 s" in note


@pytest.mark.parametrize(("riff", "data"), [(0, 0), (36, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x80000024, 0x80000000)])
def test_a_wav_whose_recorder_was_killed_is_read_to_its_end(tmp_path: Path, riff: int, data: int) -> None:
    path = tmp_path / "killed.wav"
    soundfile.write(path, sound().T, RATE, subtype="PCM_16")
    whole = Recording.read(path).samples
    content = bytearray(path.read_bytes())
    at = content.find(b"data")
    content[4:8], content[at + 4 : at + 8] = struct.pack("<I", riff), struct.pack("<I", data)
    path.write_bytes(content)
    recording = Recording.read(path)
    np.testing.assert_array_equal(recording.samples, whole)
    assert "never completed" in recording.notes[0]


def patched(tmp_path: Path, suffix: str, name: bytes, offset: int, value: bytes) -> Path:
    path = tmp_path / f"killed.{suffix}"
    Recording(sound(), RATE).write(path, "PCM_16")
    content = bytearray(path.read_bytes())
    at = content.find(name) + offset
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("suffix", "name", "offset", "value"),
    [
        ("rf64", b"ds64", 8, bytes(24)),
        ("w64", b"data\xf3\xac", 16, bytes(8)),
        ("aiff", b"SSND", 4, bytes(4)),
        ("caf", b"data", 4, b"\xff" * 8),
    ],
)
def test_other_unfinished_headers(tmp_path: Path, suffix: str, name: bytes, offset: int, value: bytes) -> None:
    recording = Recording.read(patched(tmp_path, suffix, name, offset, value))
    assert recording.n_samples == RATE
    np.testing.assert_allclose(recording.samples, sound(), atol=2**-15)
    assert "never completed" in recording.notes[0]


def test_a_flac_without_a_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stream.flac"
    Recording(sound(), RATE).write(path)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert RATE - 1 <= Recording.read(path).samples.shape[1] <= RATE


def test_text_after_an_empty_recording_is_not_sound(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros((0, 2)), RATE)
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 20) + b"INFOIART" + bytes(12))
    with pytest.raises(RecordingError, match="not a single sample"):
        Recording.read(path)


def test_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    Recording(sound(), RATE).write(tmp_path / "kitchen.wav")
    with pytest.raises(RecordingError, match=r"kitchn\.wav: no such file; did you mean .*kitchen\.wav"):
        Recording.read(tmp_path / "kitchn.wav")
    with pytest.raises(RecordingError, match="does not exist either"):
        Recording.read(tmp_path / "nowhere" / "kitchen.wav")


@pytest.mark.parametrize("content", [b"hello " * 500, b"RIFF", b"ID3" + bytes(300), b"OggS" + bytes(90)])
def test_what_is_no_audio_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.wav"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"notes\.wav: cannot be read as audio"):
        Recording.read(path)


def test_folder_empty_file_no_samples_and_low_rate(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is a folder"):
        Recording.read(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(RecordingError, match="0 bytes"):
        Recording.read(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), RATE)
    with pytest.raises(RecordingError, match="not a single sample"):
        Recording.read(tmp_path / "none.wav")
    soundfile.write(tmp_path / "low.wav", np.zeros((100, 2)), 3999)
    with pytest.raises(RecordingError, match=r"3999 Hz.*4000 Hz"):
        Recording.read(tmp_path / "low.wav")


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    Recording(sound(), RATE).write(path)
    recording = Recording.read(path)
    truncate(path, 0.5)
    with pytest.raises(RecordingError, match="ends after"):
        _ = recording.samples


# --- writing


def test_integer_formats_clip_and_never_wrap(tmp_path: Path) -> None:
    x = np.array([[0.5, 1.5, -1.5, 1.0, -1.0, 40.0]], np.float32)
    assert Recording(x, RATE).write(tmp_path / "x.wav", "PCM_16") == 3
    back = Recording.read(tmp_path / "x.wav").samples
    np.testing.assert_allclose(back, np.clip(x, -1, 1), atol=2**-15)
    assert Recording(x, RATE).write(tmp_path / "x.wav") == 0
    np.testing.assert_array_equal(Recording.read(tmp_path / "x.wav").samples, x)


def test_nan_is_refused_where_a_format_has_none(tmp_path: Path) -> None:
    x = np.array([[0.5, np.nan, np.inf]], np.float32)
    with pytest.raises(RecordingError, match="NaN"):
        Recording(x, RATE).write(tmp_path / "x.flac")
    assert list(tmp_path.iterdir()) == []
    Recording(x, RATE).write(tmp_path / "x.wav")
    np.testing.assert_array_equal(Recording.read(tmp_path / "x.wav").samples, x)


@pytest.mark.parametrize(
    ("name", "n_mics", "rate", "message"),
    [
        ("x.flac", 9, 16000, r"9 channels; FLAC holds 1 to 8; formats that hold 9: wav,.*ogg"),
        ("x.mp3", 3, 16000, r"3 channels; MP3 holds 1 to 2"),
        ("x.opus", 2, 44100, r"44100 Hz; OPUS holds only 8000,.*any rate: wav"),
        ("x.mp3", 2, 192000, r"192000 Hz; MPEG_LAYER_III holds only"),
        ("x.xyz", 2, 16000, r"suffix \.xyz; .*one of: wav"),
        ("x", 2, 16000, r"no suffix"),
        ("nowhere/x.wav", 2, 16000, r"the folder .* does not exist"),
    ],
)
def test_what_a_format_cannot_hold_is_said(tmp_path: Path, name: str, n_mics: int, rate: int, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        Recording(np.zeros((n_mics, 10), np.float32), rate).write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_unknown_sample_format(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"PCM_17; FLAC has: .*PCM_24"):
        Recording(sound(), RATE).write(tmp_path / "x.flac", "PCM_17")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    Recording(sound(), RATE).write(path)
    old = path.read_bytes()

    def interrupted() -> None:
        with AudioWriter(path, 2, RATE) as writer:
            writer.write(sound())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.wav"]


def test_a_block_of_another_shape_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(RecordingError, match=r"\(3, 5\) came; \(2, samples\)"),
        AudioWriter(tmp_path / "x.wav", 2, RATE) as writer,
    ):
        writer.write(np.zeros((3, 5)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits the file size as a full disk does")
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    program = f"""
import resource, signal, sys
import numpy as np
from arrayscene.recording import Recording
from arrayscene.errors import RecordingError
x = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 200000)).astype(np.float32)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
try:
    Recording(x, 16000).write({str(tmp_path / "x")!r} + ".{suffix}")
except RecordingError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "could not be written" in done.stdout
    assert "MB are free" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_32", "FLOAT"])
def test_a_wav_that_outgrows_its_sizes_becomes_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtype: str) -> None:
    monkeypatch.setattr(audio_writer, "_WAV_LIMIT", 200_000)
    x = sound(2, 5.0)
    with AudioWriter(tmp_path / "long.wav", 2, RATE, subtype) as writer:
        for at in range(0, x.shape[1], 7000):
            writer.write(x[:, at : at + 7000])
    assert AudioFile.open(tmp_path / "long.wav").format == "RF64"
    np.testing.assert_allclose(Recording.read(tmp_path / "long.wav").samples, x, atol=2**-15)
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.wav"]
