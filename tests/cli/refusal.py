"""How a command refuses bad input."""

from pathlib import Path

from typer.testing import Result


def assert_refused(result: Result, message: str, before: list[Path]) -> None:
    """One line that holds the message, exit code 2, and nothing in the folder that was not there before."""
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line.casefold().startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.output
    assert sorted(Path().rglob("*")) == before
