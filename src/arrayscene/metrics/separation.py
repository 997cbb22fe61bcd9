"""How close a separated signal is to the true one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.arguments import shown
from arrayscene.errors import RecordingError, ShapeError


def si_sdr(estimate: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """Scale-invariant signal-to-distortion ratio in dB.

    SI-SDR = 10 log10(|a s|^2 / |a s - e|^2) with s the target, e the estimate and a = <e, s> / |s|^2. Means are kept (no
    zero-mean step), as in the paper: remove an offset first where it does not matter. A scaled copy of the target scores +inf
    or, by rounding, some 300 dB; an estimate orthogonal to it scores about as low, a silent one -inf.

    Target: whatever the caller calls true. For a recovered source this is its reverberant image at the reference microphone;
    against the dry signal the same estimate scores several decibels lower, since reverberation then counts as distortion.

    Args:
        estimate: (..., sample) what was recovered.
        target: (..., sample) the truth; leading axes broadcast.

    Returns:
        (...) dB, float64.

    Raises:
        ShapeError: different numbers of samples, or none.
        RecordingError: a silent target, NaN or infinite samples.

    Cost: three passes over the samples.

    Reference: J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR - half-baked or well done?", ICASSP 2019, sec. 3.
    """
    for signal in (estimate, target):
        if np.asarray(signal).dtype.kind not in "fiu":
            raise ShapeError(f"si_sdr: {shown(signal)} came; real samples (..., sample) are needed")
    e, s = np.asarray(estimate, dtype=np.float64), np.asarray(target, dtype=np.float64)
    _check(e, s)
    scale = np.sum(e * s, axis=-1, keepdims=True) / np.sum(s * s, axis=-1, keepdims=True)
    projection = scale * s
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sum(projection**2, axis=-1) / np.sum((projection - e) ** 2, axis=-1)
        # A silent estimate leaves 0 / 0; nothing of the target is in it.
        return np.asarray(10 * np.log10(np.where(np.isnan(ratio), 0.0, ratio)))


def match_sources(estimates: ArrayLike, targets: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pair estimates with targets so that the sum of SI-SDR is largest; the smaller of the two sets is paired whole.

    Target: as in `si_sdr`.

    Args:
        estimates: (estimate, sample).
        targets: (target, sample).

    Returns:
        estimate_index (pair,), target_index (pair,) ascending, and the SI-SDR (pair,) in dB of each pair.

    Raises:
        ShapeError, RecordingError: as `si_sdr`; or an axis is missing.

    Cost: SI-SDR of every pair, then O(n^3) for n sources.

    Reference: H. W. Kuhn, "The Hungarian method for the assignment problem", 1955.
    """
    from scipy.optimize import linear_sum_assignment

    e, s = np.asarray(estimates, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if e.ndim != 2 or s.ndim != 2:
        raise ShapeError(f"estimates of shape {e.shape} and targets of shape {s.shape} came; both must be (source, sample)")
    scores = si_sdr(e[:, None], s[None])
    # The assignment needs finite costs; beyond +-300 dB, float64 tells nothing apart.
    rows, columns = linear_sum_assignment(np.clip(scores, -300, 300), maximize=True)
    order = np.argsort(columns)
    rows, columns = rows[order], columns[order]
    return rows, columns, scores[rows, columns]


def _check(estimate: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    if not estimate.ndim or not target.ndim or estimate.shape[-1] != target.shape[-1] or not target.shape[-1]:
        raise ShapeError(
            f"an estimate of shape {estimate.shape} and a target of shape {target.shape} came; "
            "both need the same number of samples on the last axis"
        )
    for what, signal in (("estimate", estimate), ("target", target)):
        if not np.all(np.isfinite(signal)):
            raise RecordingError(f"the {what} holds NaN or infinite samples; mend them first")
    if not np.all(np.any(target, axis=-1)):
        raise RecordingError("a target is silent; SI-SDR is undefined there, leave that source out")
