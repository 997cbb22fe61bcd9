"""Points spread evenly on a sphere: spherical designs and the Fibonacci spiral."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_GOLDEN = (1 + math.sqrt(5)) / 2

DESIGNS: Mapping[int, int] = {4: 2, 6: 3, 8: 3, 12: 5, 20: 5, 24: 7, 36: 8, 48: 9, 60: 10, 84: 12}
"""Degree t of the spherical design that is known here, by its number of points."""

_GENERATORS: Mapping[int, tuple[tuple[float, float, float], ...]] = {
    4: ((1.0, 1.0, 1.0),),
    6: ((0.0, 0.0, 1.0),),
    8: ((1.0, 1.0, 1.0), (1.0, 1.0, -1.0)),
    12: ((0.0, 1.0, _GOLDEN),),
    20: ((1.0, 1.0, 1.0), (1.0, 1.0, -1.0), (0.0, _GOLDEN, 1 / _GOLDEN)),
    24: (
        (0.26663540151670473, 0.4225186537611116, 0.8662468181078206),
        (0.42251865376111164, -0.26663540151670473, 0.8662468181078204),
    ),
    36: (
        (0.28624872342603525, -0.04452356458541988, 0.9571203270924576),
        (0.30620001323956986, 0.5074754464108165, 0.8054254920116632),
        (0.24352777540919496, -0.6263636702652703, 0.7405152092807199),
    ),
    48: (
        (0.35354218892147204, -0.06195377423185938, 0.93336469319931),
        (0.06195377423185938, 0.35354218892147204, 0.93336469319931),
        (0.3018400579657684, -0.6397400986197921, 0.7068416977125502),
        (0.6397400986197921, 0.3018400579657684, 0.7068416977125502),
    ),
    60: (
        (0.07705072072573595, -0.27623021826179334, 0.9579979399532583),
        (0.3385843599592607, 0.12033144886678557, 0.9332100372395262),
        (0.4518191025552452, -0.426864116219068, 0.7833559375218182),
        (0.365621190026288, 0.5459519080612594, 0.753828667197017),
        (0.7001810193637302, -0.03408954976125583, 0.7131510658477925),
    ),
    84: (
        (0.09937286944589634, -0.20379931878577331, 0.9739562980342309),
        (0.264359208005757, 0.197642353601426, 0.9439553533962598),
        (0.5020478203490203, -0.08000996410974859, 0.861130879556618),
        (0.1619047862766865, -0.520430410810997, 0.838414591764598),
        (0.4650735696725105, 0.44877330709893104, 0.7630917989518411),
        (0.16183719125960966, 0.6525449752529844, 0.7402660189400042),
        (0.5386718227041041, -0.40726493086946725, 0.7375418249214931),
    ),
}
"""Points whose images under the twelve turns of a tetrahedron are the design. Those from 24 on solve the equations of the
degree for the orbits of random points: as many equations as angles, once that symmetry has met the others."""


def spherical_design(n: int) -> NDArray[np.float64]:
    """(n, 3) unit vectors over which the mean of every polynomial of degree up to t = DESIGNS[n] is its mean over the sphere.

    The points are the tetrahedron, octahedron, cube, icosahedron, dodecahedron, or orbits of the tetrahedron's turns; from the
    top down, around each height from -x counter-clockwise.

    Reference: R. H. Hardin and N. J. A. Sloane, McLaren's improved snub cube and other new spherical designs in three
        dimensions, 1996.
    """
    turned = [
        [sign * point[axis] for sign, axis in zip(signs, axes, strict=True)]
        for point in _GENERATORS[n]
        for axes in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
        for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
    ]
    points = np.array(turned) / np.linalg.norm(turned, axis=1)[:, None]
    # A point on an axis of symmetry is its own image.
    _, first = np.unique(np.round(points, 9) + 0.0, axis=0, return_index=True)
    points = points[first]
    order = np.lexsort((np.arctan2(points[:, 1], points[:, 0]).round(9), -points[:, 2].round(9)))
    return np.asarray(points[order])


def fibonacci_sphere(n: int) -> NDArray[np.float64]:
    """(n, 3) near-uniform unit vectors, from the top down.

    Reference: R. Swinbank and R. J. Purser, "Fibonacci grids: a novel approach to global modelling", QJRMS 2006.
    """
    i = np.arange(n) + 0.5
    z = 1 - 2 * i / n
    azimuth = i * np.pi * (3 - np.sqrt(5.0))
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=-1)
