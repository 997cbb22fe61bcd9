"""A source above a level array: one track without azimuth, whatever else sounds."""

import json
from pathlib import Path

import numpy as np
from moving import RATE, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.recording import Recording
from arrayscene.recovery import recover
from arrayscene.tracking import track
from arrayscene.tracking.files import read_tracks
from arrayscene.tracking.writer import write_tracks
from arrayscene.voices import load_voice

RING = MicrophoneArray.circular(6, 0.046)


def above(seconds: float) -> np.ndarray:
    """(mic, sample) a voice from straight up reaches all microphones at once."""
    noise = 1e-3 * np.random.default_rng(0).standard_normal((6, round(seconds * RATE)))
    return (0.3 * load_voice("italian-carlo")[: noise.shape[1]] + noise).astype(np.float32)


def test_a_source_overhead_is_one_track_without_azimuth(tmp_path: Path) -> None:
    recording = Recording(above(5), RATE, RING)
    found = track(recording)
    (one,) = found.tracks
    assert one.azimuth is None
    assert one.elevation is not None
    np.testing.assert_allclose(one.elevation, np.pi / 2)
    assert one.active.mean() > 0.7
    assert any("azimuth is unknown there" in sentence for sentence in found.warnings)
    folder = write_tracks(found, tmp_path / "out")
    (again,) = read_tracks(folder / "tracks.csv")
    assert again.azimuth is None
    assert again.elevation is not None
    assert json.loads((folder / "tracks.json").read_text(encoding="utf-8"))["tracks"][0]["azimuth_deg"] is None
    scene = recover(recording, method="delay-and-sum", moving=True)
    assert [source.azimuth for source in scene.sources] == [None]


def test_who_walks_below_keeps_his_track() -> None:
    samples = plane_waves(RING, [lambda t: 30 + 10 * t], 6, gates=[lambda t: t > 3])
    samples[:, : 3 * RATE] += above(3)
    found = track(Recording(samples, RATE, RING))
    walker, up = sorted(found.tracks, key=lambda one: one.azimuth is None)
    assert up.azimuth is None
    assert up.times[-1] < 3.5
    assert walker.azimuth is not None
    sounds = walker.active & (walker.times > 3)
    assert np.abs(np.degrees(walker.azimuth) - (30 + 10 * walker.times))[sounds].mean() < 5
    nobody = track(Recording(samples[:, 3 * RATE :], RATE, RING))
    assert all(one.azimuth is not None for one in nobody.tracks)
