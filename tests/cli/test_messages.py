"""What the command line says of names and places that cannot be: what was meant, in its own words, before any work."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from arrayscene.cli.main import app
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.methods import METHODS
from arrayscene.naming import nearest, one_of, suggestion

RATE = 16000
TAKE = ("take.wav", "--array", "circular:4:0.05")


@pytest.fixture(autouse=True)
def a_recording(in_an_empty_folder: None) -> None:
    soundfile.write("take.wav", 0.1 * np.random.default_rng(0).standard_normal((RATE, 4)), RATE)


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 2, result.output
    assert [path.name for path in Path().iterdir()] == ["take.wav"]
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("recover", *TAKE, "--method", "mvd"), "mvdr"),
        (("track", *TAKE, "--signals", "--method", "ilrm"), "ilrma"),
        (("track", *TAKE, "--format", "cvs"), "csv"),
        (("locate", *TAKE, "--method", "musik"), "music"),
        (("map", *TAKE, "--method", "clean"), "clean-sc"),
        (("map", *TAKE, "--steering", "true levl"), "true level"),
        (("array", "compare", "uma8", "--purpose", "conferense"), "conference"),
        (("array", "show", "respaker-usb4"), "respeaker-usb-4"),
        (("convert", "take.wav", "--format", "flak"), "flac"),
        (("simulate", "--scenes", "1", "--split", "tset"), "test"),
        (("bench", "--kinds", "rings-2"), "ring-2"),
        (("bench", "--methods", "axiva"), "auxiva"),
        (("train", "netwrk"), "network"),
    ],
)
def test_what_was_meant(words: tuple[str, ...], meant: str) -> None:
    said = refused(*words)
    assert said.endswith(f"did you mean {meant!r}?")
    assert said.startswith("error: ")


@pytest.mark.parametrize("place", ["take.wav", "/proc"])
@pytest.mark.parametrize(
    "words",
    [
        ("recover", *TAKE),
        ("track", *TAKE),
        ("locate", *TAKE),
        ("map", *TAKE),
        ("convert", "take.wav"),
        ("simulate", "--array", "circular:4:0.05"),
        ("simulate", "--scenes", "1"),
        ("bench",),
        ("demo",),
        ("array", "check", *TAKE),
    ],
    ids=" ".join,
)
def test_a_place_that_cannot_be_written_is_noticed_before_the_work(
    words: tuple[str, ...], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path(place).exists():
        pytest.skip("only Linux has this folder, in which nobody may write, whatever its permissions say")

    from arrayscene.recording import Recording

    def work(*_: object, **__: object) -> Recording:
        raise AssertionError("the recording was read")

    monkeypatch.setattr(Recording, "read", work)
    name = {"convert": "x.flac", "array": "x.toml"}.get(words[0], "x")
    said = refused(*words, "--out", f"{place}/{name}")
    assert place in said
    assert place == "take.wav" or "cannot be written (" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("recover", *TAKE, "--sources", "0"), "recover: --sources 0 came"),
        (("recover", *TAKE, "--sources", "3", "--directions", "3,4"), "--sources 3 and 2 directions came; leave --sources out"),
        (("recover", *TAKE, "--draws", "2"), "--draws 2 came with method 'auto'"),
        (("recover", *TAKE, "--start", "1", "--stop", "0.5"), "--start and --stop: 1.0 s to 0.5 s"),
        (("locate", *TAKE, "--sources", "-1"), "locate: --sources -1 came"),
        (("locate", *TAKE, "--full-scale-spl", "nan"), "--full-scale-spl nan came"),
        (("map", *TAKE, "--range", "0"), "--range 0 came"),
        (("map", *TAKE, "--every", "0"), "--every 0 came"),
        (("simulate", "--scenes", "1", "--t60", "-1"), "--t60: (-1.0, -1.0) came"),
        (("simulate", "--scenes", "1", "--room", "1x1x-1"), "--room: (-1.0, -1.0) came"),
        (("train", "network", "--lr", "-1"), "--lr -1.0 came"),
    ],
)
def test_options_are_called_as_the_command_line_calls_them(words: tuple[str, ...], said: str) -> None:
    message = refused(*words)
    assert said in message
    assert "=" not in message
    assert "----" not in message


def test_channels_that_cannot_be_used_are_named() -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal((RATE, 4))
    samples[:, 1:] = 0
    soundfile.write("take.wav", samples, RATE)
    said = refused("recover", *TAKE)
    assert "1 of 4 channels can be used" in said
    assert "channel 2" in said
    assert "health" not in said


def test_an_earlier_result_is_replaced_with_an_option() -> None:
    words = ["recover", *TAKE, "--no-report", "--quiet", "--sources", "1"]
    assert CliRunner().invoke(app, words).exit_code == 0
    said = CliRunner().invoke(app, words).stderr
    assert said.endswith("or replace it with --overwrite\n")


def test_bench_lists_what_it_compares() -> None:
    said = CliRunner().invoke(app, ["bench", "--list"]).stdout
    for words in ("2 talkers, ring of 4 microphones", "delay-and-sum", "'auto, counting'", "peers: "):
        assert words in said
    assert not Path("bench").exists()


@pytest.mark.parametrize("text", ["mvdr,ilrma", "MVDR; ilrma"])
def test_bench_takes_commas_and_semicolons(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr("arrayscene.bench.make_scenes", lambda *_, **__: [])
    monkeypatch.setattr("arrayscene.bench.run", lambda methods, *_: asked.append(list(methods)) or [])
    for methods in (text, "auto, counting", "auto, counting;auto"):
        refused("bench", "--methods", methods)
    assert asked == [["mvdr", "ilrma"], ["auto, counting"], ["auto, counting", "auto"]]


@pytest.mark.parametrize("name", ["MVDR", "Delay-And-Sum", "delay_and_sum", "delayandsum"])
def test_case_and_punctuation_of_a_method_do_not_matter(name: str) -> None:
    assert CliRunner().invoke(app, ["recover", *TAKE, "--no-report", "--method", name, "--sources", "1"]).exit_code == 0


def test_names() -> None:
    assert one_of("Clean_SC", ["damas", "clean-sc"], "method") == "clean-sc"
    with pytest.raises(GeometryError, match="ring 'x' came; known are a, b"):
        one_of("x", ["a", "b"], "ring", GeometryError)
    with pytest.raises(ShapeError, match="did you mean 'Votes'"):
        one_of("vote", ["Votes", "music"], "method")
    assert nearest("FLAK", ["wav", "flac"]) == "flac"
    assert nearest("zzz", ["wav"]) is None
    assert suggestion("zzz", ["wav", "ogg"]) == "known are wav, ogg"


def test_help_and_page_name_every_method() -> None:
    helped = CliRunner().invoke(app, ["recover", "--help"]).stdout
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    listed = re.findall(r"^  ([\w-]+)  +\S", helped.partition("Methods:")[2], flags=re.MULTILINE)
    assert sorted(listed) == list(METHODS)
    assert all(f"`{name}`" in page for name in METHODS)


def test_whoever_moves_does_not_rest() -> None:
    assert "--moving and --resting came" in refused("recover", *TAKE, "--moving", "--resting")
    assert "--moving and --resting came" in refused("recover", *TAKE, "--resting", "--moving")


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--elevation", "nan", "degrees from -90 to 90"),
        ("--elevation", "120", "degrees from -90 to 90"),
        ("--distance", "inf", "metres above 0"),
    ],
)
def test_places_that_cannot_be_are_refused(option: str, value: str, wanted: str) -> None:
    said = refused("array", "calibrate", *TAKE, "--azimuth", "10", "--out", "calibrated.toml", option, value)
    assert said.startswith(f"error: {option} {value} came")
    assert wanted in said
