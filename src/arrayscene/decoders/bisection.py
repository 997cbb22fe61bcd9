"""Where an increasing function reaches a value: many at once, by halving."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

N_HALVINGS = 32
"""An interval of 60 nepers shrinks to 1e-8 of one."""


def bisect(increasing: Callable[[Tensor], Tensor], target: Tensor | float, low: Tensor, high: Tensor) -> Tensor:
    """The least t in [low, high] at which `increasing(t)` is at least `target`, element by element.

    Where the target is not reached, `high`; where it is exceeded everywhere, `low` to within the last interval. Not
    differentiable: what comes back is a constant.
    """
    with torch.no_grad():
        for _ in range(N_HALVINGS):
            middle = 0.5 * (low + high)
            reached = increasing(middle) >= target
            low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    return high
