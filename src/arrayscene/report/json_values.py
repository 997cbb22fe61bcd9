"""Values and text of strict JSON: rounded, degrees for radians, null where nothing is known."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any


def dumps(document: dict[str, Any]) -> str:
    """The text of a document; keys keep their order, so equal results give equal files."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # A stretch or a position reads better on one line; strings hold no bare line breaks, so only lists of numbers match.
    return re.sub(r"\[\n\s+([-+.\deE,\snul]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def number(value: float | None, digits: int) -> float | None:
    """`value` rounded to `digits` decimals; None where it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits) + 0.0


def degrees(radians: float | None, digits: int = 2) -> float | None:
    """Degrees in (-180, 180], rounded; None where unknown."""
    if radians is None or not math.isfinite(radians):
        return None
    wrapped = round(180.0 - (180.0 - math.degrees(radians)) % 360.0, digits)
    return (180.0 if wrapped == -180.0 else wrapped) + 0.0


def directions(pairs: Sequence[tuple[float | None, float | None]]) -> list[dict[str, float | None]]:
    """Directions (azimuth, elevation) in radians as JSON has them."""
    return [{"azimuth_deg": degrees(azimuth), "elevation_deg": degrees(elevation)} for azimuth, elevation in pairs]
