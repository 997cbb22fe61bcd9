"""Diarisation from a file, and the separation that it guides."""

from pathlib import Path

import numpy as np
import pytest
import torch

from arrayscene.decoders import WPE, guided
from arrayscene.diarisation import alone_seconds, read_rttm
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.metrics import si_sdr
from arrayscene.stft import STFT
from arrayscene.voices import load_voice

RATE = 16000


def written(folder: Path, *lines: str) -> Path:
    path = folder / "who.rttm"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def turn(start: float | str, length: float | str, speaker: str, recording: str = "meeting") -> str:
    return f"SPEAKER {recording} 1 {start} {length} <NA> <NA> {speaker} <NA> <NA>"


def test_speakers_come_in_the_order_in_which_they_first_speak(tmp_path: Path) -> None:
    lines = (";; a comment", "SPKR-INFO meeting 1 <NA> <NA>", "", turn(5, 2, "anna"), turn(1, 3.5, "bob"), turn(7, 1, "anna"))
    found = read_rttm(written(tmp_path, *lines), duration=8.0)
    assert list(found) == ["bob", "anna"]
    np.testing.assert_allclose(found["anna"], [[5, 7], [7, 8]])
    np.testing.assert_allclose(found["bob"], [[1, 4.5]])


def test_times_that_are_rounded_may_touch(tmp_path: Path) -> None:
    found = read_rttm(written(tmp_path, turn(0, 1.01, "anna"), turn(1, 1.005, "anna")), duration=2.0)
    np.testing.assert_allclose(found["anna"], [[0, 1.01], [1.01, 2]])


def test_one_of_several_recordings_is_chosen_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, turn(0, 1, "anna", "first"), turn(0, 2, "bob", "second"))
    assert list(read_rttm(path, recording="second")) == ["bob"]
    with pytest.raises(RecordingError, match=r"2 recordings came \(first, second\)"):
        read_rttm(path)
    with pytest.raises(RecordingError, match="no SPEAKER line of 'third'"):
        read_rttm(path, recording="third")


def test_seconds_alone() -> None:
    activity = {"anna": np.array([[0.0, 2.0], [4.0, 5.0]]), "bob": np.array([[1.5, 4.5]]), "carl": np.array([[2.0, 3.0]])}
    assert alone_seconds(activity) == pytest.approx({"anna": 2.0, "bob": 1.0, "carl": 0.0}, abs=0.011)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((turn(0, 1, "anna"), "SPEAKER meeting 1 2.0"), "line 2.*SPEAKER recording channel"),
        ((turn("soon", 1, "anna"),), "line 1.*'SPEAKER meeting 1 soon"),
        ((turn(-1, 1, "anna"),), "line 1: start -1"),
        ((turn(1, 0, "anna"),), "duration 0 came"),
        ((turn(1, "nan", "anna"),), "duration nan came"),
        ((turn(1, 9.5, "anna"),), "line 1: anna sounds from 1.00 to 10.50 s, the recording ends at 10.00 s"),
        ((turn(1, 3, "anna"), turn(2, 3, "bob"), turn(3, 1, "anna")), "line 3: anna begins at 3.00 s and sounds already"),
        (("nothing of the kind",), "no SPEAKER line came"),
    ],
)
def test_broken_files_are_refused_with_the_line(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_rttm(written(tmp_path, *lines), duration=10.0)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="not readable"):
        read_rttm(tmp_path / "missing.rttm")
    (tmp_path / "binary.rttm").write_bytes(b"\xff\xfe\x00SPEAKER")
    with pytest.raises(RecordingError, match="not readable"):
        read_rttm(tmp_path / "binary.rttm")


def meeting() -> tuple[torch.Tensor, np.ndarray, list[list[tuple[float, float]]]]:
    """Two voices that overlap for a third of the time at three microphones in short echoes; their images at the first."""
    activity = [[(0.2, 3.4)], [(2.0, 5.6)]]
    rng = np.random.default_rng(2)
    echoes = rng.standard_normal((2, 3, 400)) * np.exp(-np.arange(400) / 80)
    images = np.zeros((2, 3, 6 * RATE))
    for k, name in enumerate(("english-allison", "italian-carlo-2")):
        first, last = (round(t * RATE) for t in activity[k][0])
        voice = np.zeros(6 * RATE)
        voice[first:last] = load_voice(name)[: last - first]
        images[k] = [np.convolve(voice, echo)[: 6 * RATE] for echo in echoes[k]]
    y = images.sum(0)
    y = y + 1e-3 * y.std() * rng.standard_normal(y.shape)
    return torch.from_numpy(y).float(), images[:, 0], activity


def test_speakers_come_apart_in_the_order_of_their_stretches() -> None:
    y, images, activity = meeting()
    stft = STFT(1024)
    before = si_sdr(y[:1].numpy(), images)
    for order in ([0, 1], [1, 0]):
        decoder = guided([activity[k] for k in order], stft=stft, sample_rate=RATE)
        x = stft.inverse(decoder(stft(y)).x, y.shape[-1]).numpy()
        assert (si_sdr(x, images[order]) > before[order] + 8).all()


def test_dereverberation_may_come_first() -> None:
    y, _, activity = meeting()
    stft = STFT(1024)
    x = guided(activity, stft=stft, sample_rate=RATE, dereverberation=WPE(3, n_iter=1))(stft(y)).x
    assert x.shape[0] == 2
    assert bool(torch.isfinite(x.abs()).all())


def test_stretches_that_run_backward_are_refused() -> None:
    with pytest.raises(ShapeError, match="start <= end"):
        guided([[(2.0, 1.0)]], stft=STFT(1024), sample_rate=RATE)
