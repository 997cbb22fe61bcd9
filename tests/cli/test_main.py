"""The command itself: help, version, how failures end, what an interrupted job leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from arrayscene.cli import main as cli
from arrayscene.errors import RecordingError

COMMANDS = ("recover", "array", "convert", "simulate", "demo", "train", "doctor")


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from arrayscene.cli.main import main; main()", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False, **options)


def failing(error: BaseException, *options: str):
    """Run a command that raises `error`."""
    app = typer.Typer(cls=cli.Commands, pretty_exceptions_enable=False)
    app.callback()(cli.arrayscene)

    @app.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(app, [*options, "fail"])


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(cli.app, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(cli.app, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_version() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("arrayscene 0.")


def test_a_user_error_is_one_line_and_2() -> None:
    result = failing(RecordingError("x.wav: no such\n file; look again"))
    assert result.exit_code == 2
    assert result.stderr == "error: x.wav: no such file; look again\n"
    assert result.stdout == ""


def test_debug_shows_where_it_failed() -> None:
    result = failing(RecordingError("broken"), "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: broken\n")


def test_ctrl_c_says_that_nothing_was_written() -> None:
    result = failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == "interrupted: nothing was written\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), "--start and --stop"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "--start and --stop"),
        (OSError(28, "No space left on device", "out/scene.json"), "the disk is full: out/scene.json"),
        (PermissionError(13, "Permission denied", "out"), "Permission denied: out"),
    ],
)
def test_what_the_machine_refuses_is_one_line_and_2(error: Exception, message: str) -> None:
    result = failing(error)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ZeroDivisionError()])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    result = failing(error)
    assert result.exit_code == 1
    assert result.exception is error


def test_a_warning_is_one_line() -> None:
    import warnings

    app = typer.Typer(cls=cli.Commands)
    app.callback()(cli.arrayscene)

    @app.command()
    def warn() -> None:
        warnings.warn("channel 3\nis dead", UserWarning, stacklevel=1)
        warnings.warn("not for users", DeprecationWarning, stacklevel=1)

    result = CliRunner().invoke(app, ["warn"])
    assert result.exit_code == 0
    assert result.stderr == "warning: channel 3 is dead\n"


def test_an_unknown_command_is_2() -> None:
    assert CliRunner().invoke(cli.app, ["recoverr"]).exit_code == 2


def test_a_closed_pipe_is_quiet() -> None:
    program = f'"{sys.executable}" -c "from arrayscene.cli.main import main; main()" array list --json | head -c 1'
    result = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)
    assert result.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    """The interrupt comes while the room is simulated."""
    pytest.importorskip("pyroomacoustics")
    program = [sys.executable, "-c", "from arrayscene.cli.main import main; main()", "simulate"]
    options = ["--array", "circular:4:0.05", "--out", str(tmp_path / "scene"), "--t60", "0.9"]
    started = tmp_path / "started"
    # A test that runs in the background is started with SIGINT ignored, and would hand that on.
    watch = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    watch += f"import pyroomacoustics as p; f = p.ShoeBox.compute_rir; o = open; m = {str(started)!r}\n"
    watch += "p.ShoeBox.compute_rir = lambda room: (o(m, 'w').close(), f(room))[1]\nfrom arrayscene.cli.main import main; main()"
    process = subprocess.Popen([*program[:2], watch, "simulate", *options], stderr=subprocess.PIPE, text=True)
    while not started.exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr == "interrupted: nothing was written\n"
    started.unlink()
    assert list(tmp_path.iterdir()) == []
