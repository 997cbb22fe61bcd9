"""One audio file on disk, opened for reading: checked at once, decoded in order, never loaded whole."""

from __future__ import annotations

import os
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.audio_header import DataChunk, RepairedFile, data_chunk
from arrayscene.errors import RecordingError
from arrayscene.naming import nearest

if TYPE_CHECKING:
    import soundfile

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4000, 1_000_000
"""Hertz; below it neither speech nor direction can be recovered."""

_SEEKABLE = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")
"""Encodings whose decoder lands exactly on the sample asked for.

Vorbis was seen to land elsewhere (libsndfile 1.2.2), so everything else is decoded from the beginning and dropped.
"""

_PROBE = 1024
"""Samples decoded at a time while counting what a broken file still gives."""

_NOTHING_DECODED = 7
"""libsndfile's error for an MP3 file without a frame; its text speaks of a missing file."""


@dataclass(frozen=True)
class AudioFile:
    """What the header of a file says, corrected by what the file holds.

    Attributes:
        path: as given.
        sample_rate: hertz.
        n_channels, n_samples: size of the recording.
        format, subtype: container and sample format in libsndfile's names ("WAV", "PCM_16").
        notes: sentences about what is wrong with the file although it can be used.
        chunk: where the samples lie, if the file is a chunked one.
    """

    path: Path
    sample_rate: int
    n_channels: int
    n_samples: int
    format: str
    subtype: str
    notes: tuple[str, ...] = ()
    chunk: DataChunk | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> AudioFile:
        """Read and check the header.

        A file that ends early is usable: its length is what can be decoded, and `notes` says what is missing.

        Args:
            path: any file that libsndfile reads: WAV, RF64, W64, FLAC, OGG, Opus, AIFF, CAF, MP3 and others.

        Raises:
            RecordingError: missing, a folder, empty, not audio, without a single sample, or below 4000 Hz.

        Cost: a few reads; a broken or length-less FLAC or MP3 is decoded once to count its samples.
        """
        import soundfile

        path = Path(path)
        check_there(path)
        chunk = data_chunk(path)
        try:
            with _decoder(path, chunk) as file:
                rate, channels, frames = file.samplerate, file.channels, file.frames
                notes, frames = _check_length(path, file, chunk)
                found = cls(path, rate, channels, frames, file.format, file.subtype, notes, chunk)
        except (soundfile.LibsndfileError, TypeError) as error:
            raise RecordingError(
                f"{path}: cannot be read as audio ({_reason(error)}); "
                "give a WAV, RF64, W64, FLAC, OGG, Opus, AIFF, CAF or MP3 file that is whole at its beginning"
            ) from error
        if found.n_samples == 0:
            raise RecordingError(f"{path}: the header is there but not a single sample; record again")
        if found.sample_rate < MIN_SAMPLE_RATE:
            raise RecordingError(
                f"{path}: sample rate {found.sample_rate} Hz; at least {MIN_SAMPLE_RATE} Hz is needed: record at a higher rate"
            )
        return found

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate

    def blocks(self, start: int, stop: int, size: int) -> Generator[NDArray[np.float32], None, None]:
        """Decode samples `start` to `stop` in order.

        Args:
            start: first sample, counted from 0.
            stop: sample after the last one.
            size: samples a block.

        Yields:
            (sample, channel) float32, full scale 1.0; every block of `size` samples but the last.

        Raises:
            RecordingError: the file changed or breaks off before `stop`.

        Cost: memory of one block. Compressed files are decoded from their beginning, whatever `start` is.
        """
        import soundfile

        done = start
        try:
            with _decoder(self.path, self.chunk) as file:
                self._go_to(file, start)
                while done < stop:
                    # `out` because the header's length, which soundfile would trust, may be wrong.
                    block = file.read(out=np.empty((min(size, stop - done), self.n_channels), np.float32))
                    if len(block) == 0:
                        break
                    done += len(block)
                    yield block
        except soundfile.LibsndfileError as error:
            raise RecordingError(
                f"{self.path}: breaks off at {done / self.sample_rate:.3f} s of {self.duration:.3f} s ({_reason(error)}); "
                "use the part before it (start, stop) or record again"
            ) from error
        if done < stop:
            raise RecordingError(f"{self.path}: ends after {done} samples, {stop} were there when it was opened; read it again")

    def _go_to(self, file: soundfile.SoundFile, start: int) -> None:
        if self.subtype.startswith(_SEEKABLE):
            file.seek(start)
        else:
            _drop(file, start)


@contextmanager
def _decoder(path: Path, chunk: DataChunk | None) -> Iterator[soundfile.SoundFile]:
    import soundfile

    if chunk is not None and chunk.repair is not None:
        with RepairedFile(path, chunk) as repaired, soundfile.SoundFile(repaired) as file:
            yield file
    else:
        with soundfile.SoundFile(path) as file:
            yield file


def check_there(path: Path) -> None:
    """Refuse what is no file that can be read, with a hint at what was meant.

    Raises: RecordingError for a path that is missing, a folder, empty, or may not be read.
    """
    if path.is_dir():
        raise RecordingError(f"{path}: is a folder; give an audio file, or several with one microphone each")
    if not path.exists():
        folder = path.parent
        if not folder.is_dir():
            raise RecordingError(f"{path}: no such file; the folder {folder} does not exist either")
        near = nearest(path.name, [entry.name for entry in folder.iterdir()])
        advice = f"did you mean {folder / near}?" if near else f"{folder} has none like it"
        raise RecordingError(f"{path}: no such file; {advice}")
    if not os.access(path, os.R_OK):
        raise RecordingError(f"{path}: may not be read; change its permissions")
    if path.is_file() and path.stat().st_size == 0:
        raise RecordingError(f"{path}: the file is empty (0 bytes); record or copy it again")


def _check_length(path: Path, file: soundfile.SoundFile, chunk: DataChunk | None) -> tuple[tuple[str, ...], int]:
    """Compare what the header promises with what the file gives; sentences for the user, and the true length."""
    frames, rate = int(file.frames), file.samplerate
    if chunk is not None:
        if chunk.declared is None:
            return (f"{path.name}: the header was never completed; read to the end of the file, {frames / rate:.2f} s.",), frames
        if 0 < chunk.present < chunk.declared:
            missing = frames / rate * (chunk.declared / chunk.present - 1.0)
            return (_shorter(path, frames / rate, frames / rate + missing),), frames
        return (), frames
    if file.format == "OGG":
        if _ogg_ends(path):
            return (), frames
        return (f"{path.name}: truncated (no end mark); the {frames / rate:.2f} s that are there are used.",), frames
    if file.format not in ("FLAC", "MP3") or frames == 0 or _gives_last(file):
        return (), frames
    found = _count(path)
    if found < frames < 2**62:
        return (_shorter(path, found / rate, frames / rate),), found
    return (), found


def _shorter(path: Path, found_s: float, declared_s: float) -> str:
    return (
        f"{path.name}: truncated; the header declares {declared_s:.2f} s, the file holds {found_s:.2f} s "
        f"({declared_s - found_s:.2f} s missing); what is there is used."
    )


def _gives_last(file: soundfile.SoundFile) -> bool:
    """Whether the file holds its last declared sample and none after it."""
    import soundfile

    if file.frames >= 2**62:
        return False
    # `out` keeps soundfile from trusting the declared length.
    out = np.empty((2, file.channels), np.float32)
    try:
        file.seek(file.frames - 1)
        return len(file.read(out=out)) == 1
    except soundfile.LibsndfileError:
        return False


def _count(path: Path) -> int:
    """Samples that can be decoded before the file ends or breaks, which loses the whole read that meets the break."""
    import soundfile

    count = 0
    for step in (_PROBE, 1):
        with soundfile.SoundFile(path) as file:
            _drop(file, count)
            out = np.empty((step, file.channels), np.float32)
            try:
                while (got := len(file.read(out=out))) > 0:
                    count += got
            except soundfile.LibsndfileError:
                continue
            return count
    return count


def _drop(file: soundfile.SoundFile, n: int) -> None:
    scratch = np.empty((65536, file.channels), np.float32)
    while n > 0 and (got := len(file.read(out=scratch[:n]))) > 0:
        n -= got


def _ogg_ends(path: Path) -> bool:
    """Whether the last page of an Ogg file is whole and marked as the last (RFC 3533, section 6)."""
    longest_page = 27 + 255 + 255 * 255
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - longest_page))
        tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    flags, n_segments = struct.unpack_from("<B", tail, at + 5)[0], tail[at + 26]
    page_end = at + 27 + n_segments + sum(tail[at + 27 : at + 27 + n_segments])
    return bool(flags & 4) and page_end <= len(tail)


def _reason(error: Exception) -> str:
    if getattr(error, "code", None) == _NOTHING_DECODED:
        return "no sound found in it"
    text: Any = getattr(error, "error_string", None) or error
    return str(text).strip().rstrip(".") or "unknown reason"
