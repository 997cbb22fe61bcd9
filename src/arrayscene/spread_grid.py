"""The spread of draws over a whole recording, in cells that a picture can show."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.scene import Uncertainty
from arrayscene.stft import STFT

BINS: Final = 8
"""Frequencies of a cell: 125 Hz with windows of 64 ms."""

SECONDS: Final = 0.1
"""Length of a cell."""


class SpreadGrid:
    """Sums of power and variance, block by block.

    Args:
        n_sources: of the whole recording.
        stft: of the frames that come.
        sample_rate: hertz.
        duration: seconds of the recording.

    Memory: 5 kB a source and second at 16 kHz.
    """

    def __init__(self, n_sources: int, stft: STFT, sample_rate: int, duration: float) -> None:
        self.stft, self.sample_rate, self.used = stft, sample_rate, False
        n_cells = max(int(np.ceil(duration / SECONDS)), 1)
        self.sums: NDArray[np.float32] = np.zeros((2, n_sources, -(-stft.n_freqs // BINS), n_cells), np.float32)

    def add(self, x: Tensor, spread: Tensor, ids: list[int], start: float) -> None:
        """A block: sources (source, freq, frame), their spread, which sources they are, and the block's beginning in seconds."""
        self.used = True
        n_cells = self.sums.shape[-1]
        frames = torch.arange(x.shape[-1], dtype=torch.float64) + 1
        middle = start + (frames * self.stft.hop - self.stft.n_fft / 2) / self.sample_rate
        cell = (middle / SECONDS).long().clamp(0, n_cells - 1)
        for total, values in zip(self.sums, (x.abs().square(), spread.square()), strict=True):
            padded = torch.nn.functional.pad(values.float(), (0, 0, 0, -values.shape[-2] % BINS))
            bands = padded.reshape(len(values), -1, BINS, values.shape[-1]).sum(-2)
            total[ids] += torch.zeros(*bands.shape[:-1], n_cells).index_add_(-1, cell, bands).numpy()

    def found(self, draws: int = 0) -> list[Uncertainty]:
        """One a source, from so many draws; none where nothing came."""
        if not self.used:
            return []
        n_bands, n_cells = self.sums.shape[-2:]
        hertz = (np.arange(n_bands) * BINS + (BINS - 1) / 2) * self.sample_rate / self.stft.n_fft
        times = (np.arange(n_cells) + 0.5) * SECONDS
        return [Uncertainty(hertz, times, power, variance, draws) for power, variance in zip(*self.sums, strict=True)]
