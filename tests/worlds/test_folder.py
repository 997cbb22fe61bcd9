"""A data set on disk: what comes back, what a kill leaves, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arrayscene.errors import RecordingError
from arrayscene.recording import Recording
from arrayscene.worlds import World, WorldConfig, WorldFolder, collate, scene_files, write_world


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def world(quick: WorldConfig, speech_folder: Path) -> World:
    return World(quick, speech_folder, seed=2)


def test_what_was_made_comes_back(world: World, tmp_path: Path) -> None:
    write_world(world, tmp_path / "set", 3)
    read = WorldFolder(tmp_path / "set")
    assert len(read) == 3
    assert read.config == world.config
    assert collate([read[0], read[1], read[2]]).mixture.shape[0] == 3
    for index in range(3):
        made, back = world.scene(index), read[index]
        for name in ("mixture", "images", "early", "dry", "noise"):
            torch.testing.assert_close(getattr(back, name), getattr(made, name), atol=1e-6, rtol=1e-6)
        for name in ("positions", "azimuths", "elevations", "distances", "true_microphones", "room_size", "array_center"):
            torch.testing.assert_close(getattr(back, name), getattr(made, name), atol=1e-4, rtol=0)
        torch.testing.assert_close(back.delays, made.delays, atol=1e-9, rtol=0)
        assert (back.t60, back.snr_db, back.speakers, back.clips, back.clip_db) == (
            made.t60,
            made.snr_db,
            made.speakers,
            made.clips,
            made.clip_db,
        )
        assert back.array == made.array
        assert (back.index, back.seed, back.split) == (made.index, 2, "train")


def test_a_scene_can_be_read_like_any_recording(world: World, tmp_path: Path) -> None:
    write_world(world, tmp_path / "set", 1)
    scene = tmp_path / "set" / "shard-0000" / "scene-000000"
    recording = Recording.read(scene / "mixture.flac")
    truth = json.loads((scene / "scene.json").read_text(encoding="utf-8"))
    assert recording.samples.shape == tuple(world.scene(0).mixture.shape)
    assert truth["talkers"][0]["azimuth_deg"][0] == pytest.approx(float(world.scene(0).azimuths[0, 0].rad2deg()), abs=1e-3)


def test_many_microphones_and_loud_parts(world: World, speech_folder: Path, tmp_path: Path) -> None:
    """FLAC holds eight channels, and nothing beyond full scale."""
    loud = replace(world.config, arrays=("circular:10:0.1",), images_at="all", clipping=1, clip_db=(12, 12))
    made = World(loud, speech_folder).scene(0)
    write_world(World(loud, speech_folder), tmp_path / "set", 1)
    back = WorldFolder(tmp_path / "set")[0]
    assert float(made.images.abs().max()) > 1
    torch.testing.assert_close(back.images, made.images, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.mixture, made.mixture, atol=1e-6, rtol=0)


def test_a_killed_job_goes_on_and_ends_the_same(quick: WorldConfig, speech_folder: Path, tmp_path: Path) -> None:
    quick.save(tmp_path / "world.toml")
    script = (
        "import sys\nfrom arrayscene.worlds import *\n"
        "write_world(World(WorldConfig.load(sys.argv[1]), sys.argv[2], seed=2), sys.argv[3], 6)\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "world.toml"), str(speech_folder), str(tmp_path / "set")]
    with subprocess.Popen(arguments) as job:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "set").glob("shard-*/scene-000001")) and time.monotonic() < deadline and job.poll() is None:
            time.sleep(0.01)
        job.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    killed = contents(tmp_path / "set")
    assert killed
    world = World(quick, speech_folder, seed=2)
    write_world(world, tmp_path / "set", 6)
    write_world(world, tmp_path / "whole", 6)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")
    assert all(contents(tmp_path / "set")[name] == killed[name] for name in killed if ".partial" not in name)


def test_finished_scenes_are_not_made_again(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_world(world, tmp_path / "set", 2)
    made: list[int] = []
    original = World.scene
    monkeypatch.setattr(World, "scene", lambda self, index: made.append(index) or original(self, index))
    done: list[float] = []
    write_world(world, tmp_path / "set", 3, progress=lambda step, share: done.append(share))
    assert made == [2]
    assert done == sorted(done)
    assert done[-1] == 1


def test_a_failed_scene_leaves_no_part_of_itself(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> dict[str, object]:
        raise OSError(28, "No space left on device")

    write_world(world, tmp_path / "set", 1)
    monkeypatch.setattr(scene_files, "_truth", full)
    with pytest.raises(RecordingError, match=r"No space left.*go on"):
        write_world(world, tmp_path / "set", 2)
    assert [path.name for path in sorted((tmp_path / "set").rglob("*scene-*")) if path.is_dir()] == ["scene-000000"]
    monkeypatch.undo()
    write_world(world, tmp_path / "set", 2)
    assert len(WorldFolder(tmp_path / "set")) == 2


def test_an_unfinished_data_set_can_be_read(world: World, tmp_path: Path) -> None:
    write_world(world, tmp_path / "set", 2)
    (tmp_path / "set" / "shard-0000" / ".scene-000002.partial").mkdir()
    assert [scene.index for scene in (WorldFolder(tmp_path / "set")[i] for i in range(2))] == [0, 1]


def test_another_world_is_not_mixed_in(world: World, speech_folder: Path, tmp_path: Path) -> None:
    write_world(world, tmp_path / "set", 1)
    with pytest.raises(RecordingError, match="seed"):
        write_world(World(world.config, speech_folder, seed=3), tmp_path / "set", 1)
    with pytest.raises(RecordingError, match="t60"):
        write_world(World(replace(world.config, t60=(0.2, 0.3)), speech_folder, seed=2), tmp_path / "set", 1)


def test_other_things_are_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.txt").write_text("mine")
    with pytest.raises(RecordingError, match="is no data set"):
        write_world(world, tmp_path / "mine", 1)
    with pytest.raises(RecordingError, match="is a file"):
        write_world(world, tmp_path / "mine" / "mine.txt", 1)
    with pytest.raises(RecordingError, match="is a file; wanted a folder to write into"):
        write_world(world, tmp_path / "mine" / "mine.txt" / "set", 1)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["mine.txt"]
    with pytest.raises(RecordingError, match="0 scenes"):
        write_world(world, tmp_path / "none", 0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(world: World, tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(RecordingError, match=r"shut cannot be written \(Permission denied\); choose a folder"):
        write_world(world, tmp_path / "shut" / "set", 1)


def test_folders_that_hold_no_world(world: World, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"world\.json is missing"):
        WorldFolder(tmp_path)
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(RecordingError, match="cannot be read"):
        WorldFolder(tmp_path)
    (tmp_path / "world.json").write_text(json.dumps({"format": "arrayscene.world", "version": 99}))
    with pytest.raises(RecordingError, match="version 99"):
        WorldFolder(tmp_path)
    write_world(world, tmp_path / "set", 1)
    scene = tmp_path / "set" / "shard-0000" / "scene-000000"
    (scene / "noise.flac").write_bytes(b"broken")
    with pytest.raises(RecordingError, match=r"noise\.flac"):
        WorldFolder(tmp_path / "set")[0]
    (scene / "scene.json").write_text("{}")
    with pytest.raises(RecordingError, match="broken"):
        WorldFolder(tmp_path / "set")[0]
