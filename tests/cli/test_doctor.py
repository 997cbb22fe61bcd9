"""`arrayscene doctor`: it says what is wrong and what to do."""

import json

import pytest
from typer.testing import CliRunner

from arrayscene import kernels
from arrayscene.cli.main import app


def test_a_healthy_installation() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    answer = json.loads(result.stdout)
    assert answer["ok"], answer
    assert result.exit_code == 0
    assert {"python", "torch", "kernels", "recover a tiny scene"} <= {check["name"] for check in answer["checks"]}


def test_a_broken_kernel_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise RuntimeError("results differ by 0.5")

    monkeypatch.setattr(kernels, "self_test", broken)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    line = next(line for line in result.stdout.splitlines() if "kernels" in line)
    assert line.startswith("FAIL")
    assert "results differ by 0.5" in line
    assert "reinstall numba" in line
