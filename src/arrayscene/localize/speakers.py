"""Directions of speakers whose stretches are known: each from the frames in which it is alone, if there are enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.diarisation import alone_seconds
from arrayscene.errors import RecordingError
from arrayscene.localize.grid import embed
from arrayscene.localize.peaks import CLOSEST, Directions, find_directions
from arrayscene.localize.srp import LOWEST_HZ, SRPPHAT
from arrayscene.stft import STFT

ALONE_SECONDS = 1.0
"""A speaker with less than this by itself is looked for in all its frames."""

AUDIBLE = 1e-6
"""Share of the mean power below which a frame is silent."""


class SpeakerVotes:
    """Votes of `SRPPHAT`, each speaker's by themselves, collected block by block.

    Args:
        srp: localiser.
        stft: transform of the frames that it gets.
        sample_rate: hertz.
        stretches: for each speaker (segment, 2) start and end in seconds.

    Cost: `SRPPHAT.survey` once or twice more for every frame that belongs to a speaker.
    """

    def __init__(self, srp: SRPPHAT, stft: STFT, sample_rate: int, stretches: Sequence[NDArray[Any]]) -> None:
        self.srp, self.stft, self.sample_rate = srp, stft, sample_rate
        self.stretches = [np.reshape(of_one, (-1, 2)) for of_one in stretches]
        n = len(self.stretches)
        self.alone, self.shared = np.zeros((n, len(srp.grid.azimuth))), np.zeros((n, len(srp.grid.azimuth)))
        self.seconds = np.zeros(n)

    def add(self, y: Tensor, start: int) -> None:
        """Take in a block.

        Args:
            y: (mic, freq, frame) complex.
            start: first sample of the block in the recording.
        """
        hop, n_fft = self.stft.hop, self.stft.n_fft
        middle = (start + (np.arange(y.shape[-1]) + 1) * hop - n_fft / 2) / self.sample_rate
        level = y[:, self.stft.frequencies(self.sample_rate) >= LOWEST_HZ].abs().square().mean((0, 1)).numpy()
        active = np.stack([((middle >= s[:, :1]) & (middle < s[:, 1:])).any(0) for s in self.stretches])
        active &= level > AUDIBLE * level.mean()
        for n, frames in enumerate(active):
            alone = frames & (active.sum(0) == 1)
            self.alone[n] += self._votes(y, alone)
            self.shared[n] += self._votes(y, frames & ~alone)
            self.seconds[n] += alone.sum() * hop / self.sample_rate

    def directions(self, names: Sequence[str]) -> Directions:
        """One direction a speaker, in their order; support is relative to the speaker with the most votes.

        Args:
            names: of the speakers, for the error.

        Raises: RecordingError for a speaker in whose stretches nothing is heard.
        """
        grid, n_speakers = self.srp.grid, len(self.stretches)
        azimuth, elevation, weight = np.zeros(n_speakers), np.zeros(n_speakers), np.zeros(n_speakers)
        taken: list[NDArray[Any]] = []
        # Those who are heard best by themselves choose first; the others have to make do with what is left.
        for n in np.argsort(-self.seconds, kind="stable"):
            enough = self._enough(n)
            votes = self.alone[n] if enough else self.alone[n] + self.shared[n]
            if not votes.sum() > 0:
                raise RecordingError(
                    f"activity: nothing is heard while {names[n]} should sound; leave that one out, or check the times"
                )
            found = find_directions(votes, grid, 1 if enough else min(n_speakers, len(grid.azimuth)))
            places = [embed(grid, a, e) for a, e in zip(found.azimuth, found.elevation, strict=True)]
            free = [i for i, place in enumerate(places) if all(np.linalg.norm(place - other) >= CLOSEST for other in taken)]
            best = 0 if enough or not free else free[0]
            azimuth[n], elevation[n], weight[n] = found.azimuth[best], found.elevation[best], votes.sum()
            taken.append(places[best])
        return Directions(azimuth, elevation, weight / weight.max())

    def remarks(self, names: Sequence[str]) -> list[str]:
        """Sentences on speakers whose direction may be wrong because too little is heard of them alone.

        Args:
            names: of the speakers.
        """
        alone = alone_seconds(dict(zip(names, self.stretches, strict=True)))
        found = []
        for n, name in enumerate(names):
            if self._enough(n):
                continue
            if not self.shared[n].any():
                found.append(f"{name} is heard for {self.seconds[n]:.1f} s only, so its direction is rough.")
                continue
            if alone[name] >= ALONE_SECONDS:
                reason = f"Hardly anything is heard while {name} sounds alone"
            else:
                reason = f"{name} sounds alone for {alone[name]:.1f} s only" if alone[name] else f"{name} never sounds alone"
            found.append(
                f"{reason}, so its direction was looked for while others sound too, and may be that of another; give the"
                " directions of all if you know them."
            )
        return found

    def _enough(self, n: int) -> bool:
        """Whether a speaker is located by what it says alone."""
        return bool(self.seconds[n] >= ALONE_SECONDS and self.alone[n].sum() > 0)

    def _votes(self, y: Tensor, frames: NDArray[np.bool_]) -> NDArray[np.float64]:
        if not frames.any():
            return np.zeros(len(self.srp.grid.azimuth))
        return self.srp.survey(y[..., np.flatnonzero(frames)]).votes
