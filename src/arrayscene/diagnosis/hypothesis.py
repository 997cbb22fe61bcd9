"""What may be wrong with the channels, as something that can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from arrayscene.diagnosis.tiles import Tiles


@dataclass(frozen=True)
class Hypothesis:
    """Which microphone each row carries, and what its electronics did.

    Attributes:
        order: row i carries microphone order[i], both counted from 0.
        signs: 1, or -1 for a row of inverted polarity.
        delays: seconds by which a row is late.
    """

    order: tuple[int, ...]
    signs: tuple[int, ...]
    delays: tuple[float, ...]

    @classmethod
    def nothing(cls, n_mics: int) -> Hypothesis:
        """Everything is as the array says."""
        return cls(tuple(range(n_mics)), (1,) * n_mics, (0.0,) * n_mics)

    @property
    def row_of_mic(self) -> list[int]:
        """The row that carries each microphone."""
        return sorted(range(len(self.order)), key=self.order.__getitem__)

    @property
    def moved(self) -> tuple[int, ...]:
        """Rows that carry another microphone than they should."""
        return tuple(row for row, mic in enumerate(self.order) if mic != row)

    @property
    def inverted(self) -> tuple[int, ...]:
        """Rows of inverted polarity."""
        return tuple(row for row, sign in enumerate(self.signs) if sign < 0)

    @property
    def late(self) -> tuple[int, ...]:
        """Rows that are late or early."""
        return tuple(row for row, delay in enumerate(self.delays) if delay)

    def later(self, seconds: Mapping[int, float]) -> Hypothesis:
        """With the rows of some microphones later by so much."""
        delays = list(self.delays)
        for mic, delay in seconds.items():
            delays[self.row_of_mic[mic]] += delay
        return replace(self, delays=tuple(delays))

    def flipped(self, signs: Sequence[int]) -> Hypothesis:
        """With the rows of some microphones, those of sign -1, inverted."""
        return replace(self, signs=tuple(sign * signs[mic] for sign, mic in zip(self.signs, self.order, strict=True)))

    def undo(self, tiles: Tiles) -> Tiles:
        """The tiles as they would be had nothing been wrong: row m is microphone m. Cost: one copy."""
        C, power = tiles.coherence, tiles.power
        if self.inverted or self.late:
            factors = self._factors(tiles.frequencies).to(C.dtype)
            C = C * (factors[:, :, None] * factors[:, None, :].conj())
        if self.moved:
            rows = self.row_of_mic
            C, power = C[:, :, rows][..., rows], power[..., rows]
        return tiles._replace(coherence=C, power=power)

    def _factors(self, frequencies: Tensor) -> Tensor:
        """(freq, mic) that take out sign and delay."""
        phase = 2 * torch.pi * frequencies[:, None] * torch.tensor(self.delays, dtype=torch.float64)
        return torch.polar(torch.ones_like(phase), phase) * torch.tensor(self.signs)
