"""The scene as strict JSON: degrees, decibels and seconds, rounded to what they mean, null where nothing is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrayscene.report.json_values import degrees, directions, number
from arrayscene.report.mirror import mirror_direction
from arrayscene.report.spectra import overall_residual_db, power_at
from arrayscene.scene import Path, Reliability, Scene, Source, Uncertainty

FORMAT = "arrayscene.scene"
"""Value of the key "format", by which a folder is known to be one of ours."""
VERSION = 1
"""Version of the layout below; a reader may refuse a higher one."""


def source_file(number: int) -> str:
    """Path inside the folder of the recovered signal of source `number`, counted from 1."""
    return f"sources/source-{number}.wav"


def scene_to_dict(scene: Scene, files: Sequence[str] = ()) -> dict[str, Any]:
    """Everything in the scene but the signals and the map, ready for `json.dumps(..., allow_nan=False)`.

    Args:
        scene: what `recover` returned.
        files: paths in the folder that belong to the scene, so that a later overwrite touches nothing else.

    Cost: one pass over the mixture for the overall residual.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "inputs": [str(name) for name in scene.inputs],
        "sample_rate": int(scene.sample_rate),
        "duration_s": number(scene.duration, 6),
        **({"start_s": number(scene.start, 6)} if scene.start else {}),
        "method": scene.method,
        "why": scene.why,
        "ambiguity": scene.ambiguity,
        "array": {
            "name": scene.array.name,
            "positions": [[number(value, 6) for value in row] for row in scene.array.positions],
            "channels": None if scene.array.channels is None else [int(channel) for channel in scene.array.channels],
            "zero_direction": scene.array.zero_direction,
        },
        "reference_channel": int(scene.reference_channel),
        "sources": [_source(scene, source, index) for index, source in enumerate(scene.sources, start=1)],
        "residual_db": number(overall_residual_db(scene), 2),
        "aliasing_hz": number(scene.reliability.aliasing_hz, 1),
        "spectrum": third_octaves(scene),
        "assumptions": list(scene.assumptions),
        "warnings": list(scene.warnings),
        "timings_s": {step: number(seconds, 4) for step, seconds in scene.timings.items()},
        "files": sorted(files),
    }


def _source(scene: Scene, source: Source, index: int) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "azimuth_deg": degrees(source.azimuth),
        "elevation_deg": degrees(source.elevation),
    }
    if scene.ambiguity in ("cone", "mirror"):
        image = None
        if source.azimuth is not None:
            image = mirror_direction(scene.array.positions, source.azimuth, source.elevation, scene.ambiguity)
        entry["mirror_azimuth_deg"] = degrees(image[0]) if image else None
        if scene.ambiguity == "mirror":
            entry["mirror_elevation_deg"] = degrees(image[1]) if image and source.elevation is not None else None
    return (
        entry
        | ({} if source.name is None else {"name": source.name})
        | {
            "distance_m": number(source.distance, 3),
            "ambiguity": "aliasing" if source.alternatives else scene.ambiguity,
            **({"alternatives": directions(source.alternatives)} if source.alternatives else {}),
            "level_db": number(source.level_db, 2),
            "active": [[number(start, 3), number(stop, 3)] for start, stop in np.reshape(source.active, (-1, 2))],
            "confidence": number(source.confidence, 3),
            "path": None if source.path is None else _path(source.path),
            **({} if source.uncertainty is None else _uncertainty(source.uncertainty)),
            "file": source_file(index),
        }
    )


def _uncertainty(known: Uncertainty) -> dict[str, Any]:
    return {"error_db": number(known.overall_db, 2), **({"draws": known.draws} if known.draws else {})}


def _path(path: Path) -> dict[str, Any]:
    def angles(values: Any) -> list[float | None] | None:
        return None if values is None else [degrees(float(value), 1) for value in values]

    return {
        "times_s": [number(float(time), 3) for time in path.times],
        "azimuth_deg": angles(path.azimuth),
        "elevation_deg": angles(path.elevation),
        "deviation_deg": angles(path.deviation),
        "sounds": [int(value) for value in path.active],
    }


def third_octaves(scene: Scene) -> list[dict[str, float | None]]:
    """Third-octave bands (base ten, IEC 61260-1): power-weighted reliability and residual, median condition, worst noise gain."""
    trust = scene.reliability
    power = power_at(scene.mixture, scene.sample_rate, trust.frequencies)
    audible = trust.frequencies[trust.frequencies > 0]
    if not audible.size:
        return []
    first, last = (round(10.0 * math.log10(edge / 1000.0)) for edge in (audible.min(), audible.max()))
    bands: list[dict[str, float | None]] = []
    for index in range(first, last + 1):
        centre = 1000.0 * 10.0 ** (index / 10.0)
        inside = (trust.frequencies >= centre * 10.0**-0.05) & (trust.frequencies < centre * 10.0**0.05)
        if inside.any():
            bands.append({"frequency_hz": number(centre, 1)} | _band(trust, power, inside))
    return bands


def _band(trust: Reliability, power: Any, inside: Any) -> dict[str, float | None]:
    residual = 10.0 ** (trust.residual_db[inside] / 10.0)
    weights = power[inside]
    known = np.isfinite(residual) & (weights > 0)
    condition = trust.condition[inside][np.isfinite(trust.condition[inside])]
    noise_gain = trust.noise_gain_db[inside][np.isfinite(trust.noise_gain_db[inside])]
    mean = float(np.average(residual[known], weights=weights[known])) if known.any() else 0.0
    trusted = np.isfinite(trust.reliability[inside]) & (weights > 0)
    return {
        "reliability": number(float(np.average(trust.reliability[inside][trusted], weights=weights[trusted])), 3)
        if trusted.any()
        else None,
        "residual_db": number(10.0 * math.log10(mean), 2) if mean > 0 else None,
        "condition": number(float(np.median(condition)), 2) if condition.size else None,
        "noise_gain_db": number(float(noise_gain.max()), 2) if noise_gain.size else None,
    }
