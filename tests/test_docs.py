"""The documentation runs: its Python, its commands, its examples, its links."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from arrayscene.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

SHORTER = {"train_audio_diffusion.py": ["1"]}
"""Arguments after the folder that make an example quick: one epoch."""


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(group: Any = None, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every command by its words, such as ("array", "list")."""
    found: dict[tuple[str, ...], Any] = {}
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, (*prefix, name))
        else:
            found[(*prefix, name)] = command
    return found


def options(command: Any) -> set[str]:
    return {
        name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")
    }


def documented_lines() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return [line.strip().removeprefix(".venv/bin/") for line in lines if re.match(r"\s*(\.venv/bin/)?arrayscene ", line)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*filled with the voices of the package:arrayscene.datasets.DatasetWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=page_id)
def test_python_in_the_documentation_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyroomacoustics", reason="the recording for the examples is simulated: pip install arrayscene[rooms]")
    from arrayscene import MicrophoneArray, load_voice, simulate_scene
    from arrayscene.simulate import Talker

    monkeypatch.chdir(tmp_path)
    talkers = [Talker(load_voice("english-allison"), 0.5), Talker(load_voice("french-june"), -2.0)]
    simulate_scene(MicrophoneArray.preset("respeaker-usb-4"), talkers, t60=0.2).recording.write("meeting.wav")
    namespace: dict[str, Any] = {}
    for number, block in enumerate(blocks(page, "python"), start=1):
        exec(compile(block, f"{page.name} block {number}", "exec"), namespace)


@pytest.mark.parametrize("line", documented_lines())
def test_documented_commands_exist(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    known = commands()
    name = next((tuple(words[:size]) for size in (2, 1) if tuple(words[:size]) in known), None)
    assert name is not None, f"no such command: {line}"
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= options(known[name]), line


@pytest.mark.parametrize("name", commands(), ids=" ".join)
def test_every_command_and_option_is_documented(name: tuple[str, ...]) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {name[0]}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/cli.md has no section {name[0]}"
    assert f"arrayscene {' '.join(name)}" in section[1]
    missing = {option for option in options(commands()[name]) - {"--help"} if option not in section[1]}
    assert not missing, f"docs/cli.md does not mention {missing}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_to_files_are_not_broken(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda script: script.name)
def test_examples_run(script: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyroomacoustics", reason="the examples simulate their input: pip install arrayscene[rooms]")
    arguments = [str(tmp_path / "new"), *SHORTER.get(script.name, ())]
    result = subprocess.run([sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_tables_of_responses_and_decoders_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from make_tables import PAGE, with_tables

    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run python tools/make_tables.py"
