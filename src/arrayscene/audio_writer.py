"""Writes audio files block by block; a file appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import RecordingError

if TYPE_CHECKING:
    import soundfile


@dataclass(frozen=True)
class AudioFormat:
    """What one kind of file can hold.

    Attributes:
        container: libsndfile's name.
        subtype: sample format used unless told otherwise; float wherever the container has it, so nothing is lost.
        max_channels: most channels of one file.
        rates: the only rates, in hertz, that it can hold; None where any will do.
    """

    container: str
    subtype: str
    max_channels: int = 1024
    rates: tuple[int, ...] | None = None


FORMATS = {
    "wav": AudioFormat("WAV", "FLOAT"),
    "rf64": AudioFormat("RF64", "FLOAT"),
    "w64": AudioFormat("W64", "FLOAT"),
    "caf": AudioFormat("CAF", "FLOAT"),
    "aiff": AudioFormat("AIFF", "FLOAT"),
    "aif": AudioFormat("AIFF", "FLOAT"),
    "flac": AudioFormat("FLAC", "PCM_24", max_channels=8),
    "ogg": AudioFormat("OGG", "VORBIS", max_channels=255),
    "opus": AudioFormat("OGG", "OPUS", max_channels=255, rates=(8000, 12000, 16000, 24000, 48000)),
    "mp3": AudioFormat(
        "MP3", "MPEG_LAYER_III", max_channels=2, rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
    ),
}
"""By file suffix."""

_WAV_LIMIT = 2**32 - 2**16
"""Bytes of samples after which a WAV file's 32-bit sizes could overflow; the rest is room for the header."""

_CHUNK = 16384
"""Samples handed over at a time; libsndfile's Vorbis encoder overflows its stack on very long blocks."""

_UNCLIPPED = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III")
"""Encodings that take values beyond full scale."""


def format_of(path: str | os.PathLike[str]) -> AudioFormat:
    """The format that a path's suffix names.

    Raises:
        RecordingError: the suffix is none of `FORMATS`.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        given = f"suffix .{suffix}" if suffix else "no suffix"
        raise RecordingError(f"{os.fspath(path)}: {given}; the suffix says the format, one of: {', '.join(FORMATS)}")
    return FORMATS[suffix]


class AudioWriter:
    """Writes one file under a temporary name beside the target and renames it when it is complete.

    As a context manager it commits at the end and aborts on any exception, Ctrl-C included. Values beyond full scale
    are clipped, never wrapped, in integer formats and counted in `clipped`; float formats keep them. A WAV file that
    outgrows 4 GiB becomes an RF64 file of the same name, which costs one copy of what was written so far.

    Args:
        path: target; its suffix says the format (`FORMATS`).
        n_channels: channels of the file.
        sample_rate: hertz.
        subtype: sample format in libsndfile's names ("PCM_16", "PCM_24", "FLOAT"); None for the format's default.

    Raises:
        RecordingError: unknown suffix, unwritable folder, or a rate, channel count or sample format that the format
            cannot hold.

    Cost: memory of one block.
    """

    def __init__(self, path: str | os.PathLike[str], n_channels: int, sample_rate: int, subtype: str | None = None) -> None:
        self.path = Path(path)
        self.n_channels, self.sample_rate = n_channels, sample_rate
        self.clipped = 0
        """Samples that were beyond full scale and lie at full scale in the file."""
        self._written = 0
        chosen = format_of(path)
        self._container, self._subtype = chosen.container, subtype or chosen.subtype
        self._check(chosen)
        folder = self.path.resolve().parent
        if not folder.is_dir():
            raise RecordingError(f"{self.path}: the folder {folder} does not exist; make it first")
        if self.path.is_dir():
            raise RecordingError(f"{self.path}: is a folder; give a file name")
        if not os.access(folder, os.W_OK):
            raise RecordingError(f"{self.path}: the folder {folder} may not be written to; choose another")
        self._temporary = self._new_name()
        self._file: soundfile.SoundFile = self._open(self._temporary)

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def write(self, block: NDArray[Any]) -> None:
        """Append samples.

        Args:
            block: (mic, sample) real, full scale 1.0.

        Raises:
            RecordingError: wrong number of channels; NaN in a format that has none; the disk is full. Nothing is left
                of the file after a failed write.
        """
        if block.ndim != 2 or block.shape[0] != self.n_channels:
            raise RecordingError(
                f"{self.path}: a block of shape {block.shape} came; ({self.n_channels}, samples) was wanted: one row a channel"
            )
        import soundfile

        try:
            for at in range(0, block.shape[1], _CHUNK):
                part = np.ascontiguousarray(block[:, at : at + _CHUNK].T)
                self._judge(part)
                if self._container == "WAV" and (self._written + len(part)) * self._frame_bytes() > _WAV_LIMIT:
                    self._grow()
                self._file.write(part)
                self._written += len(part)
        except (soundfile.LibsndfileError, OSError) as error:
            self.abort()
            raise self._failure(error) from error
        except BaseException:
            self.abort()
            raise

    def commit(self) -> None:
        """Close the file and put it in place.

        Raises:
            RecordingError: the last samples did not reach the disk; nothing is left then.
        """
        import soundfile

        try:
            self._file.close()
            stored = soundfile.info(self._temporary).frames if self._written else 0
            if stored < self._written:
                raise OSError(f"{stored} of {self._written} samples were stored")
            os.replace(self._temporary, self.path)
        except (soundfile.LibsndfileError, OSError) as error:
            self.abort()
            raise self._failure(error) from error

    def abort(self) -> None:
        """Close and remove what was written; the target is as it was before."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _check(self, chosen: AudioFormat) -> None:
        import soundfile

        def able(has_room: Any) -> str:
            return ", ".join(suffix for suffix, other in FORMATS.items() if has_room(other))

        if not 1 <= self.n_channels <= chosen.max_channels:
            raise RecordingError(
                f"{self.path}: {self.n_channels} channels; {self._container} holds 1 to {chosen.max_channels}; "
                f"formats that hold {self.n_channels}: {able(lambda f: f.max_channels >= self.n_channels)}"
            )
        if chosen.rates is not None and self.sample_rate not in chosen.rates:
            raise RecordingError(
                f"{self.path}: {self.sample_rate} Hz; {chosen.subtype} holds only {', '.join(map(str, chosen.rates))} Hz; "
                f"resample, or choose a format that holds any rate: {able(lambda f: f.rates is None)}"
            )
        if not soundfile.check_format(self._container, self._subtype):
            known = ", ".join(soundfile.available_subtypes(self._container))
            raise RecordingError(f"{self.path}: sample format {self._subtype}; {self._container} has: {known}")

    def _new_name(self) -> Path:
        return self.path.resolve().with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")

    def _open(self, path: Path) -> soundfile.SoundFile:
        import soundfile

        try:
            return soundfile.SoundFile(
                path, "w", self.sample_rate, self.n_channels, format=self._container, subtype=self._subtype
            )
        except (soundfile.LibsndfileError, OSError) as error:
            path.unlink(missing_ok=True)
            raise self._failure(error) from error

    def _judge(self, part: NDArray[Any]) -> None:
        if self._subtype in ("FLOAT", "DOUBLE"):
            return
        if not np.isfinite(part).all():
            raise RecordingError(
                f"{self.path}: the samples hold NaN or infinity, which {self._subtype} cannot; "
                "leave the bad channel out or write float samples (subtype FLOAT in wav, w64, rf64, caf, aiff)"
            )
        if self._subtype not in _UNCLIPPED:
            self.clipped += int(np.count_nonzero(np.abs(part) > 1.0))

    def _frame_bytes(self) -> int:
        widths = {"PCM_U8": 1, "PCM_S8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}
        return widths.get(self._subtype, 4) * self.n_channels

    def _grow(self) -> None:
        """Go on as RF64, whose sizes have 64 bits."""
        import soundfile

        self._file.close()
        small, self._container, self._temporary = self._temporary, "RF64", self._new_name()
        try:
            self._file = self._open(self._temporary)
            with soundfile.SoundFile(small) as before:
                # float64 holds every sample format exactly.
                for part in before.blocks(_CHUNK, dtype="float64", always_2d=True):
                    self._file.write(part)
        finally:
            small.unlink(missing_ok=True)

    def _failure(self, error: Exception) -> RecordingError:
        folder = self.path.resolve().parent
        free = shutil.disk_usage(folder).free / 1e6
        return RecordingError(
            f"{self.path}: could not be written ({str(error).strip().rstrip('.') or type(error).__name__}); "
            f"{free:.0f} MB are free in {folder}; make room or choose another place. Nothing was left behind"
        )
