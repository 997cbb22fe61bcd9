"""Directivity patterns that are polynomials of the cosine to the looking direction: what differential microphones make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.polynomial import Legendre, Polynomial
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy.linalg import eigh

Pattern = Literal["cardioid", "dipole", "hypercardioid", "supercardioid"]


def pattern_nulls(name: Pattern, order: int) -> tuple[float, ...]:
    """Angles of a pattern's nulls from the looking direction, radians, as many as its order.

    "cardioid": all of them behind; "dipole": all at the side; "hypercardioid": the highest directivity in a spherically isotropic
    field, (N + 1)^2; "supercardioid": the highest ratio of what is heard from the front half space to the rear.

    Reference: G. W. Elko, "Differential microphone arrays", in Huang and Benesty (eds.), "Audio Signal Processing for
    Next-Generation Multimedia Communication Systems", 2004.
    """
    if name == "cardioid":
        return (math.pi,) * order
    if name == "dipole":
        return (math.pi / 2,) * order
    if name == "hypercardioid":
        pattern = Legendre(2 * np.arange(order + 1) + 1)
    else:
        pattern = Legendre(eigh(_half_space(order, 0.0, 1.0), _half_space(order, -1.0, 0.0))[1][:, -1])
    return tuple(float(angle) for angle in np.arccos(np.real(pattern.roots()).clip(-1, 1)))


def pattern_through(nulls: Sequence[float]) -> Polynomial:
    """B(cos g) = prod_k (cos g - cos g_k) / (1 - cos g_k): 1 at g = 0, with nulls at the angles g_k > 0."""
    product = Polynomial([1.0])
    for angle in nulls:
        product = product * Polynomial([-math.cos(angle), 1.0]) / (1 - math.cos(angle))
    return product


def sampling_angles(nulls: Sequence[float]) -> tuple[list[float], list[float]]:
    """Angles around the circle that pin the pattern down, the looking direction first: the nulls on both sides, and others.

    A polynomial of order N of the cosine needs 2 N + 1 angles; where nulls coincide or lie straight behind, pairs in the widest
    gaps fill up.

    Returns: the nulls, and the others.
    """
    own = sorted({round(angle, 9) for angle in nulls})
    filled: list[float] = []

    def both_sides(angles: Sequence[float]) -> list[float]:
        return [*angles, *(-angle for angle in angles if angle < math.pi - 1e-8)]

    while 1 + len(both_sides(own)) + 2 * len(filled) < 2 * len(nulls) + 1:
        ends = sorted([0.0, *own, *filled, math.pi])
        widest = max(range(len(ends) - 1), key=lambda k: ends[k + 1] - ends[k])
        filled.append(0.5 * (ends[widest] + ends[widest + 1]))
    return both_sides(own), both_sides(filled)


def _half_space(order: int, low: float, high: float) -> NDArray[np.floating[Any]]:
    """Powers (order + 1, order + 1) of Legendre polynomials over cosines from `low` to `high`."""
    nodes, weights = leggauss(order + 1)
    nodes, weights = 0.5 * (high - low) * nodes + 0.5 * (high + low), 0.5 * (high - low) * weights
    values = np.stack([Legendre.basis(n)(nodes) for n in range(order + 1)])
    return np.asarray((values * weights) @ values.T)
