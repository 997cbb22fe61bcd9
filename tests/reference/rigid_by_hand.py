"""Sound around rigid bodies as the textbooks' series say it, one term after the other in 30 digits: slow and obvious.

Time convention e^{+j omega t}, so that outgoing waves are Hankel functions of the second kind. Series end where five terms in a
row no longer matter. Run it to write `rigid_by_hand.json` anew (about a minute).
"""

import json
from collections.abc import Callable
from pathlib import Path

from mpmath import besselj, cos, exp, hankel2, legendre, mp, mpc, mpf, pi, sin, sqrt

mp.dps = 30
Function = Callable[[int, mpf], mpc]


def sphere(k: float, a: float, r: float, angle: float, distance: float | None = None) -> complex:
    """Pressure at radius r and `angle` from the source of a plane wave, or of a point source of unit pressure at the centre."""
    k, a, r = mpf(k), mpf(a), mpf(r)

    def j(n: int, x: mpf) -> mpf:
        return sqrt(pi / (2 * x)) * besselj(n + mpf(1) / 2, x)

    def h(n: int, x: mpf) -> mpc:
        return sqrt(pi / (2 * x)) * hankel2(n + mpf(1) / 2, x)

    def term(n: int) -> mpc:
        arriving = mpc(1j) ** n if distance is None else -1j * k * distance * exp(1j * k * distance) * h(n, k * mpf(distance))
        return (2 * n + 1) * arriving * _total_field(j, h, n, k * a, k * r) * legendre(n, cos(mpf(angle)))

    return _sum(term)


def cylinder(k: float, a: float, r: float, azimuth: float, z: float, elevation: float) -> complex:
    """Pressure at cylindrical coordinates (r, azimuth from the source, z) of a plane wave that comes from `elevation`."""
    q = mpf(k) * cos(mpf(elevation))

    def term(n: int) -> mpc:
        field = _total_field(besselj, hankel2, n, q * mpf(a), q * mpf(r))
        return (1 if n == 0 else 2) * mpc(1j) ** n * field * cos(n * mpf(azimuth))

    return complex(_sum(term) * exp(1j * mpf(k) * mpf(z) * sin(mpf(elevation))))


def _total_field(regular: Function, outgoing: Function, n: int, at_body: mpf, x: mpf) -> mpc:
    """What arrives and what is scattered, such that the radial velocity on the body is zero."""

    def slope(f: Function) -> mpc:
        return n / at_body * f(n, at_body) - f(n + 1, at_body)

    return regular(n, x) - slope(regular) / slope(outgoing) * outgoing(n, x)


def _sum(term: Callable[[int], mpc]) -> complex:
    total, n, quiet = mpc(0), 0, 0
    while quiet < 5:
        value = term(n)
        total += value
        quiet = quiet + 1 if abs(value) < 1e-18 else 0
        n += 1
    return complex(total)


CASES = [(k, ratio) for k in (0.01, 3.0, 30.0, 140.0, 300.0) for ratio in (1.0, 1.004, 2.0)]
"""Wave number and the microphone's radius relative to that of a body of 0.1 m: k r up to 60."""


def numbers() -> list[dict[str, float]]:
    """Pressure in each case, at a place and from a direction that are different each time."""
    rows = []
    for i, (k, ratio) in enumerate(CASES):
        place = {"k": k, "r": 0.1 * ratio, "angle": 0.4 + 0.17 * i, "z": 0.05 - 0.01 * i, "elevation": 1.2 - 0.15 * i}
        found = {
            "sphere": sphere(k, 0.1, place["r"], place["angle"]),
            "sphere_near": sphere(k, 0.1, place["r"], place["angle"], 0.25),
            "cylinder": cylinder(k, 0.1, place["r"], place["angle"], place["z"], place["elevation"]),
        }
        rows.append(place | {f"{name}_{part}": getattr(found[name], part) for name in found for part in ("real", "imag")})
    return rows


if __name__ == "__main__":
    Path(__file__).with_name("rigid_by_hand.json").write_text(json.dumps(numbers(), indent=1) + "\n")
