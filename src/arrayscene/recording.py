"""Recording: what the microphones heard, (mic, sample), in memory or read from its files as it is needed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.arguments import as_indices, as_path, check_number, shown
from arrayscene.array import MicrophoneArray
from arrayscene.audio_span import FileSpan, resampled_length
from arrayscene.audio_writer import AudioWriter
from arrayscene.equalizer import EqualizedSpan, Equalizer, Span
from arrayscene.errors import RecordingError
from arrayscene.recording_checks import as_rate, as_samples, check_alike, choose_channels
from arrayscene.time_data import open_file

PathLike = str | os.PathLike[str]

_WRITE_SECONDS = 10.0


class Recording:
    """A multichannel recording with its rate and, if known, its array; never changed after it is made.

    Args:
        samples: (mic, sample) real, full scale 1.0; kept as C-contiguous float32 (copied only where it is not that yet),
            or the span of files to read it from.
        sample_rate: hertz, 4000 to 1 000 000.
        array: the microphones, one per row; a name or file is taken as `MicrophoneArray.resolve` takes it.
        channels: file channel, counted from 1, of every row; 1, 2, ... unless given.
        inputs: names of the files that it came from.
        notes: sentences about defects of the files.
        subtype: sample format of the files in libsndfile's names, None where it is not known.

    Raises:
        ShapeError: samples that are not two-dimensional and real.
        RecordingError: no samples, a rate below 4000 Hz or above 1 MHz, or not a row for each microphone or channel number.
        GeometryError: an array that cannot be found.
    """

    def __init__(
        self,
        samples: NDArray[Any] | Span,
        sample_rate: int,
        array: MicrophoneArray | PathLike | None = None,
        channels: Sequence[int] | None = None,
        *,
        inputs: Sequence[str] = (),
        notes: Sequence[str] = (),
        subtype: str | None = None,
    ) -> None:
        self._span = samples if isinstance(samples, Span) else None
        self._samples = None if isinstance(samples, Span) else as_samples(samples)
        self.n_samples: int
        if self._samples is None:
            assert isinstance(samples, Span)
            n_rows, self.n_samples = len(samples.columns), samples.n_samples
        else:
            n_rows, self.n_samples = self._samples.shape
        self.sample_rate = as_rate(sample_rate)
        self.array = None if array is None else MicrophoneArray.resolve(_spec(array))
        numbers = range(1, n_rows + 1) if channels is None else as_indices("recording: channels", channels, RecordingError)
        self.channels = tuple(numbers)
        self.inputs, self.notes, self.subtype = tuple(inputs), tuple(notes), subtype
        self._power_before: NDArray[np.float64] | None = None
        if self.n_samples == 0:
            raise RecordingError("recording: no samples; at least one is needed")
        if self.array is not None and self.array.n_mics != n_rows:
            raise RecordingError(
                f"recording: {n_rows} channels came; the array {self.array.name} has {self.array.n_mics} microphones: "
                "one channel for each is wanted"
            )
        if len(self.channels) != n_rows:
            raise RecordingError(f"recording: {len(self.channels)} channel numbers came for {n_rows} rows; one each is wanted")

    @classmethod
    def read(
        cls,
        path_or_paths: PathLike | Sequence[PathLike],
        array: MicrophoneArray | PathLike | None = None,
        channels: Sequence[int] | None = None,
        sample_rate: int | None = None,
        start: float | None = None,
        stop: float | None = None,
    ) -> Recording:
        """Open one multichannel file, or several files with one microphone each, in the order of the microphones.

        Headers are checked now, samples are read when they are first used. Which channels are the microphones:
        `channels` if given; else the array's channel map where the file has as many channels as the array's device
        writes; else the whole file where it has as many channels as the array has microphones. Without an array: all.

        Args:
            path_or_paths: WAV, RF64, W64, FLAC, OGG, Opus, AIFF, CAF, MP3 or whatever else libsndfile reads; .h5: acoular's
                time data, numbers as they are.
            array: microphones, or the name or file of an array.
            channels: file channels, counted from 1, in the order of the microphones; with several files their numbers.
            sample_rate: hertz wanted; the file's own if None.
            start: seconds; the file is cut before it is resampled; from its beginning if None.
            stop: seconds; to its end if None.

        Raises:
            RecordingError: a file that is missing, empty, not audio, without samples or below 4000 Hz; files of different
                rate or length; a channel that does not exist or comes twice; channels that do not fit the array; a
                stretch outside the recording.
            GeometryError: an array that cannot be found.

        Cost: a few reads of the headers.
        """
        paths = _paths(path_or_paths)
        if not paths:
            raise RecordingError("recording: no file came; give one multichannel file or one file a microphone")
        known = None if array is None else MicrophoneArray.resolve(_spec(array))
        files = [open_file(path) for path in paths]
        check_alike(files)
        columns = [(index, channel) for index, file in enumerate(files) for channel in range(file.n_channels)]
        name = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
        chosen = choose_channels(name, len(columns), known, channels)
        span = FileSpan.whole(files, [columns[channel - 1] for channel in chosen])
        used = [files[index] for index in sorted({index for index, _ in span.columns})]
        recording = cls(
            span,
            files[0].sample_rate,
            known,
            chosen,
            inputs=[str(file.path) for file in files],
            notes=[note for file in used for note in file.notes],
            subtype=used[0].subtype if len({file.subtype for file in used}) == 1 else None,
        )
        if start is not None or stop is not None:
            recording = recording.segment(0.0 if start is None else start, stop)
        return recording if sample_rate is None else recording.resample(sample_rate)

    @property
    def samples(self) -> NDArray[np.float32]:
        """(mic, sample) float32, C-contiguous; read from the files at the first use and kept from then on.

        Raises:
            RecordingError: a file changed or breaks off.

        Cost: 4 bytes a sample and microphone: 0.9 GB for one hour of four microphones at 16 kHz.
        """
        if self._samples is None:
            assert self._span is not None
            self._samples = self._span.load()
        return self._samples

    @property
    def n_mics(self) -> int:
        """Rows of `samples`."""
        return len(self.channels)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate

    @property
    def power_before(self) -> NDArray[np.float64] | None:
        """(mic,) mean square, without the mean, before it was resampled; None where it was not, or was not read through yet."""
        return self._power_before

    def __repr__(self) -> str:
        place = "in memory" if self._samples is not None else "in its files"
        return f"Recording({self.n_mics} channels, {self.duration:.2f} s at {self.sample_rate} Hz, {place})"

    def blocks(self, seconds: float, overlap: float = 0.0) -> Iterator[tuple[int, Recording]]:
        """Go through the recording block by block, without ever holding the whole of it.

        Args:
            seconds: length of a block, rounded to samples.
            overlap: seconds that a block shares with the one before it, rounded to samples; shorter than a block.

        Yields:
            (start, block): first sample of the block, and the block as a Recording in memory with the same array. The
            last block ends with the recording and may be shorter; no block lies wholly inside the one before it.

        Raises:
            RecordingError: a block shorter than one sample, or an overlap that is not shorter than the block.

        Cost: memory of two blocks; every sample is decoded and resampled once.
        """
        for number in (seconds, overlap):
            check_number("blocks", number, RecordingError)
        if not math.isfinite(seconds) or not math.isfinite(overlap):
            raise RecordingError(f"blocks: {seconds} s with {overlap} s of overlap came; finite numbers of seconds are wanted")
        size, shared = round(seconds * self.sample_rate), round(overlap * self.sample_rate)
        if size < 1 or not 0 <= shared < size:
            raise RecordingError(
                f"blocks: {seconds} s with {overlap} s of overlap came; "
                "a block of at least one sample that is longer than its overlap is wanted"
            )
        hop = size - shared
        starts = range(0, max(1, self.n_samples - shared), hop)
        if self._samples is not None:
            for start in starts:
                yield start, self._with(self._samples[:, start : start + size])
            return
        assert self._span is not None
        kept = np.empty((self.n_mics, 0), np.float32)
        with self._span.reader() as reader:
            for start in starts:
                fresh = reader.read(min(size, self.n_samples - start) - kept.shape[1])
                block = np.concatenate([kept, fresh], axis=1) if kept.shape[1] else fresh
                kept = block[:, hop:].copy()
                self._power_before = getattr(reader, "power_before", None)
                yield start, self._with(block)

    def resample(self, sample_rate: int) -> Recording:
        """The recording at another rate (soxr, its HQ setting: pass band flat to 0.91 of the lower Nyquist frequency).

        Args:
            sample_rate: hertz, 4000 to 1 000 000.

        Raises:
            RecordingError: a rate below 4000 Hz or above 1 MHz, or a recording too short to leave one sample.

        Cost: nothing now where the samples are still in their files (they are resampled as they are read); else one pass.
        """
        rate = as_rate(sample_rate)
        if rate == self.sample_rate:
            return self
        if resampled_length(self.n_samples, self.sample_rate, rate) == 0:
            raise RecordingError(
                f"resample: {self.n_samples} samples at {self.sample_rate} Hz leave none at {rate} Hz; record longer"
            )
        if self._samples is None and self._span is not None and not self._span.resampled:
            return self._with(self._span.at_rate(rate), sample_rate=rate)
        import soxr

        resampled = self._with(soxr.resample(self.samples.T, self.sample_rate, rate, quality="HQ").T, sample_rate=rate)
        resampled._power_before = np.var(self.samples, axis=1, dtype=np.float64)
        return resampled

    def select(self, rows: Sequence[int]) -> Recording:
        """Some of the microphones; channel numbers and array follow.

        Args:
            rows: rows of `samples`, counted from 0, each at most once, in the order wanted.

        Raises:
            RecordingError: none, a row that does not exist, or one that comes twice.

        Cost: nothing while the samples are in their files; else one copy of the rows.
        """
        rows = as_indices("select: rows", rows, RecordingError)
        if not rows or len(set(rows)) < len(rows) or not all(0 <= row < self.n_mics for row in rows):
            raise RecordingError(f"select: rows {rows}; different rows from 0 to {self.n_mics - 1} are wanted")
        data = self._samples[rows] if self._samples is not None else self._on_disk().select(rows)
        array = None if self.array is None else self.array.select(rows)
        return self._with(data, array=array, channels=[self.channels[row] for row in rows])

    def with_array(self, array: MicrophoneArray | PathLike) -> Recording:
        """The same audio with an array attached; its channel map is used as in `read`.

        Args:
            array: microphones, preset name or array file.

        Raises:
            RecordingError: more or fewer channels than the array has microphones.
            GeometryError: an array that cannot be found.
        """
        microphones = MicrophoneArray.resolve(_spec(array))
        numbers = choose_channels(", ".join(self.inputs) or "recording", self.n_mics, microphones, None)
        bare = Recording(self._on_disk() if self._samples is None else self._samples, self.sample_rate, None, self.channels)
        chosen = bare.select([number - 1 for number in numbers])
        data = chosen._on_disk() if chosen._samples is None else chosen._samples
        return self._with(data, array=microphones, channels=chosen.channels)

    def equalized(self) -> Recording:
        """The recording as ideal electronics would have written it.

        Every channel is divided by its gain (`gains_db` of the array) and advanced by its delay (`delays`, to a fraction of a
        sample); the result's array has neither. Without an array, or where it has none of them: the recording itself.

        Cost: nothing while the samples are in their files (they are equalised as they are read); else one pass.
        """
        array = self.array
        if array is None or (array.gains_db is None and array.delays is None):
            return self
        equalizer = Equalizer.of(array)
        if self._samples is None:
            data: NDArray[np.float32] | Span = EqualizedSpan.whole(self._on_disk(), equalizer)
        else:
            data = equalizer.apply(self._samples, self.sample_rate)
        return self._with(data, array=replace(array, gains_db=None, delays=None))

    def segment(self, start: float, stop: float | None = None) -> Recording:
        """The stretch from `start` to `stop`.

        Args:
            start: seconds, rounded to samples.
            stop: seconds, rounded to samples; to the end if None.

        Raises:
            RecordingError: a stretch that is empty or reaches outside the recording.

        Cost: nothing while the samples are in their files; else one copy of the stretch.
        """
        for number in (start, 0.0 if stop is None else stop):
            check_number("segment", number, RecordingError)
        end = "the end" if stop is None else f"{stop} s"
        if not math.isfinite(start) or (stop is not None and not math.isfinite(stop)):
            raise RecordingError(f"segment: {start} s to {end} was asked for; finite numbers of seconds are needed")
        first = round(start * self.sample_rate)
        last = self.n_samples if stop is None else round(stop * self.sample_rate)
        if not 0 <= first < last <= self.n_samples:
            raise RecordingError(f"segment: {start} s to {end} was asked for; the recording goes from 0 to {self.duration:.3f} s")
        data = self._samples[:, first:last] if self._samples is not None else self._on_disk().cut(first, last)
        return self._with(data)

    def write(self, path: PathLike, subtype: str | None = None) -> int:
        """Write all channels to one file, block by block; the file appears whole or not at all and replaces an old one.

        Args:
            path: its suffix says the format: wav, rf64, w64, caf, aiff, flac, ogg, opus or mp3. A WAV file of more than
                4 GiB becomes RF64 inside.
            subtype: sample format in libsndfile's names; None for float where the format has it, else its best.

        Returns:
            How many samples were beyond full scale and were clipped to it (never in float formats).

        Raises:
            RecordingError: a format that cannot hold these channels or this rate (the message says which can), a folder
                that cannot be written to, a full disk.

        Cost: memory of ten seconds.
        """
        with AudioWriter(as_path("write", path, RecordingError), self.n_mics, self.sample_rate, subtype) as writer:
            for _, block in self.blocks(_WRITE_SECONDS):
                writer.write(block.samples)
        return writer.clipped

    def _on_disk(self) -> Span:
        assert self._span is not None
        return self._span

    def _with(
        self,
        samples: NDArray[np.float32] | Span,
        *,
        sample_rate: int | None = None,
        array: MicrophoneArray | None = None,
        channels: Sequence[int] | None = None,
    ) -> Recording:
        return Recording(
            samples,
            sample_rate or self.sample_rate,
            array or self.array,
            channels or self.channels,
            inputs=self.inputs,
            notes=self.notes,
            subtype=self.subtype,
        )


def _paths(given: PathLike | Sequence[PathLike]) -> list[Path]:
    several = [given] if isinstance(given, str | os.PathLike) else given
    if not isinstance(several, Sequence) or not all(isinstance(path, str | os.PathLike) for path in several):
        raise RecordingError(
            f"recording: {shown(given)} came; the path of one multichannel file, or a list of paths of one file a microphone, is"
            " wanted; of samples in memory make Recording(samples, sample_rate, array)"
        )
    return [Path(path) for path in several]


def _spec(array: MicrophoneArray | PathLike) -> MicrophoneArray | str | Path:
    return Path(array) if isinstance(array, os.PathLike) else array
