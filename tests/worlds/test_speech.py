"""Speech: speakers, splits, and files that cannot be used."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from arrayscene.errors import RecordingError
from arrayscene.worlds import Speech, SpeechWarning
from arrayscene.worlds.draws import Draws

RATE = 16000


def draws(seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed))


def write_tone(path: Path, seconds: float = 1.0, hertz: float = 500.0, rate: int = RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.stack([tone] + [np.zeros_like(tone)] * (channels - 1), axis=1), rate)


def test_speakers_are_folders_or_beginnings_of_names(tmp_path: Path) -> None:
    for name in ("ann/deep/one.wav", "ann/two.flac", "103-1240-0000.flac", "103-1241-0001.flac", "p225_001.wav", "notes.wav"):
        write_tone(tmp_path / name)
    (tmp_path / "readme.txt").write_text("not audio")
    speech = Speech.folder(tmp_path)
    assert {name: len(clips) for name, clips in speech.clips.items()} == {"ann": 2, "103": 2, "p225": 1, "notes": 1}


def test_splits_never_share_a_speaker_and_lose_none(tmp_path: Path) -> None:
    for n_speakers in (2, 3, 12, 40):
        folder = tmp_path / str(n_speakers)
        for number in range(n_speakers):
            write_tone(folder / f"{number:02d}-a.wav", 0.5)
        everyone = Speech.folder(folder)
        train, test = everyone.split("train").speakers, everyone.split("test").speakers
        assert sorted(train + test) == list(everyone.speakers) == list(everyone.split("all").speakers)
        assert train
        assert test
        assert len(test) <= max(1, n_speakers // 2)


def test_a_new_speaker_moves_nobody_to_the_other_side(tmp_path: Path) -> None:
    for number in range(30):
        write_tone(tmp_path / f"{number:02d}-a.wav", 0.5)
    before = {name: set(Speech.folder(tmp_path).split(name).speakers) for name in ("train", "test")}
    write_tone(tmp_path / "new-a.wav", 0.5)
    after = {name: set(Speech.folder(tmp_path).split(name).speakers) for name in ("train", "test")}
    assert all(before[name] <= after[name] for name in before)


def test_the_same_person_of_the_shipped_voices_is_one_speaker() -> None:
    speech = Speech.shipped()
    assert {name: len(clips) for name, clips in speech.clips.items()} == {"allison": 2, "carlo": 2, "ivrvoice": 1, "june": 1}


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_other_rates_are_resampled(tmp_path: Path, rate: int) -> None:
    write_tone(tmp_path / "ann" / "a.wav", 2.0, 500.0, rate, channels=2)
    signal, names = Speech.folder(tmp_path).stretch("ann", RATE, RATE, draws())
    spectrum = torch.fft.rfft(signal)
    assert int(spectrum.abs().argmax()) == 500
    assert signal.shape == (RATE,)
    assert signal.dtype == torch.float32
    assert float(signal.square().mean()) == pytest.approx(1, rel=1e-3)
    assert names == (str(Path("ann") / "a.wav"),)


def test_short_speech_goes_on_with_other_clips(tmp_path: Path) -> None:
    write_tone(tmp_path / "ann" / "a.wav", 0.6, 500.0)
    write_tone(tmp_path / "ann" / "b.wav", 0.6, 1500.0)
    signal, names = Speech.folder(tmp_path).stretch("ann", 3 * RATE, RATE, draws())
    spectrum = torch.fft.rfft(signal).abs()
    assert len(names) == 2
    assert float(spectrum[1500 - 30 : 1500 + 30].max()) > 100 * float(spectrum[9000:].max())
    assert float(spectrum[4500 - 30 : 4500 + 30].max()) > 100 * float(spectrum[9000:].max())


def test_what_lies_below_speech_is_taken_out(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    tone = 0.2 * np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE)
    soundfile.write(tmp_path / "ann" / "a.wav", 0.5 + tone, RATE)
    signal, _ = Speech.folder(tmp_path).stretch("ann", RATE, RATE, draws())
    assert abs(float(signal[2000:-2000].mean())) < 0.01


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_tone(tmp_path / "ann" / "good.wav", 2.0)
    (tmp_path / "ann" / "corrupt.flac").write_bytes(b"fLaC and then nothing")
    (tmp_path / "ann" / "empty.wav").write_bytes(b"")
    write_tone(tmp_path / "ann" / "short.wav", 0.1)
    with pytest.warns(SpeechWarning) as caught:
        speech = Speech.folder(tmp_path)
    message = str(caught[0].message)
    assert message.startswith("3 speech files were skipped")
    assert all(name in message for name in ("corrupt.flac", "empty.wav", "short.wav"))
    assert [clip.name for clip in speech.clips["ann"]] == [str(Path("ann") / "good.wav")]


def test_a_file_that_breaks_later_is_named_once_and_skipped(tmp_path: Path) -> None:
    write_tone(tmp_path / "ann" / "a.wav", 2.0)
    write_tone(tmp_path / "ann" / "b.wav", 2.0)
    speech = Speech.folder(tmp_path)
    (tmp_path / "ann" / "b.wav").unlink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for seed in range(8):
            _, names = speech.stretch("ann", RATE, RATE, draws(seed))
            assert names == (str(Path("ann") / "a.wav"),)
    assert len([warning for warning in caught if "b.wav" in str(warning.message)]) == 1


def test_a_silent_beginning_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    sound = np.concatenate([np.zeros(3 * RATE), 0.3 * np.sin(np.arange(3 * RATE) / 5)])
    soundfile.write(tmp_path / "ann" / "a.wav", sound, RATE)
    speech = Speech.folder(tmp_path)
    for seed in range(5):
        signal, _ = speech.stretch("ann", RATE // 2, RATE, draws(seed))
        assert float(signal.square().mean()) == pytest.approx(1, rel=1e-3)


def test_speech_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such folder"):
        Speech.folder(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="no audio file"):
        Speech.folder(tmp_path)
    write_tone(tmp_path / "ann" / "a.wav")
    speech = Speech.folder(tmp_path)
    with pytest.raises(RecordingError, match="only one speaker, 'ann'"):
        speech.split("train")
    with pytest.raises(RecordingError, match="split 'dev'"):
        speech.split("dev")  # type: ignore[arg-type]


def test_a_speaker_without_sound(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    soundfile.write(tmp_path / "ann" / "a.wav", np.zeros(RATE), RATE)
    with pytest.raises(RecordingError, match="none of the 1 clips of 'ann'"):
        Speech.folder(tmp_path).stretch("ann", RATE, RATE, draws())


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    write_tone(tmp_path / "ann" / "a.wav")
    (tmp_path / "ann" / "._a.wav").write_bytes(b"what some systems leave beside a file")
    assert len(Speech.folder(tmp_path).clips["ann"]) == 1
