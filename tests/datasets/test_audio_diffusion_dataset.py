import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from arrayscene import AudioDiffusionDataset, Recording, RecordingError, ShapeError, load_voice, voice_names
from arrayscene.datasets import DatasetWarning
from arrayscene.datasets.speech import speakers_of
from arrayscene.response import even_azimuths
from arrayscene.speakers import find_speech

RATE = 8000
VOICES = ("english-allison", "french-june", "italian-carlo", "russian-ivrvoice")


def write(path: Path, voice: str, rate: int = RATE, seconds: float = 2.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Recording(load_voice(voice, rate)[None, : round(seconds * rate)], rate).write(path)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: four speakers, four rates and formats, one of them in stereo."""
    folder = tmp_path_factory.mktemp("own")
    for voice, rate, suffix in zip(VOICES, (16000, 44100, 8000, 22050), ("wav", "flac", "aiff", "ogg"), strict=True):
        write(folder / voice / f"one.{suffix}", voice, rate)
    (folder / "italian-carlo" / "deep").mkdir()
    stereo = load_voice("italian-carlo-2", 16000)[:32000]
    Recording(np.stack([stereo, 0 * stereo]), 16000).write(folder / "italian-carlo" / "deep" / "two.wav")
    return folder


@pytest.fixture(scope="module")
def train(root: Path) -> AudioDiffusionDataset:
    return AudioDiffusionDataset(root, n_scenes=300)


def test_the_default_loader_makes_batches_of_64(train: AudioDiffusionDataset) -> None:
    audio, label = next(iter(DataLoader(train, batch_size=64, shuffle=True)))
    assert audio.shape == (64, 4, 768)
    assert audio.dtype == torch.float32
    assert [tuple(field.shape) for field in label] == [(64, 4)] * 4


def test_the_label_says_who_is_where_and_how_loud(train: AudioDiffusionDataset) -> None:
    talkers = set()
    for index in range(len(train)):
        audio, label = train[index]
        torch.testing.assert_close(label.level, audio.square().mean(-1).sqrt(), rtol=1e-4, atol=1e-6)
        assert torch.equal(label.active, label.speaker >= 0)
        assert not bool(audio[~label.active].any())
        assert bool(audio[label.active].any(-1).all())
        who = label.speaker[label.active].tolist()
        assert len(set(who)) == len(who)
        assert all(train.speakers[speaker] in VOICES for speaker in who)
        talkers.add(len(who))
    assert talkers == {1, 2, 3}
    torch.testing.assert_close(label.azimuth, torch.tensor([0.0, math.pi / 2, math.pi, -math.pi / 2]))


def test_rumble_is_taken_out(tmp_path: Path) -> None:
    hum = np.sin(2 * np.pi * 30 * np.arange(16000) / RATE)
    for name, added in (("ann", 0.0), ("bob", 0.5 * hum)):
        (tmp_path / name).mkdir()
        Recording((load_voice(VOICES[0], RATE)[:16000] + added)[None], RATE).write(tmp_path / name / "x.wav")
    sides = [AudioDiffusionDataset(tmp_path, train=train, n_scenes=1, n_samples=8000, max_talkers=1) for train in (True, False)]
    for scenes in sides:
        power = np.abs(np.fft.rfft(np.hanning(8000) * scenes[0][0].numpy().sum(0))) ** 2
        assert power[:60].sum() < 0.05 * power.sum()


def test_every_place_and_speaker_comes_up_equally_often(train: AudioDiffusionDataset) -> None:
    labels = [train[index][1] for index in range(len(train))]
    share = torch.stack([label.active for label in labels]).float().mean(0)
    assert bool(((share - 0.5).abs() < 0.12).all())
    counts = torch.bincount(torch.cat([label.speaker[label.active] for label in labels]), minlength=len(train.speakers))
    assert counts.min() > 0.8 * counts.max()


def test_mean_levels_lie_between_0_and_minus_10_decibels(root: Path) -> None:
    long = AudioDiffusionDataset(root, n_scenes=80, n_samples=6000)
    levels = torch.cat([label.level[label.active] for _, label in long])
    assert 20 * torch.log10(levels).max() < 3
    assert 20 * torch.log10(levels).min() > -14
    assert levels.max() > 2 * levels.min()


def test_a_scene_depends_on_seed_and_number_only(root: Path, train: AudioDiffusionDataset) -> None:
    again, other = AudioDiffusionDataset(root, n_scenes=10), AudioDiffusionDataset(root, n_scenes=10, seed=1)
    for index in (9, 0, -1):
        torch.testing.assert_close(again[index][0], train[index if index >= 0 else 9][0], rtol=0, atol=0)
    assert not torch.equal(other[0][0], train[0][0])
    with pytest.raises(IndexError):
        again[10]


def test_train_and_test_share_no_speaker(root: Path, train: AudioDiffusionDataset) -> None:
    test = AudioDiffusionDataset(root, train=False, n_scenes=5)
    assert set(train.speakers) | set(test.speakers) == set(VOICES)
    assert not set(train.speakers) & set(test.speakers)


def test_speakers_stay_on_their_side_as_a_folder_grows() -> None:
    names = [f"person {number}" for number in range(200)]
    few, many = set(speakers_of(names[:100], train=False)), set(speakers_of(names, train=False))
    assert few == many & set(names[:100])
    assert 20 < len(many) < 60
    for n in range(2, 12):
        train, test = speakers_of(names[:n], train=True), speakers_of(names[:n], train=False)
        assert train
        assert test
        assert sorted(train + test) == sorted(names[:n])


def test_speakers_are_told_from_folders_and_file_names(tmp_path: Path) -> None:
    for name in ("103-1240-0000.wav", "103_b.flac", "ann/x.wav", "ann/1/y.wav", ".hidden/z.wav", "bob.mp3", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_speech(tmp_path)
    assert {name: len(paths) for name, paths in found.items()} == {"103": 2, "ann": 2, "bob": 1}


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_a_missing_or_empty_folder_is_filled_with_the_voices_and_says_so(tmp_path: Path, make: bool) -> None:
    root = tmp_path / "deep" / "data"
    if make:
        root.mkdir(parents=True)
    with pytest.warns(DatasetWarning, match="filled with the voices of the package"):
        train = AudioDiffusionDataset(root)
    assert len(train) >= 100 * 64
    assert len(list(root.rglob("*.flac"))) == len(voice_names())
    assert "CC BY" in (root / "README.md").read_text(encoding="utf-8")
    assert not list(root.glob(".*"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test = AudioDiffusionDataset(root, train=False)
    # English and Spanish are one person.
    assert sorted(train.speakers + test.speakers) == ["allison", "carlo", "ivrvoice", "june"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="is a file"):
        AudioDiffusionDataset(tmp_path / "file")
    with pytest.raises(RecordingError, match="cannot be written there"):
        AudioDiffusionDataset(tmp_path / "file" / "data")


def test_an_empty_folder_without_write_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> str:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    # Not by chmod: the administrator may write anywhere.
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(RecordingError, match=r"cannot be written there \(Permission denied\).*one that you may write to"):
        AudioDiffusionDataset(tmp_path)
    assert not list(tmp_path.iterdir())


def test_bad_files_are_left_out_and_named(tmp_path: Path) -> None:
    for voice in VOICES:
        write(tmp_path / voice / "good.wav", voice)
    (tmp_path / VOICES[1] / "broken.wav").write_bytes(b"RIFF and then nothing that makes sense")
    Recording(np.zeros((1, 16000), np.float32), RATE).write(tmp_path / VOICES[1] / "silent.wav")
    write(tmp_path / VOICES[1] / "short.wav", VOICES[1], seconds=0.05)
    sides = [speakers_of(list(VOICES), train=train) for train in (True, False)]
    bad = AudioDiffusionDataset(tmp_path, train=VOICES[1] in sides[1], n_scenes=4)
    assert len(bad) == 4
    with pytest.warns(DatasetWarning, match="3 files were left out") as caught:
        AudioDiffusionDataset(tmp_path, train=VOICES[1] in sides[0], n_scenes=4)
    message = str(caught[0].message)
    assert "broken.wav: cannot be read as audio" in message
    assert "silent.wav: silence" in message
    assert "short.wav: too short (0.0" in message


def test_speech_of_nobody_else_or_nothing_usable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    with pytest.raises(RecordingError, match="holds no audio file"):
        AudioDiffusionDataset(tmp_path)
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "broken.wav").write_bytes(b"nothing")
    with pytest.raises(RecordingError, match=r"no file can be used: .*broken\.wav"):
        AudioDiffusionDataset(tmp_path)
    write(tmp_path / "ann" / "good.wav", VOICES[0])
    with pytest.warns(DatasetWarning, match="1 file was left out"):
        alone = AudioDiffusionDataset(tmp_path, n_scenes=20)
    assert alone.speakers == ["ann"]
    with pytest.raises(RecordingError, match="one speaker only, 'ann'"):
        AudioDiffusionDataset(tmp_path, train=False)


def test_no_more_is_read_than_asked_for(root: Path) -> None:
    little = AudioDiffusionDataset(root, n_scenes=4, max_seconds=2.5)
    assert 1 < len(little.speakers) < 3


@pytest.mark.parametrize("wrong", [{"n_scenes": 0}, {"n_samples": 0}, {"max_talkers": 0}, {"max_talkers": 5}])
def test_impossible_sizes_are_refused(root: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ShapeError, match="came"):
        AudioDiffusionDataset(root, **wrong)  # type: ignore[arg-type]


def test_even_azimuths() -> None:
    torch.testing.assert_close(even_azimuths(3), torch.tensor([0, 2, -2], dtype=torch.float64) * math.pi / 3)
    with pytest.raises(ShapeError, match="at least 1"):
        even_azimuths(0)
