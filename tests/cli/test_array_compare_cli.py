"""`arrayscene array compare`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arrayscene.cli.array import app
from arrayscene.errors import ArraySceneError, GeometryError


def run(*arguments: str):
    return CliRunner().invoke(app, ["compare", *arguments])


def test_it_recommends_and_writes_one_page(tmp_path: Path) -> None:
    result = run("circular:4:0.05", "linear:4:0.05", "--purpose", "conference")
    assert result.exit_code == 0
    assert result.output.startswith("For a conference take circular-4-0.05m")
    assert "page: array-comparison.html" in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["array-comparison.html"]


def test_json_alone_writes_no_page(tmp_path: Path) -> None:
    result = run("circular:4:0.05", "--purpose", "robot", "--json")
    assert json.loads(result.output)["purpose"] == "robot"
    assert list(tmp_path.iterdir()) == []


def test_json_and_a_page(tmp_path: Path) -> None:
    result = run("circular:3:0.05", "--purpose", "recognition", "--json", "--out", "mine.html")
    assert json.loads(result.output)["arrays"][0]["n_mics"] == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.html"]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("uma8", "--purpose", "party"), ArraySceneError, "conference, robot, recognition, imaging"),
        (("uma8", "uma-8", "--purpose", "robot"), GeometryError, "came twice"),
        (("circular:1:0.05", "--purpose", "robot"), GeometryError, "one microphone"),
        (("uma-9", "--purpose", "robot"), GeometryError, "did you mean 'uma-8'"),
        (("uma8", "--purpose", "robot", "--out", "array.toml"), ArraySceneError, "suffix '.toml' came; .html was wanted"),
        (("uma8", "--purpose", "robot", "--out", "nowhere/page.html"), ArraySceneError, "the folder nowhere is not there"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(arguments: tuple[str, ...], kind: type, message: str, tmp_path: Path) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_purpose_must_be_named() -> None:
    result = run("uma8")
    assert result.exit_code == 2
    assert "--purpose" in result.output
