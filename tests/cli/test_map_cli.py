"""`arrayscene map`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from arrayscene import MicrophoneArray, Recording
from arrayscene.cli.main import app
from imaging.monopoles import recorded

PLACE = (-0.2, 0.15, 0.6)
AT = ("--plane", "-0.4:0.4,-0.4:0.4,0.6", "--step", "0.05")


@pytest.fixture(scope="module")
def array() -> MicrophoneArray:
    return MicrophoneArray.resolve("spiral:32:0.3")


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory, array: MicrophoneArray) -> Path:
    path = tmp_path_factory.mktemp("map") / "fan.wav"
    recorded(array, [(PLACE, 0.05)], seconds=1.0).write(path)
    return path


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["map", *map(str, words)])
    return result.exit_code, result.output


def test_a_map_with_pictures_and_numbers(wav: Path, tmp_path: Path) -> None:
    code, output = run(wav, "--array", "spiral:32:0.3", *AT, "--out", tmp_path / "out", "--microphones", "--bands", "2500,4000")
    assert code == 0, output
    assert "4 kHz third octave" in output
    document = json.loads((tmp_path / "out" / "map.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(document["bands"][1]["sources"][0]["position_m"], PLACE, atol=0.02)
    assert (tmp_path / "out" / "map-4-khz-third-octave.png").is_file()
    assert document["method"].startswith("CLEAN-SC")


def test_acoular_files_and_arrays(wav: Path, tmp_path: Path, array: MicrophoneArray) -> None:
    h5py = pytest.importorskip("h5py", reason="HDF5 is read with h5py: pip install arrayscene[hdf5]")
    recording = Recording.read(wav)
    with h5py.File(tmp_path / "fan.h5", "w") as file:
        file.create_dataset("time_data", data=recording.samples.T).attrs["sample_freq"] = float(recording.sample_rate)
    places = "".join(f'<pos Name="Point {i}" x="{x}" y="{y}" z="{z}"/>' for i, (x, y, z) in enumerate(array.positions))
    (tmp_path / "array.xml").write_text(f"<MicArray name='round'>{places}</MicArray>", encoding="utf-8")
    code, output = run(
        tmp_path / "fan.h5", "--array", tmp_path / "array.xml", *AT, "--out", tmp_path / "out", "--bands", 4000,
        "--method", "conventional", "--pascal", 1, "--at-1m", "--json",
    )  # fmt: skip
    assert code == 0, output
    document = json.loads(output)
    assert document["level_unit"] == "dB SPL"
    assert document["level_reference"] == "1 m from the source"
    np.testing.assert_allclose(document["bands"][0]["sources"][0]["position_m"], PLACE, atol=0.02)


def test_frames_for_a_video(wav: Path, tmp_path: Path) -> None:
    code, output = run(
        wav, "--array", "spiral:32:0.3", "--distance", 0.6, "--out", tmp_path / "out", "--bands", 4000, "--every", 0.5, "--quiet",
        "--method", "conventional", "--with-diagonal", "--steering", "classic", "--range", 20,
    )  # fmt: skip
    assert (code, output) == (0, "")
    assert len(list((tmp_path / "out" / "frames").iterdir())) == 2


def test_spheres_boxes_and_warnings(wav: Path, tmp_path: Path) -> None:
    code, output = run(wav, "--array", "spiral:32:0.3", "--sphere", "--step", 10, "--out", tmp_path / "a", "--bands", 250)
    assert code == 0, output
    assert "warning: Up to the 250 Hz third octave" in output
    assert "azimuth" in output
    with np.load(tmp_path / "a" / "map.npz") as numbers:
        assert numbers["points"][:, 2].min() >= 0
    code, output = run(
        wav, "--array", "spiral:32:0.3", "--box", "-0.3:0.3,-0.3:0.3,0.4:0.8", "--step", 0.1, "--out", tmp_path / "b",
        "--bands", 4000, "--channels", ",".join(map(str, range(1, 33))), "--start", 0.2, "--stop", 0.9,
    )  # fmt: skip
    assert code == 0, output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no array came"),
        (("--array", "spiral:32:0.3", "--method", "music"), "known are conventional, functional, clean-sc, damas, cmf"),
        (("--array", "spiral:32:0.3", "--plane", "1,2"), "each a number or FROM:TO"),
        (("--array", "spiral:32:0.3", "--plane", "0:1,0:1,0:1"), "two ranges and a number"),
        (("--array", "spiral:32:0.3", "--box", "0:1,0:1,1"), "three ranges"),
        (("--array", "spiral:32:0.3", "--plane", "0:1,0:1,1", "--sphere"), "choose one"),
        (("--array", "spiral:32:0.3", "--plane", "0:1,0:1,1", "--distance", "1"), "leave it out"),
        (("--array", "spiral:32:0.3", "--distance", "-1"), "positive number of metres"),
        (("--array", "spiral:32:0.3", "--step", "0"), "--step 0"),
        (("--array", "spiral:32:0.3", "--bands", "loud"), "hertz separated by commas"),
        (("--array", "spiral:32:0.3", "--bands", "1234"), "no nominal centre"),
        (("--array", "spiral:32:0.3", "--bands", "10000"), "Nyquist"),
        (("--array", "spiral:32:0.3", "--steering", "best"), "true level"),
        (("--array", "spiral:32:0.3", "--steering", "classic", "--method", "cmf"), "leave it out"),
        (("--array", "spiral:32:0.3", "--every", "9"), "one every 9 s"),
        (("--array", "spiral:32:0.3", "--every", "inf"), "positive number of seconds"),
        (("--array", "spiral:32:0.3", "--at-1m", "--sphere"), "no distance"),
        (("--array", "linear:32:0.02", "--sphere"), "hears all directions of a circle around it alike; `locate` tells angles"),
        (("--array", "spiral:32:0.3", "--range", "-3"), "such as 15"),
        (("--array", "spiral:16:0.3"), "16 microphones"),
    ],
)
def test_what_is_refused_is_said_in_one_line(wav: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    code, output = run(wav, *words, "--out", tmp_path / "out")
    assert code == 2, output
    assert message in output
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_dead_channels_are_left_out(wav: Path, tmp_path: Path) -> None:
    recording = Recording.read(wav)
    samples = recording.samples.copy()
    samples[[3, 17]] = 0
    Recording(samples, recording.sample_rate).write(tmp_path / "broken.wav")
    code, output = run(tmp_path / "broken.wav", "--array", "spiral:32:0.3", *AT, "--out", tmp_path / "out", "--bands", 4000)
    assert code == 0, output
    assert "channel 4 is dead" in output
    assert "channel 18 is dead" in output
    document = json.loads((tmp_path / "out" / "map.json").read_text(encoding="utf-8"))
    (source,) = document["bands"][0]["sources"]
    np.testing.assert_allclose(source["position_m"], PLACE, atol=0.02)
    run(wav, "--array", "spiral:32:0.3", *AT, "--out", tmp_path / "whole", "--bands", 4000)
    whole = json.loads((tmp_path / "whole" / "map.json").read_text(encoding="utf-8"))
    assert source["level_db"] == pytest.approx(whole["bands"][0]["sources"][0]["level_db"], abs=0.1)


def test_a_recording_of_one_channel_that_works_is_refused(wav: Path, tmp_path: Path) -> None:
    recording = Recording.read(wav)
    samples = np.zeros_like(recording.samples)
    samples[5] = recording.samples[5]
    Recording(samples, recording.sample_rate).write(tmp_path / "broken.wav")
    code, output = run(tmp_path / "broken.wav", "--array", "spiral:32:0.3", "--out", tmp_path / "out")
    assert code == 2
    assert "1 of 32 channels can be used" in output


def test_a_folder_in_use_is_refused_before_anything_is_computed(wav: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    code, output = run(wav, "--array", "spiral:32:0.3", "--out", tmp_path)
    assert code == 2
    assert "not a sound map" in output


def test_bands_by_default_are_those_that_the_recording_reaches(array: MicrophoneArray, tmp_path: Path) -> None:
    recorded(array, [(PLACE, 0.05)], seconds=0.5, rate=8000).write(tmp_path / "low.wav")
    code, output = run(
        tmp_path / "low.wav", "--array", "spiral:32:0.3", *AT, "--out", tmp_path / "out", "--method", "conventional", "--json"
    )
    assert code == 0, output
    assert [band["name"] for band in json.loads(output)["bands"]] == ["1 kHz third octave", "2 kHz third octave"]


def test_an_earlier_map_is_replaced_only_when_told(wav: Path, tmp_path: Path) -> None:
    words = (wav, "--array", "spiral:32:0.3", *AT, "--out", tmp_path / "out", "--bands", 4000, "--method", "conventional")
    assert run(*words)[0] == 0
    code, output = run(*words)
    assert code == 2
    assert "--overwrite" in output
    assert run(*words, "--overwrite")[0] == 0
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    assert "mine.txt" in run(*words, "--overwrite")[1]


def test_a_box_may_hold_the_array(wav: Path, tmp_path: Path) -> None:
    code, output = run(
        wav, "--array", "spiral:32:0.3", "--box", "-0.4:0.4,-0.4:0.4,-0.1:0.7", "--step", 0.1, "--out", tmp_path / "out",
        "--bands", 4000,
    )  # fmt: skip
    assert code == 0, output
    document = json.loads((tmp_path / "out" / "map.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(document["bands"][0]["sources"][0]["position_m"], PLACE, atol=0.1)


def test_sound_from_beside_the_map_is_said(tmp_path: Path) -> None:
    ring = MicrophoneArray.circular(16, 0.2)
    beside = tmp_path / "beside.wav"
    recorded(ring, [((2.0, 0.5, 0.0), 0.05)], seconds=1.0).write(beside)
    code, output = run(beside, "--array", "circular:16:0.2", "--out", tmp_path / "out", "--bands", 2000)
    assert code == 0, output
    assert "outside of this map, from about azimuth 14 degrees" in " ".join(output.split())
    _, output = run(beside, "--array", "circular:16:0.2", "--sphere", "--out", tmp_path / "all", "--bands", 2000)
    assert "outside of this map" not in " ".join(output.split())
    assert "hardly tells elevation" in " ".join(output.split())


def test_a_source_at_the_edge_is_said(array: MicrophoneArray, tmp_path: Path) -> None:
    recorded(array, [((0.5, 0.1, 0.6), 0.05)], seconds=1.0).write(tmp_path / "beyond.wav")
    code, output = run(
        tmp_path / "beyond.wav", "--array", "spiral:32:0.3", *AT, "--out", tmp_path / "out", "--bands", "2000,4000"
    )
    assert code == 0, output
    said = " ".join(output.split())
    assert "edge of the map (2 kHz third octave, 4 kHz third octave), so its source may lie beyond: map a larger plane" in said
    larger = ("--plane", "-0.4:0.8,-0.4:0.4,0.6", "--step", 0.05, "--out", tmp_path / "larger", "--bands", "2000,4000")
    assert "edge of the map" not in run(tmp_path / "beyond.wav", "--array", "spiral:32:0.3", *larger)[1]


def test_a_line_of_microphones_names_no_direction_that_it_cannot_know(tmp_path: Path) -> None:
    line = MicrophoneArray.linear(8, 0.05)
    recorded(line, [((1.0, 2.0, 0.0), 0.05)], seconds=1.0).write(tmp_path / "line.wav")
    code, output = run(tmp_path / "line.wav", "--array", "linear:8:0.05", "--out", tmp_path / "out", "--bands", 2000)
    assert code == 0, output
    said = " ".join(output.split())
    assert "outside of this map, from about 2" in said
    assert "degrees off the line of microphones, towards microphone 8" in said
    assert "sphere" not in said
