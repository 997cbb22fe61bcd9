"""What each channel's electronics added, taken out of the signal: gains, and delays of a fraction of a sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.audio_span import FileSpan, SpanReader

_REACH = 128
"""Samples on either side that a fractional delay is interpolated from."""

_KAISER_BETA = 12.0
"""Window of the interpolator: errors below -115 dB up to 0.96 of the Nyquist frequency, with `_REACH`."""

_BLOCK = 65536
"""Samples a channel worked on at a time."""


@dataclass(frozen=True)
class Equalizer:
    """Divides every channel by its gain and advances it by its delay.

    x_m(n) = 1 / g_m sum_k h_m(k) y_m(n + k), with h_m a Kaiser-windowed sinc around the delay in samples.

    Attributes:
        gains: amplitude of each channel.
        delays: seconds of each channel.

    Reference: T. I. Laakso, V. Valimaki, M. Karjalainen and U. K. Laine, Splitting the unit delay, 1996.
    """

    gains: tuple[float, ...]
    delays: tuple[float, ...]

    @classmethod
    def of(cls, array: MicrophoneArray) -> Equalizer:
        """For the gains and delays of an array's channels."""
        gains_db = array.gains_db or (0.0,) * array.n_mics
        return cls(tuple(10.0 ** (gain_db / 20.0) for gain_db in gains_db), array.delays or (0.0,) * array.n_mics)

    def select(self, rows: list[int]) -> Equalizer:
        """For some of the channels."""
        return Equalizer(tuple(self.gains[row] for row in rows), tuple(self.delays[row] for row in rows))

    def context(self, sample_rate: int) -> tuple[int, int]:
        """Samples before and after a stretch on which its result depends."""
        shifts = [round(delay * sample_rate) for delay in self.delays]
        return max(0, _REACH - min(shifts)), max(0, _REACH + max(shifts))

    def apply(self, samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """A whole signal, silent before and after.

        Args:
            samples: (mic, sample).
            sample_rate: hertz.

        Returns:
            (mic, sample) float32.

        Cost: O(sample log reach) for each channel; memory of a few blocks besides the result.
        """
        before, after = self.context(sample_rate)
        n = samples.shape[1]
        out = np.empty_like(samples)
        for start in range(0, n, _BLOCK):
            stop = min(start + _BLOCK, n)
            low, high = start - before, stop + after
            inside = samples[:, max(0, low) : min(n, high)]
            out[:, start:stop] = self.filter(np.pad(inside, ((0, 0), (max(0, -low), max(0, high - n)))), sample_rate)
        return out

    def filter(self, stretch: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """A stretch of a signal with its `context` on both sides, (mic, before + sample + after); gives (mic, sample)."""
        from scipy.signal import oaconvolve

        before, after = self.context(sample_rate)
        n = stretch.shape[1] - before - after
        out = np.empty((len(stretch), n), np.float32)
        for row, (gain, delay) in enumerate(zip(self.gains, self.delays, strict=True)):
            shift = round(delay * sample_rate)
            fraction = delay * sample_rate - shift
            at = before + shift
            if fraction == 0:
                out[row] = stretch[row, at : at + n] / gain
                continue
            around = stretch[row, at - _REACH : at + n + _REACH].astype(np.float64)
            out[row] = oaconvolve(around, _interpolator(fraction)[::-1] / gain, mode="valid")
        return out


def _interpolator(fraction: float) -> NDArray[np.float64]:
    """h(k) for k = -_REACH .. _REACH: the value `fraction` of a sample later."""
    offset = fraction - np.arange(-_REACH, _REACH + 1)
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1.0 - (offset / (_REACH + 1)) ** 2))) / np.i0(_KAISER_BETA)
    return np.asarray(np.sinc(offset) * window)


@dataclass(frozen=True)
class EqualizedSpan:
    """Another signal in files, equalised as it is read.

    Attributes:
        span: the signal before.
        equalizer: what to take out of it.
        first, last: the stretch of it, in its samples.
    """

    span: Span
    equalizer: Equalizer
    first: int
    last: int

    @classmethod
    def whole(cls, span: Span, equalizer: Equalizer) -> EqualizedSpan:
        """All of a signal."""
        return cls(span, equalizer, 0, span.n_samples)

    @property
    def columns(self) -> tuple[tuple[int, int], ...]:
        """For each row of the signal the file and the channel in it, both from 0."""
        return self.span.columns

    @property
    def sample_rate(self) -> int:
        """Hertz of the signal."""
        return self.span.sample_rate

    @property
    def n_samples(self) -> int:
        """Samples of the signal."""
        return self.last - self.first

    @property
    def resampled(self) -> bool:
        """Whether it cannot be resampled as it is read: its files are already, or it was cut at its own rate."""
        return self.span.resampled or self.n_samples != self.span.n_samples

    def select(self, rows: list[int]) -> EqualizedSpan:
        """The named rows, in that order."""
        return replace(self, span=self.span.select(rows), equalizer=self.equalizer.select(rows))

    def cut(self, first: int, last: int) -> EqualizedSpan:
        """Samples `first` to `last` (not included) of this signal."""
        return replace(self, first=self.first + first, last=self.first + last)

    def at_rate(self, sample_rate: int) -> EqualizedSpan:
        """The signal at another rate."""
        return EqualizedSpan.whole(self.span.at_rate(sample_rate), self.equalizer)

    def load(self) -> NDArray[np.float32]:
        """(mic, sample) the whole signal."""
        samples = np.empty((len(self.columns), self.n_samples), np.float32)
        with self.reader() as reader:
            for at in range(0, self.n_samples, _BLOCK):
                samples[:, at : at + _BLOCK] = reader.read(min(_BLOCK, self.n_samples - at))
        return samples

    def reader(self) -> EqualizedReader:
        """Reads it from its beginning to its end."""
        return EqualizedReader(self)


class EqualizedReader:
    """Reads an `EqualizedSpan` from its beginning to its end. Cost: memory of one block and the equaliser's context."""

    def __init__(self, span: EqualizedSpan) -> None:
        self._equalizer, self._rate = span.equalizer, span.sample_rate
        before, after = span.equalizer.context(span.sample_rate)
        low, high = max(0, span.first - before), min(span.span.n_samples, span.last + after)
        self._context = before + after
        self._left, self._left_inside = span.n_samples, high - low
        self._kept = np.zeros((len(span.columns), low - (span.first - before)), np.float32)
        self._inside: SpanReader | EqualizedReader = span.span.cut(low, high).reader()

    def __enter__(self) -> Self:
        self._inside.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._inside.__exit__(kind, error, trace)

    def read(self, n: int) -> NDArray[np.float32]:
        """The next `n` samples; fewer come only at the end.

        Returns:
            (mic, sample) float32, C-contiguous.
        """
        n = min(n, self._left)
        self._left -= n
        wanted = n + self._context - self._kept.shape[1]
        fresh = self._inside.read(max(0, min(wanted, self._left_inside)))
        self._left_inside -= fresh.shape[1]
        silence = np.zeros((len(fresh), max(0, wanted - fresh.shape[1])), np.float32)
        stretch = np.concatenate([self._kept, fresh, silence], axis=1)
        self._kept = stretch[:, n:].copy()
        return self._equalizer.filter(stretch[:, : n + self._context], self._rate)


Span = FileSpan | EqualizedSpan
