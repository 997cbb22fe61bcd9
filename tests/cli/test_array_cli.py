"""`arrayscene array list` and `arrayscene array show`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arrayscene.array import GeometryWarning, MicrophoneArray
from arrayscene.cli.array import app
from arrayscene.errors import ArraySceneError, GeometryError

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_list_names_every_device() -> None:
    result = run("list")
    assert result.exit_code == 0
    for name in MicrophoneArray.preset_names():
        assert name in result.output


def test_list_as_json() -> None:
    rows = json.loads(run("list", "--json").output)
    assert [row["name"] for row in rows] == list(MicrophoneArray.preset_names())
    uma = next(row for row in rows if row["name"] == "uma-8")
    assert (uma["n_mics"], uma["aperture_m"], uma["ambiguity"]) == (7, 0.086, "mirror")
    assert uma["aliasing_hz"] == pytest.approx(4086, abs=5)


def test_show_prints_the_facts_and_writes_a_picture(tmp_path: Path) -> None:
    result = run("show", "respeaker v2")
    assert result.exit_code == 0
    for words in ("respeaker-usb-4", "64 mm", "mirror", "third microphone", "2, 3, 4, 5 of 6", "45 degrees"):
        assert words in result.output
    assert "picture: respeaker-usb-4.png" in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["respeaker-usb-4.png"]
    assert (tmp_path / "respeaker-usb-4.png").read_bytes().startswith(PNG)


def test_show_without_a_picture_writes_nothing(tmp_path: Path) -> None:
    facts = json.loads(run("show", "eigenmike-em32", "--no-picture", "--json").output)
    assert (facts["n_mics"], facts["ambiguity"], facts["body_radius"]) == (32, "none", 0.042)
    assert "picture" not in facts
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "spec", ["circular:6:0.05", "linear:4:0.05", "circular:1:0.05", "eigenmike-em64", "chime3-6", "dicit-15"]
)
def test_every_kind_of_layout_can_be_drawn(spec: str, tmp_path: Path) -> None:
    result = run("show", spec, "--out", "drawing.png", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["picture"] == "drawing.png"
    assert (tmp_path / "drawing.png").read_bytes().startswith(PNG)


def test_show_a_file_whose_name_has_slashes_and_brackets(tmp_path: Path) -> None:
    MicrophoneArray.from_positions([[0, 0, 0], [0.1, 0, 0]], name="../desk [a]", names=["[left]", "[/right]"]).save("mine.toml")
    result = run("show", "mine.toml")
    assert result.exit_code == 0
    assert "[/right]" in result.output
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["desk-a.png", "mine.toml"]


def test_show_doubts_millimetres_aloud() -> None:
    Path("mm.json").write_text('{"positions": [[32, 0, 0], [0, 32, 0], [-32, 0, 0], [0, -32, 0]]}')
    with pytest.warns(GeometryWarning, match=r"positions are in metres.*0\.064 m"):
        assert run("show", "mm.json", "--no-picture").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("show", "uma-9"), GeometryError, "did you mean 'uma-8'"),
        (("show", "none.json"), GeometryError, "No such file"),
        (("show", "uma-8", "--out", "nowhere/a.png"), ArraySceneError, "cannot be written"),
        (("show", "uma-8", "--out", "a.xyz"), ArraySceneError, "suffix '.xyz'"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(arguments: tuple[str, ...], kind: type, message: str, tmp_path: Path) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []
