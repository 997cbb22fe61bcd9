"""Batches of clean speech for the training of the prior: clips in memory, and what is done to them so that a few go far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from arrayscene.errors import RecordingError
from arrayscene.recording import Recording
from arrayscene.stft import STFT
from arrayscene.worlds.speech import Speech, speech_band

FLOOR_DB: Final = -40.0
"""Least spectrum of speech, relative to its highest bin: below, recordings hold noise and codecs' cut-offs."""

_ROOM: Final = 0.5
"""Seconds of reverberation that is made."""


def load_clips(speech: Speech, sample_rate: int) -> list[Tensor]:
    """Every clip in memory, (sample,) float32 of RMS 1 and without rumble, in the order of the speakers.

    Raises: RecordingError where there is no clip.

    Cost: the clips are decoded, and take 4 bytes a sample.
    """
    clips = []
    for speaker in speech.speakers:
        for clip in speech.clips[speaker]:
            samples = Recording.read(clip.path, channels=[1], sample_rate=sample_rate).samples[0]
            clips.append(speech_band(torch.from_numpy(samples), sample_rate))
    if not clips:
        raise RecordingError(f"speech {speech.origin}: no clip came; give a folder of speech")
    return clips


def long_term_spectrum(clips: Sequence[Tensor], stft: STFT) -> Tensor:
    """(freq,) root mean square of speech in each bin, smooth, scaled so that the clips, divided by it, have RMS 1."""
    power = torch.stack([stft(clip).abs().square().mean(-1) for clip in clips]).mean(0)
    # Over a third of an octave, and no less than four bins.
    bins = torch.arange(len(power), dtype=power.dtype)
    width = (bins * 0.115).clamp_min(2.0)
    weights = (1 - (bins - bins[:, None]).abs() / width[:, None]).clamp_min(0)
    power = (weights @ power) / weights.sum(1)
    power = power.clamp_min(10 ** (FLOOR_DB / 10) * power.max())
    spectrum = power.sqrt()
    return spectrum * torch.stack([whitened(clip, spectrum).square().mean() for clip in clips]).mean().sqrt()


def whitened(samples: Tensor, spectrum: Tensor) -> Tensor:
    """Samples (..., sample) divided by a spectrum (freq,) from 0 to half the sampling rate, without delay."""
    n = samples.shape[-1] + len(spectrum) * 2
    gains = functional.interpolate(spectrum[None, None], size=n // 2 + 1, mode="linear", align_corners=True)[0, 0]
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(samples, n=n) / gains, n=n)[..., : samples.shape[-1]]
    return filtered


class CleanSpeech:
    """Batches of augmented speech: at other speeds, levels and colours, spliced, in rooms and with pauses.

    Args:
        clips: (sample,) each of RMS 1.
        sample_rate: hertz.
        spectrum: (freq,) long-term spectrum, by which the speech is whitened.
        n_samples: of an example.
        reverberant: share of the examples that were in a room.
    """

    def __init__(
        self, clips: Sequence[Tensor], sample_rate: int, spectrum: Tensor, *, n_samples: int, reverberant: float = 0.6
    ) -> None:
        self.clips, self.sample_rate, self.spectrum = clips, sample_rate, spectrum
        self.n_samples, self.reverberant = n_samples, reverberant
        # Clips are drawn by their length, so that every second of speech is as likely.
        self.weights = torch.tensor([float(len(clip)) for clip in clips])

    def batch(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, sample) whitened speech."""
        room = round(_ROOM * self.sample_rate)
        length = self.n_samples + room
        speech = torch.stack([self._stretch(length, generator) for _ in range(n)])
        wet = torch.rand(n, generator=generator) < self.reverberant
        if bool(wet.any()):
            speech[wet] = self._in_rooms(speech[wet], generator)
        speech = self._coloured(speech, generator)[:, room:]
        level = 10 ** (torch.randn(n, 1, generator=generator) * 4 / 20)
        return whitened(speech * level, self.spectrum)

    def _stretch(self, length: int, generator: torch.Generator) -> Tensor:
        """One speaker, in every fifth stretch two after each other or a pause."""
        kind = float(torch.rand((), generator=generator))
        samples = self._read(length, generator)
        if kind < 0.2:
            joint = int(torch.randint(length // 5, 4 * length // 5, (), generator=generator))
            fade = torch.linspace(0, 1, 160)
            samples[joint - 160 : joint] *= 1 - fade
            if kind < 0.1:
                samples[joint:] = 0
            else:
                samples[joint:] = self._read(length - joint, generator)
                samples[joint : joint + 160] *= fade
        return samples.flip(0) if 0.2 <= kind < 0.25 else samples

    def _read(self, length: int, generator: torch.Generator) -> Tensor:
        clip = self.clips[int(torch.multinomial(self.weights, 1, generator=generator))]
        speed = 0.9 + 0.2 * float(torch.rand((), generator=generator))
        n = min(int(length * speed) & ~1, len(clip) & ~1)
        start = int(torch.randint(0, len(clip) - n + 1, (), generator=generator))
        spectrum = torch.fft.rfft(clip[start : start + n] * _ends(n))
        out = min(length, round(n / speed)) & ~1
        bins = out // 2 + 1
        spectrum = functional.pad(spectrum, (0, max(bins - len(spectrum), 0)))[:bins]
        samples = torch.fft.irfft(spectrum, n=out) * (out / n)
        return functional.pad(samples, (0, length - out))

    def _in_rooms(self, speech: Tensor, generator: torch.Generator) -> Tensor:
        """Sound that arrives directly, and noise that dies away exponentially after it."""
        n, n_room = len(speech), round(_ROOM * self.sample_rate)
        t60 = 0.15 + 0.45 * torch.rand(n, 1, generator=generator)
        direct_db = -3 + 13 * torch.rand(n, 1, generator=generator)
        time = torch.arange(n_room) / self.sample_rate
        tail = torch.randn(n, n_room, generator=generator) * torch.exp(-6.9 * time / t60)
        tail[:, : round(0.002 * self.sample_rate)] = 0
        tail = tail * (10 ** (-direct_db / 20) / tail.square().sum(-1, keepdim=True).sqrt())
        tail[:, 0] = 1
        size = speech.shape[-1] + n_room
        wet: Tensor = torch.fft.irfft(torch.fft.rfft(speech, n=size) * torch.fft.rfft(tail, n=size), n=size)[
            :, : speech.shape[-1]
        ]
        wet = wet / (1 + 10 ** (-direct_db / 10)).sqrt()
        return wet

    def _coloured(self, speech: Tensor, generator: torch.Generator) -> Tensor:
        """Through another microphone: a few decibels up and down over frequency, smooth in octaves."""
        n = speech.shape[-1]
        points = 3 * torch.randn(len(speech), 1, 8, generator=generator)
        octaves = torch.linspace(0, 1, 512).mul(9).exp2().sub(1).div(511)
        curve = functional.interpolate(points, size=512, mode="linear", align_corners=True)
        place = torch.searchsorted(octaves, torch.linspace(0, 1, n // 2 + 1)).clamp(max=511)
        coloured: Tensor = torch.fft.irfft(torch.fft.rfft(speech) * 10 ** (curve[:, 0, place] / 20), n=n)
        return coloured


def _ends(n: int) -> Tensor:
    """Fades of 5 ms at 16 kHz, so that a stretch is periodic."""
    fade = torch.ones(n)
    ramp = torch.linspace(0, 1, 80)[: n // 2]
    fade[: len(ramp)] = ramp
    fade[n - len(ramp) :] = ramp.flip(0)
    return fade
