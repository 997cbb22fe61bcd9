"""Errors of levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def level_error(level_db: ArrayLike, true_level_db: ArrayLike) -> NDArray[np.float64]:
    """How many decibels too loud a source was reported to be; negative where too soft.

    Target: the true level at the same place, reference and weighting; for `arrayscene.scene.Source.level_db` the RMS level of
    the source's reverberant image at the reference microphone while it sounds, dB re full scale.

    Args:
        level_db: dB; both of any shapes that broadcast.
        true_level_db: dB.

    Returns:
        dB, of the broadcast shape; nan where either is not finite, since silence has no level.
    """
    found, true = np.broadcast_arrays(np.asarray(level_db, np.float64), np.asarray(true_level_db, np.float64))
    known = np.isfinite(found) & np.isfinite(true)
    return np.where(known, np.where(known, found, 0.0) - np.where(known, true, 0.0), np.nan)
