"""A stretch of one or more audio files as one multichannel signal, decoded and resampled block by block."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import RecordingError
from arrayscene.time_data import SampleFile

_FILE_BLOCK = 65536
"""Samples a channel taken from a file at a time."""

_PREROLL = 0.25
"""Seconds decoded before a cut in a resampled stretch; the resampling filter is shorter than 0.05 s at 4 kHz."""


def resampled_length(n_samples: int, rate: int, new_rate: int) -> int:
    """Samples that `n_samples` at `rate` become at `new_rate`: to the nearest, halves up, as soxr does."""
    return (2 * n_samples * new_rate + rate) // (2 * rate)


@dataclass(frozen=True)
class FileSpan:
    """Which samples of which channels of which files, at which rate.

    Attributes:
        files: all of one rate and length.
        columns: for each row of the signal the file (index into `files`) and the channel in it, both from 0.
        start, stop: the stretch in samples of the files, before resampling.
        sample_rate: hertz of the signal.
        first, last: the stretch of the resampled signal, in its own samples.
    """

    files: tuple[SampleFile, ...]
    columns: tuple[tuple[int, int], ...]
    start: int
    stop: int
    sample_rate: int
    first: int
    last: int

    @classmethod
    def whole(cls, files: Sequence[SampleFile], columns: Sequence[tuple[int, int]]) -> FileSpan:
        """All samples of the named channels at the files' own rate."""
        n = files[0].n_samples
        return cls(tuple(files), tuple(columns), 0, n, files[0].sample_rate, 0, n)

    @property
    def n_samples(self) -> int:
        """Samples of the signal."""
        return self.last - self.first

    @property
    def resampled(self) -> bool:
        """Whether the signal's rate differs from the files'."""
        return self.sample_rate != self.files[0].sample_rate

    def select(self, rows: Sequence[int]) -> FileSpan:
        """The named rows, in that order."""
        return replace(self, columns=tuple(self.columns[row] for row in rows))

    def cut(self, first: int, last: int) -> FileSpan:
        """Samples `first` to `last` (not included) of this signal."""
        if self.resampled:
            return replace(self, first=self.first + first, last=self.first + last)
        n = last - first
        return replace(self, start=self.start + first, stop=self.start + last, first=0, last=n)

    def at_rate(self, sample_rate: int) -> FileSpan:
        """The signal at another rate; it must still have the files' rate."""
        return replace(
            self, sample_rate=sample_rate, first=0, last=resampled_length(self.stop - self.start, self.sample_rate, sample_rate)
        )

    def load(self) -> NDArray[np.float32]:
        """(mic, sample) the whole signal."""
        samples = np.empty((len(self.columns), self.n_samples), np.float32)
        with self.reader() as reader:
            for at in range(0, self.n_samples, _FILE_BLOCK):
                block = reader.read(min(_FILE_BLOCK, self.n_samples - at))
                samples[:, at : at + block.shape[1]] = block
        return samples

    def reader(self) -> SpanReader:
        """Reads it from its beginning to its end."""
        return SpanReader(self)


class SpanReader:
    """Reads a `FileSpan` from its beginning to its end.

    Cost: memory of one block of the file and what was asked for; every sample is decoded and resampled once, and
    the result differs from resampling the whole at once by rounding only (soxr's stream keeps the filter's state).
    """

    def __init__(self, span: FileSpan) -> None:
        import soxr

        self._span = span
        self._left = span.n_samples
        self._ready: list[NDArray[np.float32]] = []
        self._n_ready = 0
        self._stack = ExitStack()
        self._n_raw, self._sum, self._squares = 0, np.zeros(len(span.columns)), np.zeros(len(span.columns))
        self._resampler: soxr.ResampleStream | None = None
        start = span.start
        if span.resampled:
            rate = span.files[0].sample_rate
            common = math.gcd(rate, span.sample_rate)
            # Only at multiples of this period do samples of both rates coincide; starting there changes nothing.
            period_in, period_out = rate // common, span.sample_rate // common
            skipped = max(0, span.first - math.ceil(_PREROLL * span.sample_rate)) // period_out
            start += skipped * period_in
            self._drop = span.first - skipped * period_out
            self._resampler = soxr.ResampleStream(rate, span.sample_rate, len(span.columns), dtype="float32", quality="HQ")
        else:
            self._drop = 0
        self._raw = self._decode(start)

    def __enter__(self) -> SpanReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._raw.close()
        self._stack.close()

    def read(self, n: int) -> NDArray[np.float32]:
        """The next `n` samples.

        Args:
            n: samples wanted; fewer come only at the end.

        Returns:
            (mic, sample) float32, C-contiguous.

        Raises:
            RecordingError: a file changed or breaks off.
        """
        n = min(n, self._left)
        while self._n_ready < n:
            self._fill()
        self._left -= n
        self._n_ready -= n
        out = np.empty((len(self._span.columns), n), np.float32)
        at = 0
        while at < n:
            head = self._ready[0]
            taken = min(head.shape[1], n - at)
            out[:, at : at + taken] = head[:, :taken]
            at += taken
            if taken == head.shape[1]:
                self._ready.pop(0)
            else:
                self._ready[0] = head[:, taken:]
        return out

    @property
    def power_before(self) -> NDArray[np.float64] | None:
        """(mic,) mean square, without the mean, of what was read so far as it was before resampling; None without resampling."""
        if self._resampler is None or not self._n_raw:
            return None
        return np.maximum(self._squares / self._n_raw - (self._sum / self._n_raw) ** 2, 0.0)

    def _fill(self) -> None:
        raw = next(self._raw, None)
        if self._resampler is not None and raw is not None:
            self._n_raw += raw.shape[1]
            self._sum += raw.sum(1, dtype=np.float64)
            self._squares += np.einsum("ms,ms->m", raw, raw, dtype=np.float64)
        if self._resampler is None:
            block = raw
        elif raw is None:
            block = self._resampler.resample_chunk(np.zeros((0, len(self._span.columns)), np.float32), last=True).T
        else:
            block = self._resampler.resample_chunk(np.ascontiguousarray(raw.T)).T
        if block is None or (raw is None and block.shape[1] == 0):
            raise RecordingError(
                f"{self._span.files[0].path}: {self._left} samples fewer than its header led to expect; read the file again"
            )
        dropped = min(self._drop, block.shape[1])
        self._drop -= dropped
        if block.shape[1] > dropped:
            self._ready.append(block[:, dropped:])
            self._n_ready += block.shape[1] - dropped

    def _decode(self, start: int) -> Generator[NDArray[np.float32], None, None]:
        span = self._span
        used = sorted({file for file, _ in span.columns})
        streams = [self._stack.enter_context(closing(span.files[file].blocks(start, span.stop, _FILE_BLOCK))) for file in used]
        for parts in zip(*streams, strict=True):
            by_file = dict(zip(used, parts, strict=True))
            yield np.stack([by_file[file][:, channel] for file, channel in span.columns])
