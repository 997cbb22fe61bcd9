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
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_list_names_every_device() -> None:
    result = run("list")
    assert result.exit_code == 0
    for name in MicrophoneArray.preset_names():
        assert name in result.output


def test_list_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("list").output.splitlines()
    assert max(map(len, lines)) <= 80
    # Every device has its figures in one line and what it is beneath.
    for name in MicrophoneArray.preset_names():
        at = next(number for number, line in enumerate(lines) if line.split()[0] == name)
        assert lines[at].split()[1].isdigit()
        assert lines[at + 1].startswith("    ")


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


def test_show_says_from_where_on_directions_alias() -> None:
    facts = json.loads(run("show", "linear:4:0.05", "--no-picture", "--json").output)
    horizon = facts["aliasing_horizon"]
    assert horizon["lowest_hz"] == pytest.approx(facts["aliasing_hz"])
    assert horizon["highest_hz"] == pytest.approx(2 * facts["aliasing_hz"])
    assert abs(horizon["lowest_azimuth_deg"]) == 90
    assert horizon["highest_azimuth_deg"] % 180 == 0
    assert "from 3.4 kHz (azimuth -90°) to 6.9 kHz" in run("show", "linear:4:0.05", "--no-picture").output
    assert "none that can be heard" in run("show", "eigenmike-em64", "--no-picture").output
    assert json.loads(run("show", "circular:1:0.05", "--no-picture", "--json").output)["aliasing_horizon"]["lowest_hz"] is None


def test_show_prints_what_is_known_of_each_microphone() -> None:
    MicrophoneArray.from_positions(
        [[0.1, 0, 0], [0, 0.1, 0], [-0.1, 0, 0]], layout="mic-first", directivity=[0.5, 1, 0], gains_db=[0, 1.25, -3],
        delays=[0, 1.5e-5, 0], blocks=[1, 1, 2], body_radius=0.1, body_shape="cylinder",
    ).save("mine.toml")  # fmt: skip
    output = run("show", "mine.toml", "--no-picture").output
    for words in ("rigid cylinder", "radius 100 mm", "sub-arrays", "gain (dB)", "1.25", "delay (us)", "15.00", "axis", "p"):
        assert words in output


def test_show_takes_files_of_other_packages() -> None:
    Path("mics.xml").write_text('<MicArray><pos Name="a" x="0" y="0" z="0"/><pos Name="b" x="0.1" y="0" z="0"/></MicArray>')
    facts = json.loads(run("show", "mics.xml", "--no-picture", "--json").output)
    assert (facts["n_mics"], facts["names"]) == (2, ["a", "b"])


COMBINED = MicrophoneArray.combine(
    [MicrophoneArray.preset("sennheiser-ambeo"), MicrophoneArray.circular(12, 0.05)], [[0, 0, 0], [0.3, 0, 0.1]]
)


def test_the_picture_of_a_crowd_in_space_has_a_map_that_names_every_microphone() -> None:
    from arrayscene.report.array_figure import array_figure

    for array in (MicrophoneArray.preset("eigenmike-em64"), MicrophoneArray.cylinder(3, 8, 0.1, 0.2, rigid=True), COMBINED):
        panels = array_figure(array).axes
        assert len(panels) == 3
        labels = {words for text in panels[2].texts for words in text.get_text().split(", ")}
        runs = [[int(end) for end in words.split("-")] for words in labels]
        assert {number for run in runs for number in range(run[0], run[-1] + 1)} == set(range(1, array.n_mics + 1))
    assert len(array_figure(MicrophoneArray.circular(4, 0.1)).axes) == 1


@pytest.mark.parametrize(
    "spec",
    [
        "circular:6:0.05", "linear:4:0.05", "circular:1:0.05", "eigenmike-em64", "chime3-6", "dicit-15", "sennheiser-ambeo",
        "cylinder:2x6:0.05:0.1", "spiral:64:0.5",
    ],
)  # fmt: skip
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
        (("show", "respeaker"), GeometryError, "'respeaker-6', 'respeaker-hat-4', 'respeaker-usb-4' or 'respeaker-usb-7'"),
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
