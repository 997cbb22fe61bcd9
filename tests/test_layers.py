"""Who may import whom: the layers of docs/architecture.md, as pyproject.toml states them."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_imports_go_downward_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lint_imports = pytest.importorskip("importlinter.cli", reason="layers are checked with import-linter").lint_imports
    # import-linter puts the working folder on the import path and leaves it there.
    monkeypatch.setattr(sys, "path", list(sys.path))
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out
