"""A recording in, its tracks out: sources that move, pause and cross; files; and what cannot be used."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from moving import RATE, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.recording import Recording
from arrayscene.tracking import Tracks, track
from arrayscene.tracking.files import odas_lines, read_tracks, tracks_rttm
from arrayscene.tracking.writer import write_tracks

RING = MicrophoneArray.circular(4, 0.05)


@pytest.fixture(scope="module")
def crossing() -> Tracks:
    samples = plane_waves(RING, [lambda t: -60 + 20 * t, lambda t: 60 - 20 * t], 6)
    return track(Recording(samples, RATE, RING))


def test_two_that_cross(crossing: Tracks) -> None:
    assert [one.id for one in crossing.tracks] == [1, 2]
    for one in crossing.tracks:
        assert one.azimuth is not None
        assert one.elevation is None
        sign = 1 if one.azimuth[0] < 0 else -1
        error = np.degrees(one.azimuth) - sign * (-60 + 20 * one.times)
        assert np.sqrt(np.mean(error**2)) < 3
        assert np.degrees(one.deviation).mean() < 4
        assert 0.3 < one.active.mean() <= 1


def test_a_smoothed_track_is_closer_than_its_detections(crossing: Tracks) -> None:
    one = crossing.tracks[0]
    truth = np.sign(one.azimuth[-1]) * np.radians(-60 + 20 * one.times)
    errors = []
    for frame in crossing.detections:
        here = np.flatnonzero(np.isclose(one.times, frame.time))
        if len(here) and len(frame.vectors):
            errors.append(np.abs(np.arctan2(frame.vectors[:, 1], frame.vectors[:, 0]) - truth[here[0]]).min())
    assert np.sqrt(np.mean((one.azimuth - truth) ** 2)) < 0.7 * np.sqrt(np.mean(np.square(errors)))


def test_a_source_that_pauses_is_one_track_in_two_stretches() -> None:
    samples = plane_waves(RING, [lambda t: np.full_like(t, 100.0)], 7, gates=[lambda t: (t < 2.5) | (t > 5)])
    (one,) = track(Recording(samples, RATE, RING)).tracks
    stretches = one.stretches(0.064)
    assert len(stretches) == 2
    np.testing.assert_allclose(stretches.ravel(), [0, 2.5, 5, 7], atol=0.3)
    np.testing.assert_allclose(np.degrees(one.azimuth), 100, atol=4)


def test_a_line_says_that_it_mirrors_and_a_sphere_tells_elevation() -> None:
    line = MicrophoneArray.linear(4, 0.05)
    found = track(Recording(plane_waves(line, [lambda t: 40 - 5 * t], 3), RATE, line))
    assert found.ambiguity == "cone"
    assert any("mirror" in sentence for sentence in found.warnings)
    assert np.degrees(found.tracks[0].azimuth[-1]) == pytest.approx(25, abs=5)
    upright = MicrophoneArray.from_positions([[0, 0, z] for z in (0.0, 0.04, 0.08, 0.12)])
    vertical = track(Recording(plane_waves(upright, [lambda t: 10 * t], 2), RATE, upright))
    assert vertical.tracks[0].azimuth is None
    assert np.degrees(np.abs(vertical.tracks[0].elevation)).max() < 4
    assert any("azimuth" in sentence for sentence in vertical.warnings)
    sphere = MicrophoneArray.resolve("spherical:6:0.05")
    (one,) = track(Recording(plane_waves(sphere, [lambda t: 10 * t], 2), RATE, sphere)).tracks
    assert one.elevation is not None
    assert np.degrees(np.abs(one.elevation)).mean() < 4


def test_at_most_so_many_at_one_time() -> None:
    samples = plane_waves(RING, [lambda t: np.full_like(t, 50.0), lambda t: np.full_like(t, -80.0)], 3)
    assert len(track(Recording(samples, RATE, RING), max_sources=1).tracks) == 1
    with pytest.raises(ArraySceneError, match="max_sources=0"):
        track(Recording(samples, RATE, RING), max_sources=0)


def test_what_is_written_is_read_again(crossing: Tracks, tmp_path: Path) -> None:
    folder = write_tracks(crossing, tmp_path / "out")
    document = json.loads((folder / "tracks.json").read_text(encoding="utf-8"))
    assert sorted(document["files"]) == sorted(path.name for path in folder.iterdir())
    for name, digits in (("tracks.json", 1e-4), ("tracks.csv", 1e-4), ("tracked.jsonl", 1e-3)):
        again = read_tracks(folder / name)
        assert len(again) == 2
        for one, other in zip(crossing.tracks, again, strict=True):
            assert one.id == other.id
            np.testing.assert_allclose(other.times, one.times, atol=1e-4)
            np.testing.assert_allclose(other.azimuth, one.azimuth, atol=digits)
            np.testing.assert_array_equal(other.active, one.active)
    assert [one.id for one in read_tracks(folder)] == [1, 2]
    with (folder / "tracks.csv").open() as file:
        times = [float(row["time_s"]) for row in csv.DictReader(file)]
    assert times == sorted(times)


def test_odas_lines_are_what_its_readers_expect(crossing: Tracks) -> None:
    tracked, potential = odas_lines(crossing)
    frames = [json.loads(line) for line in tracked.splitlines()]
    assert [frame["timeStamp"] for frame in frames] == list(range(len(crossing.detections)))
    assert all(len(frame["src"]) == 4 for frame in frames)
    middle = frames[len(frames) // 4]["src"]
    assert sorted(source["id"] for source in middle) == [0, 0, 1, 2]
    for source in middle:
        assert list(source) == ["id", "tag", "x", "y", "z", "activity"]
        assert np.linalg.norm([source[axis] for axis in "xyz"]) == pytest.approx(min(source["id"], 1), abs=1e-3)
    heard = [json.loads(line) for line in potential.splitlines()]
    assert len(heard) == len(frames)
    assert all(list(source) == ["x", "y", "z", "E"] for frame in heard for source in frame["src"])


def test_rttm_of_tracks_is_read_by_ours(crossing: Tracks, tmp_path: Path) -> None:
    from arrayscene.diarisation import read_rttm

    (tmp_path / "a.rttm").write_text(tracks_rttm(crossing))
    speakers = read_rttm(tmp_path / "a.rttm", duration=6.0)
    assert set(speakers) == {"track-1", "track-2"}


def test_earlier_tracks_are_replaced_only_when_told_and_other_files_never(crossing: Tracks, tmp_path: Path) -> None:
    folder = write_tracks(crossing, tmp_path / "out", formats=(), picture=False)
    assert [path.name for path in folder.iterdir()] == ["tracks.json"]
    with pytest.raises(RecordingError, match="overwrite=True"):
        write_tracks(crossing, folder)
    write_tracks(crossing, folder, formats=("rttm",), overwrite=True, picture=False)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(RecordingError, match=r"notes\.txt"):
        write_tracks(crossing, folder, overwrite=True)
    with pytest.raises(RecordingError, match="format 'wav'"):
        write_tracks(crossing, tmp_path / "new", formats=("wav",))


@pytest.mark.parametrize("content", ["", "{}", '{"format": "arrayscene.tracks", "version": 9, "tracks": []}', "[1]"])
def test_what_holds_no_tracks_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "tracks.json").write_text(content)
    with pytest.raises(RecordingError, match=r"tracks\.json"):
        read_tracks(tmp_path)
    (tmp_path / "a.csv").write_text("time_s,id\nx,y\n")
    with pytest.raises(RecordingError, match=r"a\.csv"):
        read_tracks(tmp_path / "a.csv")


def test_a_click_and_noise_are_nobody() -> None:
    click = 1e-4 * np.random.default_rng(0).standard_normal((4, 3 * RATE)).astype(np.float32)
    click[:, 20000] += 0.5
    found = track(Recording(click, RATE, RING))
    assert not found.tracks
    assert any("No source could be followed" in sentence for sentence in found.warnings)


def test_silence_and_too_little_are_refused() -> None:
    with pytest.raises(RecordingError, match="silent"):
        track(Recording(np.zeros((4, RATE), np.float32), RATE, RING))
    with pytest.raises(RecordingError, match=r"at least 0\.1 s"):
        track(Recording(np.ones((4, 800), np.float32), RATE, RING))


@pytest.mark.parametrize("sign", [np.nan, np.inf])
def test_broken_samples_do_not_spread(sign: float) -> None:
    """One channel with invalid samples is left out, and said to be."""
    samples = plane_waves(RING, [lambda t: np.full_like(t, 50.0)], 2)
    samples[2, 1000:1010] = sign
    found = track(Recording(samples, RATE, RING))
    assert len(found.tracks) == 1
    assert any("channel 3" in sentence for sentence in found.warnings)
    assert np.degrees(found.tracks[0].azimuth).mean() == pytest.approx(50, abs=6)


def test_clipped_input_is_followed_and_warned_about() -> None:
    samples = np.clip(8 * plane_waves(RING, [lambda t: 50 + 10 * t], 2), -1, 1)
    found = track(Recording(samples, RATE, RING))
    assert len(found.tracks) == 1
    assert any("clip" in sentence for sentence in found.warnings)


@pytest.mark.filterwarnings("ignore:positions are in metres")
def test_a_tone_that_repeats_and_microphones_far_apart_are_said() -> None:
    ring = MicrophoneArray.circular(6, 0.046)
    times = np.arange(2 * RATE) / RATE
    late = ring.positions @ [np.cos(0.7), np.sin(0.7), 0.0] / SPEED_OF_SOUND
    tone = 0.05 * np.sin(2 * np.pi * 6500 * (times[None] + late[:, None]))
    tone += 1e-4 * np.random.default_rng(0).standard_normal(tone.shape)
    found = track(Recording(tone.astype(np.float32), RATE, ring))
    assert not found.tracks or any("spatial aliasing" in warning for warning in found.warnings)
    assert found.tracks
    hall = MicrophoneArray.circular(4, 3.0)
    found = track(Recording(plane_waves(hall, [lambda t: 40 + 0 * t], 3), RATE, hall))
    assert not found.tracks or any("apart" in warning for warning in found.warnings)
