"""Arrays of known layouts, as classmethods of MicrophoneArray: lines, rings, grids, spirals, spheres, cylinders, random ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from arrayscene.arguments import check_number
from arrayscene.array_checks import check_count, check_length
from arrayscene.array_points import DESIGNS, fibonacci_sphere, spherical_design
from arrayscene.errors import GeometryError

_TRIES = 2000
"""Places tried for one microphone before a random array is given up."""


class LayoutGenerators:
    """The generators of MicrophoneArray (abstract: it says how an array is made of its fields)."""

    @classmethod
    def _generated(cls, positions: NDArray[np.float64], **fields: Any) -> Self:
        raise NotImplementedError

    @classmethod
    def circular(cls, n: int, radius: float, *, start_angle: float = 0.0, center: bool = False) -> Self:
        """Microphones evenly on a horizontal circle around the origin.

        Microphone m is at azimuth `start_angle` + 2 pi m / n: the first at `start_angle`, then counter-clockwise seen from above.

        Args:
            n: microphones on the circle.
            radius: metres.
            start_angle: radians counter-clockwise from +x, the azimuth of the first microphone.
            center: one more microphone at the origin, the last in order.

        Raises:
            GeometryError: n below 1 or a radius that is not positive and finite.
        """
        check_count("circular: n", n)
        check_length("circular: radius", radius)
        check_number("circular: start_angle", start_angle, GeometryError)
        ring = _ring(n, radius, start_angle)
        return cls._generated(
            np.vstack([ring, np.zeros((1, 3))]) if center else ring,
            name=f"circular-{n}{'+1' if center else ''}-{radius:g}m",
            zero_direction=f"+x; microphone 1 is at azimuth {math.degrees(start_angle):g} degrees, numbered counter-clockwise",
            source="circular generator",
        )

    @classmethod
    def linear(cls, n: int, spacing: float, *, axis: Literal["x", "y", "z"] = "y") -> Self:
        """Microphones evenly on a line through the origin, which is its middle.

        Microphones are ordered by growing coordinate: along y from right to left, along x from back to front, along z upwards.

        Args:
            n: microphones.
            spacing: metres between neighbours.
            axis: along which they lie; with "y" azimuth 0 is broadside.

        Raises:
            GeometryError: n below 1, a spacing that is not positive and finite, or another axis.
        """
        check_count("linear: n", n)
        check_length("linear: spacing", spacing)
        meanings = {
            "x": "+x, along the line (endfire)",
            "y": "+x, broadside to the line",
            "z": "+x, broadside to the upright line",
        }
        if axis not in meanings:
            raise GeometryError(f"linear: axis {axis!r} came; 'x', 'y' or 'z' was wanted")
        positions = np.zeros((n, 3))
        positions[:, "xyz".index(axis)] = _even(n, spacing)
        name = f"linear-{n}-{spacing:g}m"
        return cls._generated(positions, name=name, zero_direction=meanings[axis], source="linear generator")

    @classmethod
    def rectangular(cls, nx: int, ny: int, dx: float, dy: float) -> Self:
        """A horizontal grid of microphones around the origin.

        Microphone ix * ny + iy is at column ix from back to front and iy from right to left: y runs fastest.

        Args:
            nx: microphones along x, to the front.
            ny: microphones along y, to the left.
            dx: metres between neighbours along x.
            dy: metres between neighbours along y.

        Raises:
            GeometryError: counts below 1 or distances that are not positive and finite.
        """
        check_count("rectangular: nx", nx)
        check_count("rectangular: ny", ny)
        check_length("rectangular: dx", dx)
        check_length("rectangular: dy", dy)
        x, y = np.meshgrid(_even(nx, dx), _even(ny, dy), indexing="ij")
        return cls._generated(
            np.column_stack([x.ravel(), y.ravel(), np.zeros(nx * ny)]),
            name=f"rectangular-{nx}x{ny}-{dx:g}x{dy:g}m",
            zero_direction="+x, along the side of nx microphones",
            source="rectangular generator",
        )

    @classmethod
    def spiral(cls, n: int, radius: float) -> Self:
        """A horizontal sunflower spiral (Vogel), the usual layout of acoustic cameras: even density and few repeated distances.

        Microphone m = 1 ... n is at radius `radius` sqrt(m / n) and azimuth m pi (1 + sqrt 5): each turns on by the golden angle.
        Turned to face the front: `.rotated(pitch=math.pi / 2)`.

        Args:
            n: microphones.
            radius: metres, of the outermost.

        Raises:
            GeometryError: n below 1 or a radius that is not positive and finite.

        Reference: H. Vogel, A better way to construct the sunflower head, 1979; E. Sarradj, A generic approach to synthesize
            optimal array microphone arrangements, 2016.
        """
        check_count("spiral: n", n)
        check_length("spiral: radius", radius)
        order = np.arange(1, n + 1)
        azimuth = order * math.pi * (1 + math.sqrt(5))
        away = radius * np.sqrt(order / n)
        return cls._generated(
            np.column_stack([away * np.cos(azimuth), away * np.sin(azimuth), np.zeros(n)]),
            name=f"spiral-{n}-{radius:g}m",
            zero_direction="+x, in the plane of the spiral",
            source="spiral generator (Vogel's sunflower)",
        )

    @classmethod
    def spherical(
        cls, n: int, radius: float, *, layout: Literal["t-design", "fibonacci"] | None = None, rigid: bool = False
    ) -> Self:
        """Microphones evenly on a sphere around the origin.

        A spherical t-design averages every polynomial of degree t exactly, which makes spherical harmonics up to order t / 2
        orthogonal on it: 4 microphones (t = 2), 6 and 8 (3), 12 and 20 (5), 24 (7), 36 (8), 48 (9), 60 (10). Any other number
        is spread on a Fibonacci spiral from top to bottom, which is nearly even.

        Args:
            n: microphones.
            radius: metres.
            layout: "t-design" or "fibonacci"; a t-design for the numbers above, else Fibonacci, if None.
            rigid: whether they sit on a rigid sphere (`body_radius`) rather than in free air.

        Raises:
            GeometryError: n below 1, a radius that is not positive and finite, another layout, or no t-design of n microphones.

        Reference: R. H. Hardin and N. J. A. Sloane, McLaren's improved snub cube and other new spherical designs in three
            dimensions, 1996; R. Swinbank and R. J. Purser, Fibonacci grids, 2006.
        """
        check_count("spherical: n", n)
        check_length("spherical: radius", radius)
        if layout not in (None, "t-design", "fibonacci"):
            raise GeometryError(f"spherical: layout {layout!r} came; 't-design' or 'fibonacci' was wanted")
        if layout == "t-design" and n not in DESIGNS:
            known = ", ".join(map(str, DESIGNS))
            raise GeometryError(f"spherical: no t-design of {n} microphones is known here; take {known}, or layout='fibonacci'")
        design = n in DESIGNS and layout != "fibonacci"
        return cls._generated(
            radius * (spherical_design(n) if design else fibonacci_sphere(n)),
            name=f"spherical-{n}-{radius:g}m",
            zero_direction="+x",
            source=f"spherical generator ({f't-design of degree {DESIGNS[n]}' if design else 'Fibonacci'})",
            body_radius=radius if rigid else None,
        )

    @classmethod
    def cylinder(
        cls, n_rings: int, per_ring: int, radius: float, height: float, *, staggered: bool = False, rigid: bool = False
    ) -> Self:
        """Equal horizontal rings above each other, the middle at the origin.

        Microphone ring * per_ring + m: rings from the lowest up, microphones counter-clockwise from azimuth 0.

        Args:
            n_rings: rings.
            per_ring: microphones on each.
            radius: metres.
            height: metres from the lowest ring to the highest; not used for one ring.
            staggered: turn every second ring by half a step, so that its microphones stand in the gaps of its neighbours.
            rigid: whether they sit on a rigid cylinder (`body_radius`, `body_shape`) rather than in free air.

        Raises:
            GeometryError: counts below 1 or lengths that are not positive and finite.
        """
        check_count("cylinder: n_rings", n_rings)
        check_count("cylinder: per_ring", per_ring)
        check_length("cylinder: radius", radius)
        check_length("cylinder: height", height)
        rings = []
        for ring, z in enumerate(_even(n_rings, height / max(1, n_rings - 1))):
            start = math.pi / per_ring if staggered and ring % 2 else 0.0
            rings.append(_ring(per_ring, radius, start) + np.array([0.0, 0.0, z]))
        return cls._generated(
            np.vstack(rings),
            name=f"cylinder-{n_rings}x{per_ring}-{radius:g}x{height:g}m",
            zero_direction="+x, the first microphone of the lowest ring",
            source="cylinder generator",
            body_radius=radius if rigid else None,
            body_shape="cylinder" if rigid else "sphere",
        )

    @classmethod
    def random(
        cls,
        n: int,
        size: float | Sequence[float],
        *,
        seed: int | np.random.Generator,
        min_distance: float = 0.01,
    ) -> Self:
        """Microphones at random, evenly distributed in a box around the origin.

        Args:
            n: microphones.
            size: metres; the sides of the box along x, y and z, of which some may be 0, or one number for a cube.
            seed: the same number gives the same array; or a generator to draw from.
            min_distance: metres; no two microphones are nearer to each other.

        Raises:
            GeometryError: n below 1, sizes that are negative or not finite, or a box too small for so many microphones.
        """
        check_count("random: n", n)
        check_length("random: min_distance", min_distance)
        box = np.broadcast_to(np.asarray(size, dtype=np.float64), 3) if np.size(size) in (1, 3) else np.array([math.nan])
        if not (np.isfinite(box).all() and (box >= 0).all()):
            raise GeometryError(f"random: size = {size} came; one side of a cube or three sides of a box, in metres, were wanted")
        generator = np.random.default_rng(seed)
        positions = np.empty((0, 3))
        while len(positions) < n:
            places = box * (generator.random((_TRIES, 3)) - 0.5)
            apart = np.linalg.norm(places[:, None] - positions, axis=2).min(axis=1, initial=math.inf)
            if apart.max() < min_distance:
                raise GeometryError(
                    f"random: after {len(positions)} microphones the box {box.tolist()} m has no room for one more at least "
                    f"{min_distance:g} m from the others; take a larger box, fewer than {n} microphones or a smaller min_distance"
                )
            positions = np.vstack([positions, places[np.argmax(apart >= min_distance)]])
        said = f", seed {seed}" if isinstance(seed, int) else ""
        return cls._generated(positions, name=f"random-{n}", zero_direction="+x", source=f"random generator{said}")


def _ring(n: int, radius: float, start_angle: float) -> NDArray[np.float64]:
    angles = start_angle + 2.0 * math.pi * np.arange(n) / n
    return radius * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(n)])


def _even(n: int, spacing: float) -> NDArray[np.float64]:
    return np.asarray(spacing * (np.arange(n) - (n - 1) / 2))
