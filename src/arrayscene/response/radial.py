"""Radial functions of waves around rigid bodies: spherical and cylindrical Bessel and Hankel functions, by stable recurrences.

Plain torch, so that they run on any device and are differentiable in their argument. Hankel functions grow without bound in
their order; only quotients of them are formed, so nothing overflows and gradients stay finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

TRUNCATION = 1e-10
"""What the orders left out of a series add up to at most, where the wave has modulus 1; `series_order` keeps it."""

EXTRA = 12
"""Orders above the highest wanted one at which the continued fraction starts."""

EULER = 0.57721566490153286


class Waves(NamedTuple):
    """Regular and outgoing waves of all orders at some arguments x.

    Attributes:
        regular: w_n f_n(x) for n = 0 to order + 1; f_n is j_n or J_n, w_n the product of the first n `steps`.
        ratios: h_n(x) / h_(n-1)(x) for n = 1 to order + 1; h_n is the outgoing Hankel function, of the second kind.
        outgoing: h_0(x).
    """

    regular: list[Tensor]
    ratios: list[Tensor]
    outgoing: Tensor


def series_order(kr: float) -> int:
    """The order at which a plane wave's series may end at `kr`, wave number times largest radius: the rest is below `TRUNCATION`.

    ceil(kr + 8.4 kr^(1/3)) + 2, found by summing what is left out for kr up to 200, spheres and cylinders, bodies and free field.
    """
    return math.ceil(kr + 8.4 * math.cbrt(kr)) + 2


def spherical_waves(x: Tensor, order: int, steps: Sequence[Tensor] | None = None) -> Waves:
    """Spherical Bessel and Hankel functions at x > 0."""
    j0 = torch.sin(x) / x
    regular = _regular(x, j0, (j0 - torch.cos(x)) / x, order + 1, 1, steps)
    return Waves(regular, spherical_ratios(x, order + 1), torch.polar(1 / x, torch.pi / 2 - x))


def spherical_ratios(x: Tensor, order: int) -> list[Tensor]:
    """h_n(x) / h_(n-1)(x) for n = 1 to `order`, of spherical Hankel functions of the second kind."""
    return _ratios(x, torch.complex(1 / x, torch.ones_like(x)), order, 1)


def cylindrical_waves(x: Tensor, order: int) -> Waves:
    """Bessel and Hankel functions at x > 0, with `order` at least `series_order(x)`.

    J_0 and J_1 are means of their integrals' integrand over the circle, exact once there are more points than x; Y_0 and Y_1 are
    Neumann's series of J_n. (torch.special has them without gradients, and correct to 4e-7 only just above x = 5.)
    """
    j0, j1 = torch.zeros_like(x), torch.zeros_like(x)
    # A quarter of the circle stands for all of it: four times as many points.
    n_points = (order + EXTRA) // 2
    for i in range(n_points):
        sine = math.sin(math.pi / 2 * (i + 0.5) / n_points)
        j0 = j0 + torch.cos(x * sine) / n_points
        j1 = j1 + torch.sin(x * sine) * (sine / n_points)
    J = _regular(x, j0, j1, order + EXTRA, 0, None)
    log = torch.log(x / 2) + EULER
    y0, y1 = log * J[0], log * J[1] - J[0] / x
    for i in range(1, (order + EXTRA) // 2):
        sign = (-1) ** i / i
        y0 = y0 - 2 * sign * J[2 * i]
        y1 = y1 + sign * (J[2 * i - 1] - J[2 * i + 1])
    h0, h1 = torch.complex(j0, -2 / math.pi * y0), torch.complex(j1, -2 / math.pi * y1)
    return Waves(J[: order + 2], _ratios(x, h1 / h0, order + 1, 0), h0)


def rigid_modes(x: Tensor, waves: Waves, shift: int, steps: Sequence[Tensor] | None = None) -> Tensor:
    """Amplitude of every order of a wave and what a rigid body scatters of it: no radial velocity on its surface.

    w_n [f_n(x) - f_n'(x_0) / h_n'(x_0) h_n(x)]

    Args:
        x: (..., place) wave number times radius; the first place is on the surface.
        waves: at x, made with `steps`.
        shift: 1 for spherical waves, 0 for cylindrical ones.
        steps: w_n / w_(n-1) for n = 1, 2, ...; None: all 1.

    Returns: (..., place, order + 1) complex.
    """
    regular, ratios = torch.stack(waves.regular), torch.stack(waves.ratios)
    growth = torch.cat([waves.outgoing[None] / waves.outgoing[None, ..., :1], ratios[:-1] / ratios[:-1, ..., :1]]).cumprod(0)
    body, at_body = x[..., :1], regular[..., :1]
    orders = torch.arange(len(ratios), dtype=x.dtype, device=x.device).reshape(-1, *[1] * x.ndim)
    # f_0' = -f_1, and f_n' = f_(n-1) - (n + shift) / x f_n.
    below, first = at_body[:-2], -at_body[1:2]
    if steps is not None:
        below, first = torch.stack([step.expand(below.shape[1:]) for step in steps[: len(below)]]) * below, first / steps[0]
    slope = torch.cat([first, below - (orders[1:] + shift) / body * at_body[1:-1]])
    modes = regular[:-1] - slope / (orders / body - ratios[..., :1]) * growth
    return modes.movedim(0, -1)


def powers_of_j(order: int, like: Tensor) -> Tensor:
    """(order + 1,) j^n, exactly."""
    return torch.tensor([(1, 1j, -1, -1j)[n % 4] for n in range(order + 1)], dtype=torch.complex128, device=like.device)


def _regular(x: Tensor, f0: Tensor, f1: Tensor, order: int, shift: int, steps: Sequence[Tensor] | None) -> list[Tensor]:
    """w_n f_n(x), with f_(n-1) + f_(n+1) = (2 n + shift) / x f_n: upwards to n = x, by quotients from above beyond it."""
    coefficients, within = _coefficients(x, order + EXTRA, shift), _at_most(x, order + EXTRA)
    quotient, quotients = torch.zeros_like(x), []
    for n in range(order + EXTRA, 0, -1):
        # Where n <= x the quotient could be that to a zero of f; it is not used there.
        quotient = torch.where(within[n], 0.0, 1 / (coefficients[n] - quotient))
        quotients.append(quotient)
    quotients.reverse()
    values = [f0]
    for n in range(1, order + 1):
        if n == 1:
            upward = f1
        else:
            upward = coefficients[n - 1] * values[-1] - (values[-2] if steps is None else steps[n - 2] * values[-2])
        value = torch.where(within[n], upward, quotients[n - 1] * values[-1])
        values.append(value if steps is None else steps[n - 1] * value)
    return values


def _ratios(x: Tensor, first: Tensor, order: int, shift: int) -> list[Tensor]:
    """h_n(x) / h_(n-1)(x) for n = 1 to `order`; upwards, since h_n is the recurrence's growing solution."""
    ratios = [first]
    for coefficient in _coefficients(x, order - 1, shift)[1:]:
        ratios.append(coefficient - 1 / ratios[-1])
    return ratios


def _coefficients(x: Tensor, order: int, shift: int) -> tuple[Tensor, ...]:
    """(2 n + shift) / x for n = 0 to `order`."""
    n = torch.arange(shift, 2 * order + shift + 1, 2, dtype=x.dtype, device=x.device)
    return (n.reshape(-1, *[1] * x.ndim) / x).unbind(0)


def _at_most(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """Where n <= x, for n = 0 to `order`."""
    return (torch.arange(order + 1, device=x.device).reshape(-1, *[1] * x.ndim) <= x).unbind(0)
