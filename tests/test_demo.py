"""The demo: three people in a living room are found and told apart."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from arrayscene.cli.main import app

pytest.importorskip("pyroomacoustics", reason="the demo simulates a room: pip install arrayscene[rooms]")


@pytest.mark.slow
def test_the_demo_is_good_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo-scene")])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "demo-scene" / "report.html").stat().st_size > 10_000
    assert result.stdout.count(" dB") >= 9


def test_a_poor_result_is_called_poor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mixture given back as every source, from the wrong side."""
    from arrayscene import demo

    truth = demo.simulate_living_room()
    monkeypatch.setattr(demo, "simulate_living_room", lambda: truth)
    monkeypatch.setattr(demo, "recover", lambda recording, progress=None: _hopeless(recording))
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo-scene")])
    assert result.exit_code == 1
    assert "azimuth is off by" in result.stderr
    assert result.stderr.count(": not found") == 2
    assert "poor: mean SI-SDR improvement is 0.0 dB" in result.stderr
    assert "poor: 1 sources were found where 3 people talk" in result.stderr
    assert result.stdout.count("not found") == 2


def _hopeless(recording):
    import numpy as np

    from arrayscene.scene import Reliability, Scene, SoundMap, Source

    mixture = recording.samples[0]
    whole = np.array([[0.0, recording.duration]])
    frequencies = np.linspace(0, 8000, 65)
    flat = np.zeros(65)
    return Scene(
        sources=[Source(np.pi, None, None, -20.0, whole, 0.1, mixture)],
        mixture=mixture,
        sample_rate=recording.sample_rate,
        array=recording.array,
        reference_channel=recording.channels[0],
        sound_map=SoundMap(np.linspace(-np.pi, np.pi, 36, endpoint=False), np.zeros(36), np.arange(0.5, 8), np.ones((36, 8))),
        reliability=Reliability(frequencies, flat, flat, flat + 1, flat, 3000.0),
        method="none",
        why="a test",
        ambiguity="mirror",
    )
