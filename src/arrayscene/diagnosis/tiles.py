"""What the microphones say: the coherence of every pair in tiles of time and frequency."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.localize import localization_stft
from arrayscene.recording import Recording

FRAMES = 8
"""Frames in a tile: 88 ms, short enough for one talker to dominate."""

HOP_SECONDS = 0.008
"""Between frames of `localization_stft`."""

LOWEST_HZ, HIGHEST_HZ = 150.0, 6000.0

N_FREQS = 48
"""Frequencies used, evenly spread: all of them would tell little more."""

QUIET = 0.02
"""Share of a frequency's mean power below which a tile tells about the noise only."""

NOISE_COHERENCE, NOISE_SPREAD = 0.25, 0.36
"""Mean |C_ij|^2 over the pairs of a tile in which every microphone has noise of its own; its scatter, times microphones."""

LEAST_COHERENT = 0.3
"""Share of the audible tiles and frequencies that must hold more than such noise for the others to be left out."""

MAX_SECONDS, STRETCH_SECONDS = 60.0, 10.0
"""Longer recordings are looked at in stretches."""

MAX_ELEMENTS = 24_000_000
"""Complex numbers kept: the quietest tiles go first where many microphones would need more."""

FEWEST = 16
"""Tiles kept whatever they cost."""


class Tiles(NamedTuple):
    """Coherences C_ij = R_ij / sqrt(R_ii R_jj) of the recording: gains of the channels are left out by that.

    Attributes:
        coherence: (tile, freq, mic, mic) complex64, 1 on the diagonal.
        power: (tile, freq, mic) mean square.
        audible: (tile, freq) whether something sounds there that the microphones share.
        frequencies: (freq,) hertz, float64.
    """

    coherence: Tensor
    power: Tensor
    audible: Tensor
    frequencies: Tensor

    @property
    def n_audible(self) -> int:
        """Tiles and frequencies in which something sounds."""
        return int(self.audible.sum())

    def select(self, tiles: Tensor) -> Tiles:
        """Some of the tiles, by their numbers."""
        return Tiles(self.coherence[tiles], self.power[tiles], self.audible[tiles], self.frequencies)

    def mean_coherence(self) -> Tensor:
        """(freq, mic, mic) complex128 mean over the audible tiles."""
        weight = self.audible.double() / self.audible.sum(0).clamp_min(1)
        return torch.einsum("tf,tfij->fij", weight.to(torch.complex128), self.coherence.to(torch.complex128))


def tiles_of(recording: Recording, max_elements: int = MAX_ELEMENTS, max_seconds: float = MAX_SECONDS) -> Tiles:
    """Cut a recording into tiles.

    Args:
        recording: working channels.
        max_elements: complex numbers to keep.
        max_seconds: of a longer recording, as many stretches, evenly spread, as fill this are looked at.

    Cost: one transform of at most `max_seconds`; memory of the tiles that are kept.
    """
    stft = localization_stft(recording.sample_rate)
    hertz = stft.frequencies(recording.sample_rate)
    inside = ((hertz >= LOWEST_HZ) & (hertz <= min(HIGHEST_HZ, 0.45 * recording.sample_rate))).nonzero()[:, 0]
    bins = inside[torch.linspace(0, len(inside) - 1, min(N_FREQS, len(inside))).round().long()]
    parts = [_cut(stft(samples - samples.mean(1, keepdim=True))[:, bins]) for samples in _stretches(recording, max_seconds)]
    snapshots = torch.cat(parts)
    power = snapshots.abs().square().mean(-1)
    # The loudest channel must not decide alone what is audible.
    level = (power / power.mean(0).clamp_min(torch.finfo(power.dtype).tiny)).mean(-1)
    most = max(max_elements // (len(bins) * recording.n_mics**2), FEWEST)
    kept = level.clamp_max(10).mean(1).argsort(descending=True)[:most].sort().values
    power = power[kept]
    snapshots = snapshots[kept] / (power.sqrt() + torch.finfo(power.dtype).tiny ** 0.5)[..., None]
    coherence = snapshots @ snapshots.mH / snapshots.shape[-1]
    return Tiles(coherence, power, _shared(coherence, level[kept] > QUIET), hertz[bins])


def _shared(coherence: Tensor, loud: Tensor) -> Tensor:
    """(tile, freq) loud, and more than noise of every microphone's own, which tells nothing and drowns what the others tell.

    Where there is hardly anything else, all that is loud.
    """
    n_mics = coherence.shape[-1]
    if n_mics < 3:
        return loud
    pairs = n_mics * (n_mics - 1)
    mean = (coherence.abs().square().sum((-2, -1)) - n_mics) / pairs
    shared = loud & (mean > NOISE_COHERENCE + NOISE_SPREAD / n_mics)
    return shared if int(shared.sum()) > LEAST_COHERENT * int(loud.sum()) else loud


def _stretches(recording: Recording, max_seconds: float) -> list[Tensor]:
    if recording.duration <= max_seconds:
        return [torch.from_numpy(recording.samples)]
    n = int(max_seconds // STRETCH_SECONDS)
    starts = [(recording.duration - STRETCH_SECONDS) * i / (n - 1) for i in range(n)]
    return [torch.from_numpy(recording.segment(start, start + STRETCH_SECONDS).samples) for start in starts]


def _cut(y: Tensor) -> Tensor:
    """(tile, freq, mic, frame) of frames (mic, freq, frame)."""
    n = max(y.shape[-1] // FRAMES, 1)
    return y[..., : n * FRAMES].reshape(*y.shape[:2], n, -1).permute(2, 1, 0, 3)
