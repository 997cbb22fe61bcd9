"""Frames in the order in which transforms leave them in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def frames_first(part: Tensor, n_axes: int) -> NDArray[Any]:
    """(item, ..., frame, freq) of (..., freq, frame), of which the last `n_axes` belong to an item."""
    part = part.mT.resolve_conj()
    return np.asarray(part.reshape(-1, *part.shape[part.ndim - n_axes :]).contiguous().numpy())
