"""`arrayscene locate`: a table, JSON, a folder; and what bad input leaves behind (nothing)."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from arrayscene.array import MicrophoneArray
from arrayscene.cli.locate import _angle
from arrayscene.cli.main import app
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.report.sentences import _named

RATE = 16000
RING = MicrophoneArray.circular(4, 0.05)
LINE = MicrophoneArray.linear(12, 0.06)
CIRCLE = ("--array", "circular:4:0.05")


def run(*arguments: object):
    return CliRunner().invoke(app, ["locate", *map(str, arguments)])


def take(array: MicrophoneArray, place: tuple[float, float, float], name: str = "take.wav") -> Path:
    """One second of noise from a place in metres, and sensor noise."""
    generator = np.random.default_rng(0)
    distance = np.linalg.norm(array.positions - place, axis=1)
    frequencies = np.fft.rfftfreq(RATE, 1 / RATE)
    late = np.exp(-2j * np.pi * frequencies * (distance[:, None] - distance.min()) / SPEED_OF_SOUND) / distance[:, None]
    y = np.fft.irfft(np.fft.rfft(generator.standard_normal(RATE)) * late, RATE)
    y = 0.05 * y / y.std() + 1e-3 * generator.standard_normal(y.shape)
    soundfile.write(name, y.T, RATE, subtype="FLOAT")
    return Path(name)


def test_a_table_and_nothing_written() -> None:
    result = run(take(RING, (30.0, 30.0, 0.0)), *CIRCLE)
    assert result.exit_code == 0, result.output
    assert "45°" in result.stdout
    assert "unknown" in result.stdout
    assert "mirror: above as below" in result.stdout
    assert [path.name for path in Path().iterdir()] == ["take.wav"]


def test_json_and_a_folder_with_a_picture() -> None:
    file = take(RING, (30.0, 30.0, 0.0))
    result = run(file, *CIRCLE, "--out", "found", "--json", "--full-scale-spl", 120)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document == json.loads(Path("found/location.json").read_text(encoding="utf-8"))
    assert document["format"] == "arrayscene.location"
    source = document["sources"][0]
    assert source["azimuth_deg"] == pytest.approx(45, abs=2)
    assert source["distance_m"] is None
    assert source["ambiguity"] == "mirror"
    assert source["spl_db"] == pytest.approx(source["level_db"] + 120, abs=0.02)
    assert Path("found/location.png").read_bytes().startswith(b"\x89PNG")
    again = run(file, *CIRCLE, "--out", "found")
    assert again.exit_code == 2
    assert "--overwrite" in again.output
    assert run(file, *CIRCLE, "--out", "found", "--quiet", "--overwrite").stdout == ""
    Path("found/notes.txt").write_text("mine", encoding="utf-8")
    assert "notes.txt" in run(file, *CIRCLE, "--out", "found", "--overwrite").output
    assert Path("found/notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_distance_is_printed_where_it_is_known() -> None:
    LINE.save("line.toml")
    result = run(take(LINE, (0.8, 0.2, 0.0)), "--array", "line.toml", "--out", "found")
    assert result.exit_code == 0, result.output
    source = json.loads(Path("found/location.json").read_text(encoding="utf-8"))["sources"][0]
    assert source["distance_m"] == pytest.approx(0.825, abs=0.1)
    printed = [float(metres) for metres in re.findall(r"(\d+\.\d\d) ±", result.stdout)]
    assert printed == [pytest.approx(source["distance_m"], abs=0.006)]
    assert "cone: azimuth" in result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [((), "no array came"), ((*CIRCLE, "--method", "tops"), "tops"), ((*CIRCLE, "--sources", 0), "--sources 0")],
)
def test_bad_options_are_one_line_and_nothing_is_written(options: tuple[object, ...], words: str) -> None:
    result = run(take(RING, (30.0, 30.0, 0.0)), *options, "--out", "found")
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert not Path("found").exists()


def test_a_file_in_the_way_is_refused() -> None:
    Path("found").write_text("mine", encoding="utf-8")
    result = run(take(RING, (30.0, 30.0, 0.0)), *CIRCLE, "--out", "found")
    assert result.exit_code == 2
    assert Path("found").read_text(encoding="utf-8") == "mine"


def test_silence_is_an_error() -> None:
    soundfile.write("silence.wav", np.zeros((RATE, 4)), RATE)
    result = run("silence.wav", *CIRCLE)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_no_direction_is_minus_zero() -> None:
    assert [_angle(math.radians(degrees), None) for degrees in (-0.4, 0.4, -0.6)] == ["0°", "0°", "-1°"]
    assert _named(-0.0) == "0° (front)"
