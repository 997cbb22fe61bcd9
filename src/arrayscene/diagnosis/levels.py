"""Gains of the channels against each other, from the levels at which they hear the same sounds."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.diagnosis.tiles import Tiles

LOWEST_HZ, HIGHEST_HZ = 300.0, 4000.0
"""Below, rooms resonate; above, noise and small differences between capsules matter."""


def relative_levels_db(tiles: Tiles) -> Tensor:
    """(mic,) dB by which each channel is louder than the median channel, float64.

    The median over tiles and frequencies of 10 log10(P_m / median P): where one talker stands and where a wave cancels changes
    from tile to tile, a gain does not.

    Cost: O(tile freq mic log mic).
    """
    inside = (tiles.frequencies >= LOWEST_HZ) & (tiles.frequencies <= HIGHEST_HZ)
    power = tiles.power[:, inside][tiles.audible[:, inside]].double()
    level = 10 * power.clamp_min(torch.finfo(torch.float32).tiny).log10()
    level = (level - level.median(-1, keepdim=True).values).median(0).values
    return level - level.median()
