"""Grids of a sound map as a person writes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from arrayscene.errors import GeometryError

if TYPE_CHECKING:
    from arrayscene.array import MicrophoneArray
    from arrayscene.imaging import MapGrid

DISTANCE = 1.0
"""Metres to the plane in front of an array where nothing is said."""

_EXAMPLES = {"plane": "-0.5:0.5,-0.5:0.5,0.7", "box": "-0.5:0.5,-0.5:0.5,0.4:0.9"}


def map_grid(
    array: MicrophoneArray, plane: str | None, box: str | None, sphere: bool, distance: float | None, step: float | None
) -> MapGrid:
    """The grid that the options describe; a plane in front of the array where they say nothing.

    Args:
        array: microphones.
        plane: X,Y,Z, two of them FROM:TO.
        box: X,Y,Z, each FROM:TO.
        sphere: all directions.
        distance: metres to the plane in front, or radius of the sphere.
        step: metres, on a sphere degrees.

    Raises: GeometryError for options that contradict each other or cannot be read, and a sphere around a line.
    """
    from arrayscene.imaging import MapGrid
    from arrayscene.imaging.view import looks_towards, plane_in_front

    if sum((plane is not None, box is not None, sphere)) > 1:
        raise GeometryError("more than one of --plane, --box and --sphere came; choose one")
    if distance is not None and (plane is not None or box is not None):
        raise GeometryError("--distance came beside --plane or --box, which say where they are; leave it out")
    if distance is not None and not 0 < distance < math.inf:
        raise GeometryError(f"--distance {distance:g} came; a positive number of metres was wanted")
    if step is not None and not 0 < step < math.inf:
        raise GeometryError(f"--step {step:g} came; a positive number was wanted")
    if sphere and array.ambiguity == "cone":
        raise GeometryError(
            f"--sphere came with {array.name}, a line of microphones, which hears all directions of a circle around it alike;"
            " `locate` tells angles to the line, and --plane, with a plane in which the line lies, what is to one side of it"
        )
    if sphere:
        towards = looks_towards(array) if array.ambiguity == "mirror" else None
        return MapGrid.sphere(distance, math.radians(3.0 if step is None else step), towards=towards)
    if plane is None and box is None:
        return plane_in_front(array, DISTANCE if distance is None else distance, step)
    kind = "plane" if plane is not None else "box"
    spans = _spans(kind, plane or box or "")
    ranges = [span for span in spans if isinstance(span, tuple)]
    if len(ranges) != (2 if kind == "plane" else 3):
        wanted = "two ranges and a number" if kind == "plane" else "three ranges"
        raise GeometryError(f"--{kind} {plane or box!r} came; {wanted} were wanted, such as {_EXAMPLES[kind]}")
    points = 40 if kind == "plane" else 20
    increment = max(high - low for low, high in ranges) / points if step is None else step
    x, y, z = spans
    if kind == "plane":
        return MapGrid.plane(x, y, z, increment)
    return MapGrid.box(ranges[0], ranges[1], ranges[2], increment)


def _spans(kind: str, text: str) -> list[float | tuple[float, float]]:
    """Numbers and ranges of "0:1,0:1,2"."""
    parts = text.split(",")
    spans: list[float | tuple[float, float]] = []
    try:
        for part in parts:
            first, colon, last = part.partition(":")
            spans.append((float(first), float(last)) if colon else float(first))
    except ValueError:
        spans = []
    if len(spans) != 3:
        raise GeometryError(
            f"--{kind} {text!r} came; x, y and z in metres were wanted, each a number or FROM:TO, such as {_EXAMPLES[kind]}"
        )
    return spans
