"""How the sound of a rectangular room dies away, as the image-source method has it on average over places."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response.shoebox import metres

AFTER_DIRECT: Final = 0.005
"""Seconds after the direct sound at which one begins to measure a decay."""

_MOST_BEFORE: Final = 20.0
"""Decibels of decay before that, at most: so dry a room has no decay to speak of."""

MOST_ABSORPTION: Final = 0.99
"""Share of energy; a T60 that needs walls which swallow more is refused."""

_NODES: Final = 16
"""Quadrature nodes for each of the two angles of an octant; the level is then right to 0.01 dB down to -60 dB."""


_HALVINGS: Final = 30
"""Of the interval in which a decay time lies; it is then known to nine digits."""


def wall_absorption(size: Tensor, t60: Tensor | float, speed_of_sound: float = SPEED_OF_SOUND) -> Tensor:
    """Share of energy that each wall has to swallow, so that the decay as one measures it takes T60.

    Measured: the Schroeder integral of `reverberant_energy` falls from -5 to -35 dB in t60 / 2, begun 5 ms after the direct sound
    of a source at a random place. Sabine's formula, which `simulate_scene` uses, holds for little
    absorption only, and its rooms then sound longer or shorter than they say.

    Args:
        size: (..., 3) inner length, width and height in metres.
        t60: (...) seconds; 0 for the direct path alone.
        speed_of_sound: m/s.

    Returns:
        (...) float64; 1 where t60 is 0.

    Raises:
        GeometryError: a T60 that is negative, not finite, or so short that the walls would have to swallow over 99 %.

    Cost: negligible.

    Reference: M. R. Schroeder, "New method of measuring reverberation time", J. Acoust. Soc. Am. 37(3), 1965.
    """
    size = size.to(torch.float64)
    seconds = torch.as_tensor(t60, dtype=torch.float64, device=size.device).expand(size.shape[:-1])
    if not bool((torch.isfinite(seconds) & (seconds >= 0)).all()):
        raise GeometryError(f"T60 of {seconds.flatten().tolist()} s came; give seconds, or 0 for no reverberation")
    # Absorption and time stand in the decay only as the product of time and -log(1 - absorption).
    # Two random places are diagonal / sqrt(6) apart (root mean square).
    begun = size.norm(dim=-1) / math.sqrt(6) / speed_of_sound + AFTER_DIRECT
    before_db = (60 * begun / seconds.clamp(min=1e-9)).clamp(max=_MOST_BEFORE)
    unit = _time_between(size / speed_of_sound, -5.0 - before_db, -35.0 - before_db) * 2
    shortest = unit / -math.log1p(-MOST_ABSORPTION)
    short = (seconds > 0) & (seconds < shortest)
    if bool(short.any()):
        raise GeometryError(
            f"T60 of {float(seconds[short][0]):g} s came; in a room of {metres(size[short][0].cpu().numpy())} sound lasts at "
            f"least {float(shortest[short][0]):.2f} s; take a longer T60, a smaller room, or 0 for no reverberation"
        )
    return torch.where(seconds > 0, -torch.expm1(-unit / seconds.clamp(min=1e-9)), 1.0)


def reverberant_energy(size: Tensor, absorption: Tensor, times: Tensor, speed_of_sound: float = SPEED_OF_SOUND) -> Tensor:
    """Energy a second of the response to a unit impulse, on average over places.

    Images fill space with one a room volume V, each of strength b / r, so that between t and t + dt they bring
    E(t) = c / V int exp(-g c t sum_i |u_i| / L_i) dOmega over the directions u, where g = -log(1 - absorption): not one
    exponential but many, because sound along a long side meets walls less often.

    Args:
        size: (..., 3) metres.
        absorption: (...) share of energy that each wall swallows, below 1.
        times: (time,) seconds since the impulse.
        speed_of_sound: m/s.

    Returns:
        (..., time) float64, in the scale of an impulse that arrives with amplitude 1 / r.

    Cost: 256 exponentials a time.

    Reference: E. A. Lehmann and A. M. Johansson, "Prediction of energy decay in room impulse responses simulated with an
    image-source model", J. Acoust. Soc. Am. 124(1), 2008.
    """
    rates, weights = _directions(size.to(torch.float64))
    exponent = -torch.log1p(-absorption.to(torch.float64))[..., None] * speed_of_sound * rates
    decay = torch.exp(-exponent[..., None, :] * times.to(torch.float64)[:, None]) @ weights
    return 4 * math.pi * speed_of_sound / size.to(torch.float64).prod(-1)[..., None] * decay


def _time_between(size: Tensor, high_db: Tensor, low_db: Tensor) -> Tensor:
    """(...) time in which the Schroeder integral falls from one level to the other at unit wall loss; lengths in seconds."""
    rates, weights = _directions(size)
    rates, weights = rates[..., None, :], (weights / rates)[..., None, :]
    share = torch.stack([high_db, low_db], dim=-1) * (math.log(10) / 10)
    target = weights.sum(-1) * share.exp()
    lower = torch.zeros_like(target)
    # No direction decays slower than the slowest, so the root lies below its time.
    upper = -share / rates.amin(-1)
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        above = (weights * torch.exp(-rates * middle[..., None])).sum(-1) > target
        lower, upper = torch.where(above, middle, lower), torch.where(above, upper, middle)
    times = (lower + upper) / 2
    return times[..., 1] - times[..., 0]


def _directions(size: Tensor) -> tuple[Tensor, Tensor]:
    """Walls met a metre in each direction of an octant, (..., direction), and weights that sum to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    upward = torch.tensor((nodes + 1) / 2, device=size.device)[:, None]
    turn = torch.tensor((nodes + 1) * math.pi / 4, device=size.device)
    level = torch.sqrt(1 - upward.square())
    directions = torch.stack([level * torch.cos(turn), level * torch.sin(turn), upward.expand(_NODES, _NODES)], dim=-1)
    share = torch.tensor(np.outer(weights, weights).ravel() / 4, device=size.device)
    return (directions.reshape(-1, 3) / size[..., None, :]).sum(-1), share
