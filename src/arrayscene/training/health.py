"""What of a step is not finite, and so must not be trained with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_NAMED: Final = 5
"""Examples that are named before the others are only counted."""


def what_is_wrong(first: int, losses: Sequence[float], broken: Sequence[float], norm: float) -> str | None:
    """In words, what is NaN or infinite in a step; None where all is well.

    Args:
        first: number of its first example.
        losses: of each example.
        broken: not 0 for each example that itself holds such values.
        norm: of the gradient.
    """
    inside = [first + at for at, flag in enumerate(broken) if flag]
    if inside:
        return f"NaN or infinite values in example {_some(inside)}"
    lost = [first + at for at, loss in enumerate(losses) if not math.isfinite(loss)]
    if lost:
        return f"the loss of example {_some(lost)} is not finite"
    if not math.isfinite(norm):
        return f"the gradient of examples {first} to {first + len(losses) - 1} is not finite"
    return None


def _some(numbers: Sequence[int]) -> str:
    more = len(numbers) - _NAMED
    return ", ".join(map(str, numbers[:_NAMED])) + (f" and {more} more" if more > 0 else "")
