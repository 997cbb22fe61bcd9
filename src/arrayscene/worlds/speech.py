"""Speech for the talkers: the shipped voices or a folder of files, by speaker, with speakers kept apart for testing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from arrayscene.audio_file import AudioFile
from arrayscene.errors import RecordingError
from arrayscene.naming import counted
from arrayscene.recording import Recording
from arrayscene.speakers import SUFFIXES, find_speech, some, speakers_for_test
from arrayscene.voices import voice_names, voice_speaker
from arrayscene.worlds.draws import Draws

Samples = NDArray[np.float32]

Split = Literal["train", "test", "all"]

SPLITS: Final = ("train", "test", "all")

SHORTEST: Final = 0.5
"""Seconds; shorter clips are skipped."""

HIGH_PASS: Final = (30.0, 60.0)
"""Hertz between which a clip's spectrum fades in: below, it holds no speech, and a room's images pile up."""

_SILENCE: Final = 1e-4
"""RMS below which a stretch holds no speech, -80 dB full scale."""

_TRIES: Final = 20
"""Rounds through a speaker's clips in which no sound was found before it is given up."""


class SpeechWarning(UserWarning):
    """Files that were skipped, or too few speakers."""


@dataclass(frozen=True)
class Clip:
    """One file of one speaker: its path, name, sample rate in hertz and length in samples."""

    path: Path
    name: str
    sample_rate: int
    n_samples: int


@dataclass(frozen=True)
class Speech:
    """Clips by speaker.

    Attributes:
        clips: by speaker's name, in alphabetical order.
        origin: where they come from, for messages and for the record.
    """

    clips: Mapping[str, tuple[Clip, ...]]
    origin: str
    _broken: set[str] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def folder(cls, path: str | Path) -> Speech:
        """All audio files below a folder.

        For whose a file is, see `arrayscene.speakers.find_speech`. Only the first channel is used; any rate will do. Files that
        cannot be read or are shorter than 0.5 s are skipped, and a warning names them.

        Args:
            path: searched to any depth for wav, flac, ogg, opus, mp3 and the other formats that `Recording` reads.

        Raises:
            RecordingError: no such folder, or no file in it that can be used.

        Warns:
            SpeechWarning: files that were skipped.

        Cost: the header of every file is read.
        """
        root = Path(path)
        if not root.is_dir():
            raise RecordingError(f"speech {root}: no such folder; give a folder of audio files")
        found: dict[str, list[Clip]] = {}
        skipped = []
        for speaker, paths in find_speech(root).items():
            for path in paths:
                try:
                    header = AudioFile.open(path)
                except RecordingError as error:
                    skipped.append(str(error).split(";")[0])
                    continue
                if header.duration < SHORTEST:
                    skipped.append(f"{path}: only {header.duration:.2f} s long")
                    continue
                clip = Clip(path, str(path.relative_to(root)), header.sample_rate, header.n_samples)
                found.setdefault(speaker, []).append(clip)
        _warn_of(skipped)
        if not found:
            raise RecordingError(
                f"speech {root}: no audio file that can be used was found ({counted(len(skipped), 'was', 'were')} skipped); "
                f"give a folder of speech of at least {SHORTEST} s a file: {', '.join(sorted(SUFFIXES))}"
            )
        return cls({name: tuple(found[name]) for name in sorted(found)}, str(root))

    @classmethod
    def shipped(cls) -> Speech:
        """The six voices that the package ships, of four speakers."""
        found: dict[str, list[Clip]] = {}
        for name in voice_names():
            with as_file(files("arrayscene") / "assets" / "voices" / f"{name}.flac") as path:
                header = AudioFile.open(path)
                found.setdefault(voice_speaker(name), []).append(Clip(path, name, header.sample_rate, header.n_samples))
        return cls({name: tuple(found[name]) for name in sorted(found)}, "shipped voices")

    @property
    def speakers(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(self.clips)

    def split(self, name: Split) -> Speech:
        """The speakers for training or those for testing, never one in both.

        A speaker's place follows from its name alone (a hash), so it stays when others come or go; of two or more speakers, each
        side has at least one.

        Args:
            name: "train", about four fifths; "test", the others; "all".

        Raises:
            RecordingError: another name, or a single speaker, who cannot be in both.
        """
        if name not in SPLITS:
            raise RecordingError(f"split {name!r} came; 'train', 'test' or 'all' was wanted")
        if name == "all":
            return self
        if len(self.clips) < 2:
            raise RecordingError(
                f"speech {self.origin}: only one speaker, {self.speakers[0]!r}, was found, and train and test never share "
                "a speaker; put each speaker's files into a folder of its own, or take split 'all'"
            )
        test = speakers_for_test(self.clips)
        return Speech({key: clips for key, clips in self.clips.items() if (key in test) == (name == "test")}, self.origin)

    def stretch(self, speaker: str, n_samples: int, sample_rate: int, draws: Draws) -> tuple[Tensor, tuple[str, ...]]:
        """Some seconds of a speaker.

        Starts at a random place of a random clip and goes on with the speaker's other clips, in random order, again and again
        until it is long enough; joints are faded over 10 ms. Without what lies below 30 to 60 Hz, and with RMS 1.

        Args:
            speaker: one of `speakers`.
            n_samples: how long.
            sample_rate: hertz wanted.
            draws: decides.

        Returns:
            (sample,) float32, and the names of the clips in it.

        Raises:
            RecordingError: none of the speaker's clips holds sound that can be read.

        Warns:
            SpeechWarning: a clip that breaks off or holds NaN, once.

        Cost: the clips are decoded, in most formats from their beginning.
        """
        clips = self.clips[speaker]
        parts: list[Samples] = []
        names: list[str] = []
        length = barren = 0
        while length < n_samples:
            before = length
            for number in draws.order(len(clips)):
                clip = clips[number]
                wanted, longest = (n_samples - length) / sample_rate, clip.n_samples / clip.sample_rate
                # Only the first stretch begins anywhere; what follows begins with its clip.
                start = 0.0 if parts else draws.uniform((0.0, max(0.0, longest - wanted)))
                samples = self._read(clip, start, start + wanted, sample_rate)
                if samples is None or (not parts and _rms(samples) < _SILENCE):
                    continue
                parts.append(_faded(samples[: n_samples - length], sample_rate))
                names.append(clip.name)
                length += len(parts[-1])
                if length >= n_samples:
                    break
            barren = 0 if length > before else barren + 1
            if barren == _TRIES:
                raise RecordingError(
                    f"speech {self.origin}: in none of the {len(clips)} clips of {speaker!r} was there sound; replace them"
                )
        return speech_band(torch.from_numpy(np.concatenate(parts)), sample_rate), tuple(dict.fromkeys(names))

    def _read(self, clip: Clip, start: float, stop: float, sample_rate: int) -> Samples | None:
        """(sample,) of the first channel, or None where the file is broken."""
        if clip.name in self._broken:
            return None
        first = math.floor(start * clip.sample_rate) / clip.sample_rate
        last = min(clip.n_samples, math.ceil(stop * clip.sample_rate) + 1) / clip.sample_rate
        try:
            recording = Recording.read(clip.path, channels=[1], sample_rate=sample_rate, start=first, stop=last)
            samples = recording.samples[0]
            if not np.isfinite(samples).all():
                raise RecordingError(f"{clip.path}: holds NaN or infinite samples")
        except RecordingError as error:
            self._broken.add(clip.name)
            _warn_of([str(error).split(";")[0]])
            return None
        return np.asarray(samples, dtype=np.float32)


def _warn_of(skipped: Sequence[str]) -> None:
    if skipped:
        files_were = counted(len(skipped), "speech file was", "speech files were")
        warnings.warn(f"{files_were} skipped: {some(skipped)}", SpeechWarning, stacklevel=3)


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _faded(samples: Samples, sample_rate: int) -> Samples:
    """Both ends faded over 10 ms."""
    n = min(len(samples) // 2, round(0.01 * sample_rate))
    faded = samples.copy()
    if n:
        ramp = np.sin(np.linspace(0, math.pi / 2, n, dtype=np.float32)) ** 2
        faded[:n] *= ramp
        faded[-n:] *= ramp[::-1]
    return faded


def speech_band(samples: Tensor, sample_rate: int) -> Tensor:
    """(sample,) without the lowest frequencies and with RMS 1."""
    n = len(samples)
    n_fft = int(next_fast_len(n + sample_rate // 5, real=True))
    spectrum = torch.fft.rfft(samples, n=n_fft)
    hertz = torch.fft.rfftfreq(n_fft, 1 / sample_rate)
    share = ((hertz - HIGH_PASS[0]) / (HIGH_PASS[1] - HIGH_PASS[0])).clamp(0, 1)
    filtered: Tensor = torch.fft.irfft(spectrum * torch.sin(share * math.pi / 2).square(), n=n_fft)[:n]
    loudness: Tensor = filtered.square().mean().sqrt().clamp(min=1e-12)
    return filtered / loudness
