"""A data set on disk: scenes as FLAC and JSON in shards, written so that a killed job goes on where it was."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import Dataset

from arrayscene.array import MicrophoneArray
from arrayscene.array_files import constructor_fields, write_whole
from arrayscene.audio_writer import FORMATS, AudioWriter
from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.folder import check_writable
from arrayscene.worlds.config import WorldConfig
from arrayscene.worlds.plan import PATH_STEP
from arrayscene.worlds.world import World, WorldScene

FORMAT: Final = "arrayscene.world"
VERSION: Final = 1

SHARD: Final = 100
"""Scenes in one folder of a data set."""

_SIGNALS: Final = ("images", "early", "dry", "noise")

_CHANNELS: Final = FORMATS["flac"].max_channels


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
                _write_scene(world.scene(index), target)
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
    before, now = _read_json(root / "world.json"), json.loads(json.dumps(_header(world)))
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
        talkers = _read_json(folder / "scene.json")["talkers"]
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
        header = _read_json(self.directory / "world.json")
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


def _write_scene(scene: WorldScene, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    work = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        # The parts may be larger than the clipped or cancelling whole; one scale for all of them brings them below full scale.
        signals = {name: getattr(scene, name).cpu() for name in _SIGNALS}
        peak = max(float(signal.abs().amax()) for signal in signals.values())
        scale = 1.0 if peak <= 1.0 else 2.0 ** -math.ceil(math.log2(peak))
        files = {"mixture": _write_signal(work, "mixture", scene.mixture.cpu(), scene.sample_rate)}
        for name, signal in signals.items():
            files[name] = _write_signal(work, name, signal * scale, scene.sample_rate)
        text = json.dumps(_truth(scene, scale, files), indent=1, ensure_ascii=False, allow_nan=False)
        (work / "scene.json").write_text(text + "\n", encoding="utf-8")
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _write_signal(folder: Path, name: str, signal: Tensor, rate: int) -> list[str]:
    """Channels of (..., sample) in as many files as they need; the files' names."""
    channels = signal.reshape(-1, signal.shape[-1]).numpy()
    written = []
    for number, at in enumerate(range(0, len(channels), _CHANNELS), start=1):
        part = channels[at : at + _CHANNELS]
        file = f"{name}.flac" if number == 1 else f"{name}-{number}.flac"
        try:
            with AudioWriter(folder / file, len(part), rate) as writer:
                writer.write(part)
        except RecordingError as error:
            # The file's own message says that nothing was left; here, finished scenes were.
            raise OSError(f"{file} could not be written, {shutil.disk_usage(folder).free / 1e6:.0f} MB are free") from error
        written.append(file)
    return written


def _truth(scene: WorldScene, scale: float, files: dict[str, list[str]]) -> dict[str, Any]:
    talkers = []
    for talker, (name, clips) in enumerate(zip(scene.speakers, scene.clips, strict=True)):
        path = {
            "azimuth_deg": _rounded(torch.rad2deg(scene.azimuths[talker]), 3),
            "elevation_deg": _rounded(torch.rad2deg(scene.elevations[talker]), 3),
            "distance_m": _rounded(scene.distances[talker], 4),
            "position_m": _rounded(scene.positions[talker], 4),
        }
        talkers.append({"speaker": name, "clips": list(clips), **path})
    return {
        "format": "arrayscene.world-scene",
        "version": VERSION,
        "index": scene.index,
        "seed": scene.seed,
        "split": scene.split,
        "sample_rate": scene.sample_rate,
        "files": files,
        "kept_mics": scene.images.shape[1],
        "stored_over_true": scale,
        "room_m": _rounded(scene.room_size, 4),
        "t60_s": scene.t60,
        "band_t60_s": _rounded(scene.band_t60, 4),
        "array_center_m": _rounded(scene.array_center, 4),
        "array_azimuth_deg": math.degrees(scene.array_azimuth),
        "snr_db": scene.snr_db,
        "diffuse_snr_db": scene.diffuse_snr_db,
        "point_snr_db": scene.point_snr_db,
        "sensor_snr_db": scene.sensor_snr_db,
        "clip_db": scene.clip_db,
        "path_step_s": PATH_STEP,
        "talkers": talkers,
        "array": scene.array.to_dict(),
        "true_microphones_m": _rounded(scene.true_microphones, 6),
        "gains_db": _rounded(scene.gains_db, 4),
        "delays_us": _rounded(1e6 * scene.delays, 4),
    }


def read_scene(folder: Path) -> WorldScene:
    """One scene that `write_world` wrote, from its own folder.

    Raises:
        RecordingError: a file that is missing or broken.
    """
    truth = _read_json(folder / "scene.json")
    try:
        mixture = _read_signal(folder, truth["files"]["mixture"])
        scale, talkers = truth["stored_over_true"], truth["talkers"]
        images, early, dry, noise = (_read_signal(folder, truth["files"][name]) / scale for name in _SIGNALS)
        n_talkers, kept = len(talkers), truth["kept_mics"]
        positions = torch.tensor([talker["position_m"] for talker in talkers])
        fields = constructor_fields(truth["array"])
        array = MicrophoneArray.from_positions(fields.pop("positions"), layout="mic-first", **fields)
        return WorldScene(
            mixture=mixture,
            images=images.view(n_talkers, kept, -1),
            early=early.view(n_talkers, kept, -1),
            dry=dry,
            noise=noise,
            positions=positions,
            azimuths=torch.deg2rad(torch.tensor([talker["azimuth_deg"] for talker in talkers])),
            elevations=torch.deg2rad(torch.tensor([talker["elevation_deg"] for talker in talkers])),
            distances=torch.tensor([talker["distance_m"] for talker in talkers]),
            microphones=torch.tensor(array.positions, dtype=torch.float32),
            true_microphones=torch.tensor(truth["true_microphones_m"]),
            gains_db=torch.tensor(truth["gains_db"]),
            delays=1e-6 * torch.tensor(truth["delays_us"]),
            t60=truth["t60_s"],
            band_t60=torch.tensor(truth["band_t60_s"]),
            room_size=torch.tensor(truth["room_m"]),
            array_center=torch.tensor(truth["array_center_m"]),
            array_azimuth=math.radians(truth["array_azimuth_deg"]),
            snr_db=truth["snr_db"],
            diffuse_snr_db=truth["diffuse_snr_db"],
            sensor_snr_db=truth["sensor_snr_db"],
            point_snr_db=truth["point_snr_db"],
            clip_db=truth["clip_db"],
            speakers=tuple(talker["speaker"] for talker in talkers),
            clips=tuple(tuple(talker["clips"]) for talker in talkers),
            array=array,
            sample_rate=truth["sample_rate"],
            seed=truth["seed"],
            index=truth["index"],
            split=truth["split"],
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise RecordingError(
            f"{folder}: the scene is broken ({error}); delete its folder and write the data set again"
        ) from error


def _read_signal(folder: Path, names: Sequence[str]) -> Tensor:
    """(channel, sample)."""
    try:
        parts = [soundfile.read(folder / name, dtype="float32", always_2d=True)[0] for name in names]
    except (soundfile.LibsndfileError, OSError) as error:
        raise RecordingError(
            f"{folder}: {', '.join(names)} cannot be read ({error}); delete the folder and write the data set again"
        ) from error
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(parts, axis=1).T))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read ({error}); delete it and write the data set again") from error
    if not isinstance(values, dict):
        raise RecordingError(f"{path}: {type(values).__name__} came; a JSON object was wanted; write the data set again")
    return values


def _rounded(values: Tensor, digits: int) -> Any:
    return np.round(values.double().cpu().numpy(), digits).tolist()


def _failure(root: Path, error: OSError) -> ArraySceneError:
    return RecordingError(
        f"{root}: {error.strerror or error}; what is finished stays; make room or choose another folder, and call again to go on"
    )
