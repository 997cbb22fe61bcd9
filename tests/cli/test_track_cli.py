"""`arrayscene track` and `arrayscene evaluate`: what they write and print, and what bad input leaves behind (nothing)."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from refusal import assert_refused
from typer.testing import CliRunner

from arrayscene.array import MicrophoneArray
from arrayscene.cli.main import app
from arrayscene.constants import SPEED_OF_SOUND

RATE = 16000
RING = MicrophoneArray.circular(4, 0.05)
CIRCLE = ("--array", "circular:4:0.05")
AZIMUTHS = (60.0, -100.0)


def run(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)])


def images(seconds: float = 3.0) -> np.ndarray:
    """(2, 4, sample): plane waves from 60 and from -100 degrees that take turns."""
    generator = np.random.default_rng(0)
    n_samples = round(seconds * RATE)
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE)
    times = np.arange(n_samples) / RATE
    found = []
    for index, azimuth in enumerate(np.radians(AZIMUTHS)):
        gate = np.sin(2 * np.pi * times + index * np.pi) > -0.2
        arrival = -RING.positions @ [np.cos(azimuth), np.sin(azimuth), 0] / SPEED_OF_SOUND
        spectrum = np.fft.rfft(0.05 * gate * generator.standard_normal(n_samples))
        found.append(np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequencies * arrival[:, None]), n_samples))
    return np.array(found)


def heard(seconds: float = 3.0) -> np.ndarray:
    parts = images(seconds)
    return parts.sum(axis=0) + 1e-3 * np.random.default_rng(1).standard_normal(parts.shape[1:])


def write(name: str, samples: np.ndarray) -> Path:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(name, samples.T, RATE, subtype="FLOAT")
    return Path(name)


def simulated(folder: str = "truth") -> Path:
    """A folder as `arrayscene simulate` writes it."""
    write(f"{folder}/mixture.wav", heard())
    talkers = []
    for number, image in enumerate(images(), start=1):
        write(f"{folder}/images/talker-{number}.wav", image[:1])
        place = {"azimuth_deg": AZIMUTHS[number - 1], "elevation_deg": 5.0, "distance_m": 1.0}
        talkers.append({"name": f"talker {number}", **place, "file": f"images/talker-{number}.wav"})
    RING.save(Path(folder) / "array.json")
    truth = {"format": "arrayscene.truth", "version": 1, "recording": "mixture.wav", "array": "array.json", "talkers": talkers}
    Path(folder, "truth.json").write_text(json.dumps(truth))
    return Path(folder)


def test_tracks_a_table_a_picture_and_what_evaluate_says() -> None:
    truth = simulated()
    result = run("track", truth / "mixture.wav", *CIRCLE, "--out", "there")
    assert result.exit_code == 0, result.output
    assert "wrote there/tracks.png" in result.stdout
    names = {path.name for path in Path("there").iterdir()}
    assert names == {"tracks.json", "tracks.csv", "tracks.rttm", "tracked.jsonl", "potential.jsonl", "tracks.png"}
    for what in ("there", "there/tracks.csv", "there/tracked.jsonl"):
        scored = run("evaluate", what, "--truth", truth, "--json")
        assert scored.exit_code == 0, scored.output
        measures = json.loads(scored.stdout)
        assert (measures["n_found"], measures["n_switches"]) == (2, 0)
        assert measures["mean_identity_kept"] > 0.85
        assert measures["mean_error_deg"] < 5
        assert measures["false_rate"] < 0.1
    assert "identity kept" in run("evaluate", "there", "--truth", truth).stdout


def test_tracked_sources_are_heard_alone() -> None:
    truth = simulated()
    result = run("track", truth / "mixture.wav", *CIRCLE, "--out", "there", "--signals", "--method", "masking", "--no-picture")
    assert result.exit_code == 0, result.output
    assert (Path("there") / "sources" / "source-2.wav").is_file()
    measures = json.loads(run("evaluate", "there", "--truth", truth, "--json").stdout)
    assert measures["mean_si_sdr_improvement_db"] > 5


def test_json_is_the_whole_of_stdout_and_formats_are_chosen() -> None:
    take = write("take.wav", heard())
    result = run("track", take, *CIRCLE, "--json", "--no-picture", "--format", "none")
    assert json.loads(result.stdout) == json.loads(Path("take-tracks/tracks.json").read_text(encoding="utf-8"))
    assert [path.name for path in Path("take-tracks").iterdir()] == ["tracks.json"]
    assert run("track", take, *CIRCLE, "--quiet", "--no-picture", "--format", "rttm").exit_code == 2
    again = run("track", take, *CIRCLE, "--quiet", "--no-picture", "--format", "rttm", "--overwrite")
    assert (again.exit_code, again.output) == (0, "")
    assert {path.name for path in Path("take-tracks").iterdir()} == {"tracks.json", "tracks.rttm"}


def test_a_scene_is_evaluated_with_its_signals() -> None:
    truth = simulated()
    Path("scene/sources").mkdir(parents=True)
    sources = []
    for number, (image, azimuth) in enumerate(zip(images(), (63.0, -100.0), strict=True), start=1):
        soundfile.write(f"scene/sources/{number}.wav", 0.5 * image[0] + 0.05 * heard()[0], RATE, subtype="FLOAT")
        sources.append({"azimuth_deg": azimuth, "elevation_deg": 0.0, "level_db": -20.0, "file": f"sources/{number}.wav"})
    sources.append({"azimuth_deg": 170.0, "elevation_deg": None, "level_db": -40.0, "file": "sources/1.wav"})
    Path("scene/scene.json").write_text(json.dumps({"format": "arrayscene.scene", "sources": sources}))
    result = run("evaluate", "scene", "--truth", truth / "truth.json", "--json")
    assert result.exit_code == 0, result.output
    measures = json.loads(result.stdout)
    # The array lies level: the talkers' 5 degrees of elevation do not count.
    assert measures["mean_error_deg"] == pytest.approx(1.5, abs=0.01)
    assert (measures["within_5_deg"], measures["n_false"], measures["n_missed"]) == (1, 1, 0)
    assert measures["gospa_deg"] == pytest.approx(np.sqrt(9 + 450), abs=0.01)
    assert measures["mean_si_sdr_improvement_db"] > 15
    said = run("evaluate", "scene", "--truth", truth, "--gate", 15).stdout
    assert "GOSPA: place, missed and false in one number" in said
    assert "missed, false: a talker without a found source within 15°" in said
    # Only what is in the table is explained.
    assert "identity kept" not in said


def test_a_walker_of_a_data_set_is_evaluated() -> None:
    from arrayscene.worlds import World, WorldConfig, read_scene, write_world

    config = WorldConfig(
        duration=2.0, t60=(0.2, 0.2), arrays=("circular:4:0.05",), n_talkers=(1, 1), moving=1.0, speed=(0.9, 1.0), point_noise=0.0
    )
    write_world(World(config, seed=2), "set", 1)
    scene = Path("set/shard-0000/scene-000000")
    azimuth = np.degrees(np.unwrap(read_scene(scene).azimuths[0].numpy()))
    times = np.append(0.1 * np.arange(len(azimuth) - 1), 2.0)
    stamps = np.arange(0.032, 2.0, 0.064)
    lines = ["time_s,id,azimuth_deg,elevation_deg,deviation_deg,activity,active,strength"]
    lines += [f"{t:.4f},1,{np.interp(t, times, azimuth) + 3:.3f},,1,1,1,1" for t in stamps]
    Path("mine.csv").write_text("\n".join(lines))
    result = run("evaluate", "mine.csv", "--truth", scene, "--json")
    assert result.exit_code == 0, result.output
    measures = json.loads(result.stdout)
    assert measures["mean_error_deg"] == pytest.approx(3, abs=0.2)
    assert measures["identity_kept"][0] > 0.95
    assert run("evaluate", "mine.csv", "--truth", "set").exit_code == 2


BAD: dict[str, tuple[Callable[[], list[object]], str]] = {
    "no array": (lambda: ["track", write("take.wav", heard(1.0))], "arrayscene array list"),
    "missing file": (lambda: ["track", "nowhere.wav", *CIRCLE], "nowhere.wav"),
    "mono": (lambda: ["track", write("bad.wav", heard(1.0)[:1]), *CIRCLE], "4 microphones"),
    "silence": (lambda: ["track", write("bad.wav", np.zeros((4, RATE))), *CIRCLE], "silent"),
    "NaN everywhere": (lambda: ["track", write("bad.wav", np.full((4, RATE), np.nan)), *CIRCLE], "bad.wav"),
    "too short": (lambda: ["track", write("bad.wav", heard(0.05)), *CIRCLE], "at least 0.1 s"),
    "a method for nothing": (lambda: ["track", write("take.wav", heard(1.0)), *CIRCLE, "--method", "mvdr"], "--signals"),
    "unknown format": (lambda: ["track", write("take.wav", heard(1.0)), *CIRCLE, "--format", "xml"], "'xml'"),
    "a result that is none": (lambda: ["evaluate", write("take.wav", heard(1.0)), "--truth", simulated()], "take.wav"),
    "a truth that is none": (lambda: ["evaluate", "x.json", "--truth", "nowhere"], "x.json"),
    "a gate of nothing": (lambda: ["evaluate", "x.json", "--truth", "nowhere", "--gate", 0], "--gate 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_2_and_nothing_is_written(case: str) -> None:
    make, message = BAD[case]
    arguments = make()
    before = sorted(Path().rglob("*"))
    assert_refused(run(*arguments), message, before)


def test_one_click_is_nobody() -> None:
    samples = 1e-4 * np.random.default_rng(0).standard_normal((4, 2 * RATE))
    samples[:, RATE] = 0.9
    result = run("track", write("click.wav", samples), *CIRCLE)
    assert result.exit_code == 0, result.output
    assert "no source was followed" in result.stdout
    assert "warning: " in result.stderr
    assert json.loads(Path("click-tracks/tracks.json").read_text())["tracks"] == []
