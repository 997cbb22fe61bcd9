"""`arrayscene convert`."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from arrayscene.cli.convert import convert
from arrayscene.errors import RecordingError
from arrayscene.recording import Recording

RATE = 16000
app = typer.Typer()
app.command()(convert)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    """The message; whatever was there before is there still, and nothing new."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    with pytest.raises(RecordingError) as caught:
        run(*arguments)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    return str(caught.value)


def bursts(n_mics: int = 3, seconds: float = 25.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = 0.0005 * rng.standard_normal((n_mics, round(seconds * RATE)))
    for start, stop in ((1, 3), (8, 12), (20, 21)):
        x[:, start * RATE : stop * RATE] += 0.1 * rng.standard_normal((n_mics, (stop - start) * RATE))
    return x.astype(np.float32)


@pytest.fixture
def recorded() -> Path:
    Recording(bursts(), RATE).write("in.wav", "PCM_16")
    return Path("in.wav")


def test_format_follows_the_suffix_and_no_bit_changes(recorded: Path) -> None:
    assert run(recorded, "--out", "x.flac") == "wrote x.flac: 25.00 s, 3 channels at 16000 Hz\n"
    np.testing.assert_array_equal(Recording.read("x.flac").samples, Recording.read(recorded).samples)
    assert soundfile.info("x.flac").subtype == "PCM_16"


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "aiff", "caf", "w64", "rf64"])
def test_format_without_a_name(recorded: Path, suffix: str) -> None:
    run(recorded, "--format", suffix, "--overwrite")
    assert Recording.read(f"in.{suffix}").n_samples == 25 * RATE


def test_rate_channels_and_stretch(recorded: Path) -> None:
    run(recorded, "--out", "x.wav", "--rate", 8000, "--channels", "3,1", "--start", 2, "--stop", 10.5)
    wanted = Recording.read(recorded, channels=(3, 1), start=2, stop=10.5).resample(8000)
    back = Recording.read("x.wav")
    assert back.sample_rate == 8000
    np.testing.assert_allclose(back.samples, wanted.samples, atol=1e-6)


def test_one_file_a_microphone_becomes_one() -> None:
    x = bursts()
    for mic, row in enumerate(x):
        soundfile.write(f"mic{mic}.wav", row, RATE, subtype="FLOAT")
    run("mic0.wav", "mic1.wav", "mic2.wav", "--out", "all.wav")
    np.testing.assert_array_equal(Recording.read("all.wav").samples, x)


def test_split_by_activity_writes_numbered_files_and_lists(recorded: Path) -> None:
    answer = json.loads(run(recorded, "--split-by-activity", "--out", "parts", "--json"))
    names = sorted(path.name for path in Path("parts").iterdir())
    assert names == ["segment-0001.wav", "segment-0002.wav", "segment-0003.wav", "segments.csv", "segments.json"]
    whole = Recording.read(recorded)
    listed = json.loads(Path("parts/segments.json").read_text())["segments"]
    for part, meant in zip(listed, ((1, 3), (8, 12), (20, 21)), strict=True):
        np.testing.assert_allclose((part["start_s"], part["end_s"]), meant, atol=0.2)
        stretch = whole.segment(part["start_s"], part["end_s"])
        np.testing.assert_array_equal(Recording.read(Path("parts") / part["file"]).samples, stretch.samples)
    with open("parts/segments.csv", newline="") as table:
        assert [row["file"] for row in csv.DictReader(table)] == names[:3]
    assert [part["file"] for part in answer["files"]] == [str(Path("parts") / name) for name in names[:3]]


def test_split_times_count_from_the_beginning_of_the_file(recorded: Path) -> None:
    run(recorded, "--split-by-activity", "--format", "flac", "--start", 6, "--quiet")
    listed = json.loads(Path("in-segments/segments.json").read_text())["segments"]
    np.testing.assert_allclose([part["start_s"] for part in listed], [8, 20], atol=0.2)
    assert soundfile.info("in-segments/segment-0001.flac").format == "FLAC"


def test_nothing_is_overwritten_unasked(recorded: Path) -> None:
    Path("x.flac").write_text("mine")
    assert "--overwrite" in refused(recorded, "--out", "x.flac")
    run(recorded, "--out", "x.flac", "--overwrite")
    assert Recording.read("x.flac").n_mics == 3


def test_a_folder_is_never_mixed_with_old_files(recorded: Path) -> None:
    run(recorded, "--split-by-activity", "--out", "parts")
    assert "--overwrite" in refused(recorded, "--split-by-activity", "--out", "parts")
    run(recorded, "--split-by-activity", "--out", "parts", "--overwrite", "--stop", 5)
    assert len(list(Path("parts").glob("*.wav"))) == 1
    Path("parts/diary.txt").write_text("mine")
    assert "diary.txt" in refused(recorded, "--split-by-activity", "--out", "parts", "--overwrite")
    assert "is a file" in refused(recorded, "--split-by-activity", "--out", "in.wav", "--overwrite")


def test_silence_cannot_be_split() -> None:
    Recording(np.zeros((2, RATE)), RATE).write("silent.wav")
    assert "nothing sounds" in refused("silent.wav", "--split-by-activity")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.wav"], "no output came"),
        (["in.wav", "--out", "x.xyz"], "suffix .xyz"),
        (["in.wav", "--format", "xyz"], "--format 'xyz' came"),
        (["in.wav", "--out", "x.wav", "--format", "flac"], "do not agree"),
        (["in.wav", "--out", "x.wav", "--channels", "1,b"], "--channels '1,b' came"),
        (["in.wav", "--out", "x.wav", "--channels", "4"], "[4] not there"),
        (["in.wav", "--out", "x.mp3"], "MP3 holds 1 to 2"),
        (["in.wav", "--out", "x.opus", "--rate", "44100"], "OPUS holds only"),
        (["in.wav", "--out", "x.wav", "--rate", "100"], "at least 4000 Hz"),
        (["in.wav", "--out", "x.wav", "--start", "30"], "0 to 25.000 s"),
        (["inn.wav", "--out", "x.wav"], "did you mean in.wav"),
        (["in.wav", "--out", "nowhere/x.wav"], "does not exist"),
        (["in.wav", "--split-by-activity", "--format", "mp3"], "MP3 holds 1 to 2"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_left(recorded: Path, arguments: list[str], message: str) -> None:
    assert message in refused(*arguments)


def test_json_and_quiet(recorded: Path) -> None:
    answer = json.loads(run(recorded, "--out", "x.wav", "--stop", 4, "--json"))
    assert answer == {
        "inputs": ["in.wav"],
        "channels": [1, 2, 3],
        "sample_rate": RATE,
        "files": [{"file": "x.wav", "start_s": 0.0, "end_s": 4.0, "clipped": 0}],
        "warnings": [],
    }
    assert run(recorded, "--out", "y.wav", "--quiet") == ""


def test_clipping_and_truncation_are_warned_of() -> None:
    Recording(np.full((1, 100), 1.5), RATE).write("loud.wav")
    result = CliRunner().invoke(app, ["loud.wav", "--out", "x.flac"])
    assert "100 samples were beyond full scale" in result.stderr
    Recording(bursts(), RATE).write("cut.wav")
    content = Path("cut.wav").read_bytes()
    Path("cut.wav").write_bytes(content[: len(content) // 2])
    result = CliRunner().invoke(app, ["cut.wav", "--out", "y.wav"])
    assert "warning: cut.wav: truncated" in result.stderr
