"""Where a map looks for sources: points on a plane, a sphere or in a box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.array_points import fibonacci_sphere
from arrayscene.errors import GeometryError

FloatArray = NDArray[np.float64]

LARGEST = 2_000_000
"""Points; a map of one frequency takes eight bytes a point and microphone."""


@dataclass(frozen=True, eq=False, repr=False)
class MapGrid:
    """Points in space, in the array's frame (x front, y left, z up).

    Made by `plane`, `facing`, `sphere` or `box`.

    Attributes:
        kind: "plane", "sphere" or "box".
        points: (point, 3) metres; unit vectors where `far`.
        shape: of the points: (row, column) of a plane, rows from its lower edge; (x, y, z) of a box; (point,) of a sphere.
        increment: metres from point to point; of a sphere about, along its surface (radians where `far`).
        axes: coordinates along each axis of `shape`, in metres; none for a sphere.
        labels: what these axes are.
        across, up: (3,) unit vectors along the columns and the rows of a plane.
        far: whether the points are directions, for sources so far away that their waves are plane.
    """

    kind: Literal["plane", "sphere", "box"]
    points: FloatArray
    shape: tuple[int, ...]
    increment: float
    axes: tuple[FloatArray, ...] = ()
    labels: tuple[str, ...] = ()
    across: FloatArray | None = None
    up: FloatArray | None = None
    far: bool = False

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64)
        points.flags.writeable = False
        object.__setattr__(self, "points", points)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return f"MapGrid({self.kind}, {size} points, {self.increment:g} {'rad' if self.far else 'm'} apart)"

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.points)

    @classmethod
    def plane(cls, x: Sequence[float] | float, y: Sequence[float] | float, z: Sequence[float] | float, step: float) -> MapGrid:
        """A plane across one of the axes.

        Args:
            x: metres; (from, to) for two of x, y and z, and one number for the third.
            y: likewise.
            z: likewise.
            step: metres from point to point; both ends are points where it divides the range.

        Raises: GeometryError for anything else, and for more than two million points.
        """
        spans = [np.atleast_1d(np.asarray(span, dtype=np.float64)) for span in (x, y, z)]
        flat = [axis for axis, span in enumerate(spans) if len(span) == 1]
        if len(flat) != 1:
            raise GeometryError(f"plane: x = {x}, y = {y}, z = {z} came; two ranges (from, to) and one number are needed")
        normal = flat[0]
        # Seen from the array: left is left, and up is up where the plane stands.
        columns, rows = ((1, 2), (0, 2), (0, 1))[normal]
        across, up = np.eye(3)[columns], np.eye(3)[rows]
        u, v = _line(spans[columns], step, "plane"), _line(spans[rows], step, "plane")
        origin = np.eye(3)[normal] * float(spans[normal][0])
        names = ("x, front", "y, left", "z, up")
        return cls._flat(origin, across, up, u, v, step, (names[rows], names[columns]))

    @classmethod
    def facing(cls, centre: ArrayLike, width: float, height: float, step: float, *, up: ArrayLike = (0.0, 0.0, 1.0)) -> MapGrid:
        """A plane of any orientation: around `centre`, at right angles to the line from the origin to it.

        Args:
            centre: (3,) metres.
            width: metres.
            height: metres.
            step: metres from point to point.
            up: (3,) what points up on the map, as far as the plane allows; x where it does not.

        Raises: GeometryError for a centre at the origin, lengths that are not positive, or more than two million points.
        """
        middle = _vector(centre, "facing: centre")
        distance = float(np.linalg.norm(middle))
        if not distance > 0:
            raise GeometryError("facing: the centre lies at the origin; the plane needs a distance from it")
        normal = middle / distance
        upward = _vector(up, "facing: up")
        if np.linalg.norm(np.cross(normal, upward)) < 1e-6:
            upward = np.array([1.0, 0.0, 0.0])
        upward = upward - (upward @ normal) * normal
        upward /= np.linalg.norm(upward)
        # To the left as seen from the origin.
        across = np.cross(upward, normal)
        u = _line(np.array([-width / 2, width / 2]), step, "facing")
        v = _line(np.array([-height / 2, height / 2]), step, "facing")
        return cls._flat(middle, across, upward, u, v, step, ("up", "left"))

    @classmethod
    def sphere(cls, radius: float | None = None, step: float = math.radians(3.0), *, towards: ArrayLike | None = None) -> MapGrid:
        """Points spread evenly on a sphere, or half a sphere, around the origin.

        Args:
            radius: metres; None for directions: sources so far away that their waves are plane.
            step: radians from point to point, about.
            towards: (3,) the middle of the half that is wanted, such as the front of a flat array, which hears both alike.

        Raises: GeometryError for a radius or step that is not positive, or more than two million points.

        Reference: R. Swinbank and R. J. Purser, "Fibonacci grids: a novel approach to global modelling", 2006.
        """
        if (radius is not None and not 0 < radius < math.inf) or not 0 < step < 1:
            raise GeometryError(
                f"sphere: radius {radius} m and step {step} rad came; a positive radius and 0 to 1 rad are needed"
            )
        n = max(12, round(4 * math.pi / step**2))
        _check_size(n, "sphere")
        points = np.asarray(fibonacci_sphere(n), dtype=np.float64) * (1.0 if radius is None else radius)
        if towards is not None:
            points = points[points @ _vector(towards, "sphere: towards") >= 0]
        return cls("sphere", points, (len(points),), step if radius is None else step * radius, far=radius is None)

    @classmethod
    def box(cls, x: Sequence[float], y: Sequence[float], z: Sequence[float], step: float) -> MapGrid:
        """A box along the axes.

        Args:
            x: (from, to) metres.
            y: likewise.
            z: likewise.
            step: metres from point to point.

        Raises: GeometryError for ranges that are none, or more than two million points.
        """
        lines = [_line(np.asarray(span, dtype=np.float64), step, "box") for span in (x, y, z)]
        shape = tuple(len(line) for line in lines)
        _check_size(math.prod(shape), "box")
        points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
        return cls("box", points, shape, step, tuple(lines), ("x, front", "y, left", "z, up"))

    def to_dict(self) -> dict[str, object]:
        """What describes the grid, without its points: plain numbers and words."""
        fields: dict[str, object] = {"kind": self.kind, "n_points": self.n_points, "shape": list(self.shape)}
        fields["increment_rad" if self.far else "increment_m"] = round(self.increment, 9)
        if self.kind == "sphere" and not self.far:
            fields["radius_m"] = round(float(np.linalg.norm(self.points[0])), 9)
        for label, axis in zip(self.labels, self.axes, strict=True):
            fields[f"{label.partition(',')[0]}_m"] = [round(float(end), 9) for end in (axis[0], axis[-1])]
        if self.kind == "plane":
            fields["centre_m"] = [round(float(value), 9) + 0.0 for value in self.points.mean(axis=0)]
        return fields

    @classmethod
    def _flat(
        cls,
        origin: FloatArray,
        across: FloatArray,
        up: FloatArray,
        u: FloatArray,
        v: FloatArray,
        step: float,
        labels: tuple[str, str],
    ) -> MapGrid:
        _check_size(len(u) * len(v), "plane")
        points = origin + v[:, None, None] * up + u[None, :, None] * across
        return cls("plane", points.reshape(-1, 3), (len(v), len(u)), step, (v, u), labels, across, up)


def _line(span: FloatArray, step: float, who: str) -> FloatArray:
    if span.shape != (2,) or not np.isfinite(span).all() or not span[0] < span[1]:
        raise GeometryError(f"{who}: the range {span.tolist()} came; (from, to) in metres is needed, from the smaller")
    if not 0 < step < math.inf:
        raise GeometryError(f"{who}: a step of {step} m came; a positive one is needed")
    n = (span[1] - span[0]) / step
    _check_size(n, who)
    return np.asarray(span[0] + step * np.arange(math.floor(n + 1e-6) + 1))


def _vector(values: ArrayLike, who: str) -> FloatArray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise GeometryError(f"{who} {values!r} came; three finite numbers are needed")
    return vector


def _check_size(n: float, who: str) -> None:
    if n > LARGEST:
        raise GeometryError(f"{who}: {n:.3g} points came; at most {LARGEST} are possible: take a larger step")
