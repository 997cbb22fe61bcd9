"""`arrayscene simulate`: the folder that it writes, whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from arrayscene.array import MicrophoneArray
from arrayscene.cli.main import app
from arrayscene.worlds import WorldFolder

pytest.importorskip("pyroomacoustics", reason="rooms are simulated with pyroomacoustics: pip install arrayscene[rooms]")


def run(*arguments: object):
    quick = ("--array", "respeaker-usb-4", "--t60", 0, "--duration", 1, "--out", "scene")
    return CliRunner().invoke(app, ["simulate", *map(str, (*quick, *arguments))])


def test_recording_and_truth() -> None:
    result = run("--talkers", 2)
    assert result.exit_code == 0, result.output
    truth = json.loads(Path("scene/truth.json").read_text(encoding="utf-8"))
    mixture, rate = soundfile.read("scene/mixture.wav")
    images = [soundfile.read(Path("scene") / talker["file"])[0] for talker in truth["talkers"]]
    assert (mixture.shape, rate) == ((16000, 4), truth["sample_rate"])
    noise = mixture[:, 0] - np.sum(images, axis=0)
    assert 10 * np.log10(np.mean(mixture[:, 0] ** 2) / np.mean(noise**2)) == pytest.approx(25, abs=0.5)
    assert MicrophoneArray.load("scene/array.json").n_mics == 4
    for talker in truth["talkers"]:
        assert f"{talker['name']}: azimuth {talker['azimuth_deg']:.0f}°" in result.output


def test_the_seed_decides() -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("--out", name, "--seed", seed).exit_code == 0
    # Not the bytes: a WAV file of floats holds the time at which it was written.
    first, again, other = (soundfile.read(f"{name}/mixture.wav")[0] for name in "abc")
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_own_voices_are_repeated_to_the_duration() -> None:
    soundfile.write("me.wav", 0.1 * np.random.default_rng(0).standard_normal(4000), 8000)
    assert run("--talkers", 1, "--voices", "me.wav").exit_code == 0
    truth = json.loads(Path("scene/truth.json").read_text(encoding="utf-8"))
    assert [talker["name"] for talker in truth["talkers"]] == ["me"]
    assert soundfile.info("scene/mixture.wav").duration == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--room", "5 by 4"), "5 by 4"),
        (("--room", "1x1x1"), "enlarge the room"),
        (("--t60", 0.02), "T60"),
        (("--talkers", 9), "--voices"),
        (("--talkers", 2, "--voices", "nowhere.wav"), "one file for each talker"),
        (("--talkers", 1, "--voices", "nowhere.wav"), "nowhere.wav"),
        (("--duration", 0), "--duration 0"),
        (("--array", "nothing"), "nothing"),
        (("--snr", "nan"), "SNR"),
    ],
)
def test_bad_wishes_write_nothing(arguments: tuple[object, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(Path().iterdir()) == []


def test_an_existing_folder_is_left_alone() -> None:
    Path("scene").mkdir()
    Path("scene/mine.txt").write_text("mine")
    result = run()
    assert result.exit_code == 2
    assert [path.name for path in Path("scene").iterdir()] == ["mine.txt"]


def worlds(*arguments: object):
    quick = ("--scenes", 2, "--duration", 0.5, "--t60", 0.2, "--array", "circular:3:0.05", "--talkers", 2, "--out", "set")
    return CliRunner().invoke(app, ["simulate", *map(str, (*quick, *arguments))])


def test_a_data_set_of_scenes() -> None:
    result = worlds()
    assert result.exit_code == 0, result.output
    assert "2 scenes of 4 speakers in set" in result.output
    scenes = WorldFolder("set")
    assert [scene.n_talkers for scene in (scenes[0], scenes[1])] == [2, 2]
    assert scenes[1].mixture.shape == (3, 8000)
    assert scenes[1].t60 == 0.2
    assert not np.array_equal(scenes[0].mixture, scenes[1].mixture)


def test_a_data_set_grows_and_is_not_mixed() -> None:
    assert worlds().exit_code == 0
    before = Path("set/shard-0000/scene-000001/mixture.flac").read_bytes()
    assert worlds("--scenes", 3).exit_code == 0
    assert len(WorldFolder("set")) == 3
    assert Path("set/shard-0000/scene-000001/mixture.flac").read_bytes() == before
    result = worlds("--seed", 9)
    assert result.exit_code == 2
    assert "seed" in result.stderr


def test_a_data_set_from_a_file_and_a_folder() -> None:
    for speaker in ("ann", "bob", "cy"):
        Path("speech", speaker).mkdir(parents=True)
        soundfile.write(f"speech/{speaker}/a.wav", 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    Path("world.toml").write_text('n_talkers = [1, 1]\nimages_at = "all"\n')
    arguments = ("--config", "world.toml", "--speech", "speech", "--talkers", 1)
    assert worlds(*arguments, "--split", "train", "--out", "a").exit_code == 0
    assert worlds(*arguments, "--split", "test", "--out", "b").exit_code == 0
    speakers = [set(json.loads(Path(name, "world.json").read_text(encoding="utf-8"))["speakers"]) for name in "ab"]
    assert speakers[0].isdisjoint(speakers[1])
    assert set.union(*speakers) == {"ann", "bob", "cy"}
    assert WorldFolder("a")[0].images.shape[1] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--split", "dev"), "--split 'dev'"),
        (("--speech", "nowhere"), "nowhere"),
        (("--config", "none.toml"), "none.toml"),
        (("--voices", "a.wav"), "--speech"),
        (("--array", "linear:8:0.9", "--room", "4x4x3"), "does not fit"),
        (("--t60", 0.01), "sound lasts at least"),
        (("--snr", "inf"), "--snr"),
        (("--duration", 0), "duration"),
    ],
)
def test_bad_wishes_for_a_data_set(arguments: tuple[object, ...], message: str) -> None:
    result = worlds(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(Path().glob("set/shard-*/scene-*"))


def test_it_says_who_walks() -> None:
    Path("walks.toml").write_text("moving = 1.0")
    said = worlds("--config", "walks.toml").output
    assert "4 of 4 talkers walk, the others stand still; drawn with a chance of 1 (`moving` of --config): shard-0000/s" in said
    Path("stands.toml").write_text("moving = 0.0")
    assert "0 of 4 talkers walk" in worlds("--config", "stands.toml", "--out", "other").output


def test_options_of_data_sets_need_a_number_of_scenes() -> None:
    result = run("--split", "train")
    assert result.exit_code == 2
    assert "--scenes" in result.stderr
