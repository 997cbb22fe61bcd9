"""One scene of a data set on disk: FLAC for what is heard, JSON for what is true."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.array_files import constructor_fields
from arrayscene.audio_writer import FORMATS, AudioWriter
from arrayscene.errors import RecordingError
from arrayscene.worlds.plan import PATH_STEP
from arrayscene.worlds.world import WorldScene

VERSION: Final = 1
"""Of data sets and of their scenes."""

_SIGNALS: Final = ("images", "early", "dry", "noise")

_CHANNELS: Final = FORMATS["flac"].max_channels


def write_scene(scene: WorldScene, target: Path) -> None:
    """Write a scene into a folder, which appears when it is complete.

    Raises:
        OSError: it cannot be written, or the disk is full.
    """
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


def read_scene(folder: Path) -> WorldScene:
    """One scene that `write_world` wrote, from its own folder.

    Raises:
        RecordingError: a file that is missing or broken.
    """
    truth = read_json(folder / "scene.json")
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


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a data set.

    Raises:
        RecordingError: a file that is missing or broken.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read ({error}); delete it and write the data set again") from error
    if not isinstance(values, dict):
        raise RecordingError(f"{path}: {type(values).__name__} came; a JSON object was wanted; write the data set again")
    return values


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


def _read_signal(folder: Path, names: Sequence[str]) -> Tensor:
    """(channel, sample)."""
    try:
        parts = [soundfile.read(folder / name, dtype="float32", always_2d=True)[0] for name in names]
    except (soundfile.LibsndfileError, OSError) as error:
        raise RecordingError(
            f"{folder}: {', '.join(names)} cannot be read ({error}); delete the folder and write the data set again"
        ) from error
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(parts, axis=1).T))


def _rounded(values: Tensor, digits: int) -> Any:
    return np.round(values.double().cpu().numpy(), digits).tolist()
