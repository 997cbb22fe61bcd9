"""A data set on disk: scenes in shards, written so that a killed job goes on where it was."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import Dataset

from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.folder import check_writable, write_whole
from arrayscene.worlds.config import WorldConfig
from arrayscene.worlds.scene_files import VERSION, read_json, read_scene, write_scene
from arrayscene.worlds.world import World, WorldScene

FORMAT: Final = "arrayscene.world"
SHARD: Final = 100
"""Scenes in one folder of a data set."""


def write_world(
    world: World, directory: str | Path, n_scenes: int, *, progress: Callable[[str, float], None] | None = None
) -> Path:
    """Write scenes 0 to n_scenes - 1, or those that are still missing.

    The folder holds world.json (configuration, seed, split, speakers) and shard-0000/scene-000000/ and so on, each with
    mixture.flac, images.flac, early.flac, dry.flac, noise.flac and scene.json. FLAC has 24 bits and at most 8 channels: more go
    on in mixture-2.flac, and so on. A scene's folder appears when it is complete, so after a kill or a full disk the same call
    goes on with the scene that was being written, and ends with the same files, byte by byte. A larger `n_scenes` makes a
    finished data set larger.

    Args:
        world: what to write; its split is written.
        directory: new, empty, or of the same world.
        n_scenes: how many in all.
        progress: called with the step and the fraction that is done, 0 to 1.

    Returns:
        The folder.

    Raises:
        RecordingError: a folder that holds something else or another world, that cannot be written to, or a full disk.

    Cost: that of `World.scene` a scene, and about 1.5 MB for 4 s of 2 talkers and 6 microphones at 16 kHz.
    """
    root = Path(directory)
    if n_scenes < 1:
        raise RecordingError(f"write_world: {n_scenes} scenes came; at least one was wanted")
    check_folder(world, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob("shard-*/.scene-*.partial"):
            shutil.rmtree(left)
        write_whole(root / "world.json", (json.dumps(_header(world), indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
        for index in range(n_scenes):
            if progress is not None:
                progress("make scenes", index / n_scenes)
            target = scene_folder(root, index)
            if not target.is_dir():
                write_scene(world.scene(index), target)
    except OSError as error:
        raise _failure(root, error) from error
    if progress is not None:
        progress("make scenes", 1.0)
    return root


def check_folder(world: World, directory: str | Path) -> None:
    """Refuse early what `write_world` would refuse.

    Raises:
        RecordingError: the target is a file, holds something else, or another world.
    """
    root = Path(directory)
    check_writable(root, "data set")
    if not root.exists():
        return
    if not (root / "world.json").exists():
        # A kill before world.json was written leaves nothing but its temporary name.
        if any(not entry.name.startswith(".world.json.") for entry in root.iterdir()):
            raise RecordingError(f"{root} is there already and is no data set of scenes; choose a new or empty folder")
        return
    before, now = read_json(root / "world.json"), json.loads(json.dumps(_header(world)))
    if before != now:
        different = sorted(key for key in now if before.get(key) != now[key])
        if "config" in different and isinstance(before.get("config"), dict):
            different.remove("config")
            different += sorted(key for key in now["config"] if before["config"].get(key) != now["config"][key])
        raise RecordingError(
            f"{root} holds a data set of another world (different: {', '.join(different)}); choose another folder or the same "
            "settings"
        )


def scene_folder(root: Path, index: int) -> Path:
    """Where scene `index` is."""
    return root / f"shard-{index // SHARD:04d}" / f"scene-{index:06d}"


def talkers_who_walk(directory: str | Path, n_scenes: int) -> list[tuple[Path, list[str], int]]:
    """For each of the first scenes of a data set, its folder, the speakers who walk in it, and how many there are.

    Raises:
        RecordingError: a scene that is missing or broken.
    """
    found = []
    for index in range(n_scenes):
        folder = scene_folder(Path(directory), index)
        talkers = read_json(folder / "scene.json")["talkers"]
        walking = [talker["speaker"] for talker in talkers if talker["position_m"][0] != talker["position_m"][-1]]
        found.append((folder, walking, len(talkers)))
    return found


class WorldFolder(Dataset[WorldScene]):
    """The scenes of a folder that `write_world` wrote, finished or not, in the order of their numbers.

    Samples have FLAC's 24 bits; everything else is as it was made, positions to a tenth of a millimetre.

    Args:
        directory: the folder.

    Raises:
        RecordingError: no such folder, no data set, of a newer version, or without a single scene.

    Cost: one listing of the folder; a scene is read when it is asked for.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        if not (self.directory / "world.json").is_file():
            raise RecordingError(f"{self.directory}: no data set of scenes (world.json is missing); write one with write_world")
        header = read_json(self.directory / "world.json")
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            raise RecordingError(
                f"{self.directory}: format {header.get('format')!r}, version {header.get('version')!r} came; "
                f"{FORMAT!r}, version {VERSION}, is read here"
            )
        self.config = WorldConfig.from_dict(header["config"])
        found = self.directory.glob("shard-*/scene-*")
        self._scenes = sorted(
            (path for path in found if re.fullmatch(r"scene-\d+", path.name)), key=lambda path: int(path.name[6:])
        )
        if not self._scenes:
            raise RecordingError(f"{self.directory}: not a single finished scene; go on writing it")

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> WorldScene:
        """The scene of this place in the list.

        Raises:
            IndexError: outside.
            RecordingError: a file that is missing or broken.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"scene {index} of {len(self)}")
        return read_scene(self._scenes[index])


def _header(world: World) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "seed": world.seed,
        "split": world.split,
        "torch": torch.__version__.split("+")[0],
        "speakers": {name: [clip.name for clip in clips] for name, clips in world.speech.clips.items()},
        "config": world.config.to_dict(),
    }


def _failure(root: Path, error: OSError) -> ArraySceneError:
    return RecordingError(
        f"{root}: {error.strerror or error}; what is finished stays; make room or choose another folder, and call again to go on"
    )
