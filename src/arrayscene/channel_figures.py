"""Figures of every channel of a recording, gathered in one pass block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arrayscene.recording import Recording

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EDGE_SECONDS = 0.05
"""What lies nearer to an end of a resampled recording is not judged: the resampling filter rings that long at 4 kHz."""


@dataclass(frozen=True)
class ChannelFigures:
    """What one pass finds; every array has one entry a row of the recording.

    Attributes:
        dc: mean, full scale 1.0. NaN and infinite samples count as 0 here and below.
        peak: largest magnitude, the mean included.
        span: largest minus smallest value.
        power: mean square without the mean.
        residual: (mic, mic) share of the power of one channel that the best gain on the other cannot explain,
            1 - C_ij^2 / (C_ii C_jj) with C the covariance; 1 where either channel has no power.
        left: share of the power that resampling has left, but for the clicks that it makes where sound begins and ends with the
            recording; 1 where nothing was resampled.
        invalid: NaN and infinite samples.
        first_invalid: the first of them, -1 if there is none.
        top, bottom: largest and smallest value.
        at_top, at_bottom: samples with exactly that value.
        flat_top, flat_bottom: stretches of three of them in a row, overlapping ones counted.
    """

    dc: FloatArray
    peak: FloatArray
    span: FloatArray
    power: FloatArray
    residual: FloatArray
    left: FloatArray
    invalid: IntArray
    first_invalid: IntArray
    top: FloatArray
    bottom: FloatArray
    at_top: IntArray
    at_bottom: IntArray
    flat_top: IntArray
    flat_bottom: IntArray


class _Extreme:
    """Counts the samples at the largest value while that value is still becoming known."""

    def __init__(self, n_mics: int) -> None:
        self.value = np.full(n_mics, -np.inf)
        self.count = np.zeros(n_mics, np.int64)
        self.flat = np.zeros(n_mics, np.int64)

    def add(self, x: NDArray[np.float32]) -> None:
        largest = x.max(axis=1)
        higher = largest > self.value
        self.count[higher] = 0
        self.flat[higher] = 0
        self.value[higher] = largest[higher]
        at = x == self.value[:, None].astype(np.float32)
        self.count += np.count_nonzero(at, axis=1)
        self.flat += np.count_nonzero(at[:, 2:] & at[:, 1:-1] & at[:, :-2], axis=1)


class _Power:
    """Mean square without the mean, of every channel."""

    def __init__(self, n_mics: int) -> None:
        self.n, self.total, self.squares = 0, np.zeros(n_mics), np.zeros(n_mics)

    def add(self, x: NDArray[np.float64]) -> None:
        self.n += x.shape[1]
        self.total += x.sum(axis=1)
        self.squares += np.einsum("ms,ms->m", x, x)

    def value(self) -> FloatArray:
        n = max(self.n, 1)
        return np.maximum(self.squares / n - (self.total / n) ** 2, 0.0)


def _left(inner: _Power, before: FloatArray | None) -> FloatArray:
    left = np.ones_like(inner.total)
    if before is not None and inner.n:
        np.divide(inner.value(), before, out=left, where=np.isfinite(before) & (before > 0))
    return np.minimum(left, 1.0)


def channel_figures(recording: Recording, block_seconds: float) -> ChannelFigures:
    """Gather the figures of every channel.

    Args:
        recording: any; long ones are read from their files block by block.
        block_seconds: length of a block.

    Raises:
        RecordingError: a file breaks off.

    Cost: one pass; memory of some blocks in double precision, whatever the length. A run of equal samples across the
    border of two blocks counts as two.
    """
    n_mics = recording.n_mics
    total, gram = np.zeros(n_mics), np.zeros((n_mics, n_mics))
    invalid, first_invalid = np.zeros(n_mics, np.int64), np.full(n_mics, -1, np.int64)
    high, low = _Extreme(n_mics), _Extreme(n_mics)
    edge, inner = round(EDGE_SECONDS * recording.sample_rate), _Power(n_mics)
    for start, block in recording.blocks(block_seconds):
        x = block.samples
        finite = np.isfinite(x)
        if not finite.all():
            counts = np.count_nonzero(~finite, axis=1)
            newly = (counts > 0) & (first_invalid < 0)
            first_invalid[newly] = start + np.argmin(finite[newly], axis=1)
            invalid += counts
            x = np.where(finite, x, np.float32(0.0))
        high.add(x)
        low.add(-x)
        # Single precision would hide residuals below -60 dB.
        wide = x.astype(np.float64)
        total += wide.sum(axis=1)
        gram += wide @ wide.T
        inner.add(wide[:, max(edge - start, 0) : max(recording.n_samples - edge - start, 0)])
    n = recording.n_samples
    dc = total / n
    covariance = gram / n - np.outer(dc, dc)
    power = np.maximum(np.diag(covariance), 0.0)
    power[high.value == -low.value] = 0.0
    scale = np.outer(power, power)
    residual = np.ones((n_mics, n_mics))
    np.divide(covariance**2, scale, out=residual, where=scale > 0.0)
    residual = np.where(scale > 0.0, np.clip(1.0 - residual, 0.0, 1.0), 1.0)
    return ChannelFigures(
        dc=dc,
        peak=np.maximum(np.abs(high.value), np.abs(low.value)),
        span=high.value + low.value,
        power=power,
        residual=residual,
        left=_left(inner, recording.power_before),
        invalid=invalid,
        first_invalid=first_invalid,
        top=high.value,
        bottom=-low.value,
        at_top=high.count,
        at_bottom=low.count,
        flat_top=high.flat,
        flat_bottom=low.flat,
    )
