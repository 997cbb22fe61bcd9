"""What may be wrong with the channels, as something that can be undone."""

from __future__ import annotations

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

    def undo(self, tiles: Tiles) -> Tiles:
        """The tiles as they would be had nothing been wrong: row m is microphone m. Cost: one copy."""
        C = tiles.coherence
        factors = self._factors(tiles.frequencies).to(C.dtype)
        if any(sign < 0 for sign in self.signs) or any(self.delays):
            C = C * (factors[:, :, None] * factors[:, None, :].conj())
        if self.order != tuple(range(len(self.order))):
            rows = self.row_of_mic
            C = C[:, :, rows][..., rows]
            return tiles._replace(coherence=C, power=tiles.power[..., rows])
        return tiles._replace(coherence=C)

    @property
    def row_of_mic(self) -> list[int]:
        """The row that carries each microphone."""
        return sorted(range(len(self.order)), key=self.order.__getitem__)

    def with_order(self, order: tuple[int, ...]) -> Hypothesis:
        """The same with another order."""
        return replace(self, order=order)

    def _factors(self, frequencies: Tensor) -> Tensor:
        """(freq, mic) that take out sign and delay."""
        delays = torch.tensor(self.delays, dtype=torch.float64)
        phase = 2 * torch.pi * frequencies[:, None] * delays
        return torch.polar(torch.tensor(self.signs, dtype=torch.float64).expand_as(phase).abs(), phase) * torch.tensor(self.signs)
