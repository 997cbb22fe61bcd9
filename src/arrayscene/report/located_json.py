"""Located sources as strict JSON: degrees, metres, decibels and seconds, null where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrayscene.localize.located import Located, LocatedSource
from arrayscene.report.json_values import degrees, directions, number

FORMAT = "arrayscene.location"
"""Value of the key "format"."""
VERSION = 1
DOCUMENT = "location.json"


def located_to_dict(located: Located, files: Sequence[str] = ()) -> dict[str, Any]:
    """Everything but the map, ready for `json.dumps(..., allow_nan=False)`; keys are those of scene.json where both have them.

    Args:
        located: what `locate` returned.
        files: paths in the folder that belong to it, so that a later overwrite touches nothing else.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "inputs": list(located.inputs),
        "sample_rate": located.sample_rate,
        "duration_s": number(located.duration, 6),
        "method": located.method,
        "ambiguity": located.array.ambiguity,
        "array": {
            "name": located.array.name,
            "positions": [[number(value, 6) for value in row] for row in located.array.positions],
            "channels": list(located.array.file_channels),
            "zero_direction": located.array.zero_direction,
        },
        "reference_channel": located.reference_channel,
        "sources": [_source(source) for source in located.sources],
        "warnings": list(located.warnings),
        "files": sorted(files),
    }


def _source(source: LocatedSource) -> dict[str, Any]:
    return {
        "azimuth_deg": degrees(source.azimuth),
        "azimuth_error_deg": degrees(source.azimuth_error),
        "elevation_deg": degrees(source.elevation),
        "distance_m": number(source.distance, 3),
        "distance_error_m": number(source.distance_error, 3),
        "position_m": None if source.position is None else [number(float(value), 3) for value in source.position],
        "level_db": number(source.level_db, 2),
        "level_error_db": number(source.level_error_db, 2),
        "level_1m_db": number(source.level_1m_db, 2),
        "spl_db": number(source.spl_db, 2),
        "spl_1m_db": number(source.spl_1m_db, 2),
        "active": [[number(start, 3), number(stop, 3)] for start, stop in np.reshape(source.active, (-1, 2))],
        "confidence": number(source.confidence, 3),
        "ambiguity": source.ambiguity,
        "alternatives": directions(source.alternatives),
    }
