"""Progress where stderr is no terminal: lines, few of them."""

import itertools
import time

import pytest
from typer.testing import CliRunner

from arrayscene import bench
from arrayscene.cli.main import app
from arrayscene.cli.progress import progress_bar


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **options: object) -> list[str]:
    """What five updates, 20 s from one to the next, write."""
    clock = itertools.count(0, 20)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with progress_bar(**options) as update:  # type: ignore[arg-type]
        for n in range(5 if update is not None else 0):
            assert update is not None
            update("decode", n / 5)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(capsys, monkeypatch) == ["decode: 20 %", "decode: 60 %"]
    assert told(capsys, monkeypatch, line_seconds=0.0) == [f"decode: {share} %" for share in (0, 20, 40, 60, 80)]
    assert told(capsys, monkeypatch, quiet=True) == []


def test_bench_tells_every_scene(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    pytest.importorskip("pyroomacoustics", reason="scenes are rooms that pyroomacoustics simulates")
    made = bench.make_scenes
    monkeypatch.setattr(bench, "make_scenes", lambda kind, n, **options: made(kind, n, seconds=1.0, **options))
    words = ("bench", "--scenes", "2", "--kinds", "triangle", "--methods", "delay-and-sum", "--out", str(tmp_path / "new"))
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    lines = [f"delay-and-sum: {share} %" for share in (0, 50, 100)]
    assert result.stderr.splitlines() == ["make scenes: 0 %", *lines]
