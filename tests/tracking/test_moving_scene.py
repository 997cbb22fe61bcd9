"""`recover` of sources that move: noticed, followed, decoded along their tracks, and told in the folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from moving import RATE, images, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.errors import ArraySceneError
from arrayscene.metrics import match_sources, si_sdr
from arrayscene.recording import Recording
from arrayscene.recovery import recover
from arrayscene.report import write_scene
from arrayscene.scene import Scene

RING = MicrophoneArray.circular(4, 0.05)
WALKS = (lambda t: -100 + 30 * t, lambda t: 60 + 30 * t)
RESTS = (lambda t: -100 + 0 * t, lambda t: 60 + 0 * t)


@pytest.fixture(scope="module")
def walkers() -> Recording:
    return Recording(plane_waves(RING, WALKS, 5), RATE, RING)


@pytest.fixture(scope="module")
def scene(walkers: Recording) -> Scene:
    return recover(walkers, method="mwf")


def test_walkers_are_noticed_and_heard_along_their_tracks(walkers: Recording, scene: Scene) -> None:
    targets = images(RING, WALKS, 5)[:, 0]
    assert len(scene.sources) == 2
    assert "track" in scene.why
    _, _, after = match_sources(np.stack([source.signal for source in scene.sources]), targets)
    assert (after - si_sdr(walkers.samples[:1], targets)).mean() > 3
    for source in scene.sources:
        path = source.path
        assert path is not None
        assert path.azimuth is not None
        off = [np.degrees(np.angle(np.exp(1j * (path.azimuth - np.radians(walk(path.times)))))) for walk in WALKS]
        assert min(np.abs(way)[path.active].max() for way in off) < 12


def test_a_path_sounds_when_its_source_does() -> None:
    """The activity of the report and the bold stretches of its sound map are the same."""
    gates = (lambda t: (t < 1.5) | (t > 3.0), lambda t: t > 0.8)
    recording = Recording(plane_waves(RING, WALKS, 5, gates=gates), RATE, RING)
    found = recover(recording, method="mwf", moving=True, n_sources=2).sources
    assert found
    for source in found:
        assert source.path is not None
        times, stretches = source.path.times, source.active
        np.testing.assert_array_equal(source.path.active, ((times >= stretches[:, :1]) & (times < stretches[:, 1:])).any(0))
        assert 0 < source.path.active.mean() <= 1


def test_the_folder_tells_the_paths(scene: Scene, tmp_path: Path) -> None:
    folder = write_scene(scene, tmp_path / "scene")
    sources = json.loads((folder / "scene.json").read_text(encoding="utf-8"))["sources"]
    for entry, source in zip(sources, scene.sources, strict=True):
        assert {"azimuth_deg", "elevation_deg", "distance_m", "level_db", "active", "confidence", "file"} <= set(entry)
        assert source.path is not None
        assert source.path.azimuth is not None
        assert np.allclose(np.radians(entry["path"]["azimuth_deg"]), source.path.azimuth, atol=0.002)
        assert len(entry["path"]["times_s"]) == len(entry["path"]["sounds"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Two sources: from" in page
    assert "tracks of the sources" in page


def test_sources_at_rest_are_left_alone() -> None:
    still = Recording(plane_waves(RING, RESTS, 5), RATE, RING)
    scene = recover(still, method="delay-and-sum")
    assert [source.path for source in scene.sources] == [None, None]
    assert "Sources stay where they are" in " ".join(scene.assumptions)


def test_what_is_said_counts(walkers: Recording) -> None:
    rest = recover(walkers, method="delay-and-sum", moving=False)
    assert all(source.path is None for source in rest.sources)
    one = recover(walkers, method="delay-and-sum", moving=True, n_sources=1)
    assert [source.path is None for source in one.sources] == [False]
    given = recover(walkers, method="delay-and-sum", directions=[0.0, 2.0])
    assert all(source.path is None for source in given.sources)
    with pytest.raises(ArraySceneError, match="at rest"):
        recover(walkers, directions=[0.0], moving=True)


def test_nobody_to_follow_is_said() -> None:
    noise = np.random.default_rng(0).standard_normal((4, 2 * RATE)).astype(np.float32) * 0.1
    scene = recover(Recording(noise, RATE, RING), method="delay-and-sum", n_sources=1, moving=True)
    assert any("Nobody could be followed" in warning for warning in scene.warnings)
