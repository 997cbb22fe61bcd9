"""The signals as files beside the page and as players inside it."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import RecordingError

LOSSLESS_SECONDS = 120.0
"""Longest recording whose players hold FLAC."""
EMBEDDED_SECONDS = 600.0
"""Longest recording whose players hold any sound; longer ones play the files beside the page."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_FLAC_HIGHEST_RATE = 192_000
_QUIET_DBFS = -20.0
_RAISED_PEAK_DBFS = -6.0
_WAV_LIMIT = 4 * 2**30 - 4096


@dataclass(frozen=True)
class Playback:
    """How the page plays.

    Attributes:
        coding: "flac", "mp3", or "file" for a link to the WAV file.
        gain_db: common gain of every player; 0 unless the recording is very quiet or would clip.
    """

    coding: str
    gain_db: float

    def source(self, signal: NDArray[np.float32], sample_rate: int, file: str) -> str:
        """What the `src` of a player holds: a data address with the sound in it, or the relative path `file`."""
        if self.coding == "file":
            return file
        import soundfile

        buffer = io.BytesIO()
        # libsndfile clips what lies beyond full scale only when it is floating point; the gain already keeps it inside.
        scaled = np.clip(np.nan_to_num(signal) * np.float32(10.0 ** (self.gain_db / 20.0)), -1.0, 1.0)
        subtype = "PCM_16" if self.coding == "flac" else None
        soundfile.write(buffer, scaled, sample_rate, format=self.coding.upper(), subtype=subtype)
        kind = "audio/flac" if self.coding == "flac" else "audio/mpeg"
        return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def playback(signals: Sequence[NDArray[np.float32]], sample_rate: int) -> Playback:
    """One way to play all `signals`, so that what is loud in the recording is loud in the page.

    Levels stay as recovered. Only when everything peaks below -20 dBFS is it raised together, to -6 dBFS, and only when something
    exceeds full scale is it lowered together; players of files get no gain, they play what is on disk.
    """
    duration = len(signals[0]) / sample_rate
    if duration <= LOSSLESS_SECONDS and sample_rate <= _FLAC_HIGHEST_RATE:
        coding = "flac"
    elif duration <= EMBEDDED_SECONDS and sample_rate in _MP3_RATES:
        coding = "mp3"
    else:
        return Playback("file", 0.0)
    peak = max((float(np.max(np.abs(np.nan_to_num(signal)), initial=0.0)) for signal in signals), default=0.0)
    peak_dbfs = 20.0 * math.log10(peak) if peak > 0 else 0.0
    gain = 0.0
    if peak_dbfs < _QUIET_DBFS:
        gain = float(math.floor(_RAISED_PEAK_DBFS - peak_dbfs))
    elif peak_dbfs > 0:
        gain = float(math.floor(-peak_dbfs))
    return Playback(coding, gain)


def write_wav(path: Path, signal: NDArray[np.float32], sample_rate: int) -> None:
    """Mono 32-bit float WAV, so that nothing clips; RF64 beyond 4 GiB.

    Raises:
        RecordingError: the file cannot be written whole, as on a full disk.
    """
    import soundfile

    n_bytes = 4 * len(signal)
    try:
        soundfile.write(path, signal, sample_rate, format="RF64" if n_bytes > _WAV_LIMIT else "WAV", subtype="FLOAT")
        complete = path.stat().st_size >= n_bytes
    except (soundfile.LibsndfileError, AssertionError):
        # soundfile meets a short write, as on a full disk, with a bare assertion.
        complete = False
    if not complete:
        raise RecordingError(
            f"{path.name}: could not be written whole ({n_bytes / 1e6:.1f} MB wanted); the disk is full or refuses; "
            "free some space or choose another folder"
        )
