"""`arrayscene simulate`: the folder that it writes, whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from arrayscene.array import MicrophoneArray
from arrayscene.cli.main import app

pytest.importorskip("pyroomacoustics", reason="rooms are simulated with pyroomacoustics: pip install arrayscene[rooms]")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
