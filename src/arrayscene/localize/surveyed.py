"""A recording surveyed for sources: the votes of every part of its array, its covariances and its spectrum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt
from torch import Tensor

from arrayscene.linalg import covariance
from arrayscene.localize.ends import ends_faded
from arrayscene.localize.srp import HIGHEST_HZ, LOWEST_HZ, SRPPHAT, Survey, localization_stft
from arrayscene.localize.viewpoints import viewpoints
from arrayscene.recording import Recording

BLOCK_SECONDS = 30.0

RUMBLE_HZ = 80.0
"""Sound below is taken out before directions are looked for: short windows let it leak upwards, and where it was 20 dB above the
speech (a thump in one of the LibriSpeech clips) all votes went to it."""


class Surveyed:
    """What one pass over a recording tells.

    Args:
        recording: working channels, with their array.
        dc: (mic,) offsets to subtract.
        report: called with the name of a step and the fraction done.

    Attributes:
        views: parts of a wide array, that of the reference microphone first; none for an array that is one viewpoint.
        mics: for every part, or for the whole array, its microphones.
        srps, surveys: likewise, its localiser and votes; `srp`, `grid` and `survey` are those of the first.
        level: whether the array tells azimuth and no elevation.
        R: (freq, mic, mic) sum of y y^H over all frames.
        spectrum: (freq,) power, 0 below what directions could be told of.
    """

    def __init__(self, recording: Recording, dc: NDArray[Any], report: Callable[[str, float], None]) -> None:
        assert recording.array is not None
        self.recording, self.array, self.dc, self.report = recording, recording.array, dc, report
        self.stft = localization_stft(recording.sample_rate)
        self.frequencies = self.stft.frequencies(recording.sample_rate)
        # The viewpoint of the reference microphone comes first.
        self.views = sorted(viewpoints(self.array), key=lambda view: view.mics)
        if self.views:
            self.mics = [view.mics for view in self.views]
            self.srps = [SRPPHAT(view.array, self.frequencies, grid=view.grid) for view in self.views]
        else:
            self.mics = [list(range(self.array.n_mics))]
            self.srps = [SRPPHAT(self.array, self.frequencies)]
        self.srp, self.grid = self.srps[0], self.srps[0].grid
        self.level = self.grid.azimuth_known and not self.grid.elevation_known and self.array.ambiguity != "cone"
        surveys: list[list[Survey]] = [[] for _ in self.srps]
        n_freqs, n_mics = len(self.frequencies), self.array.n_mics
        self.R = torch.zeros(n_freqs, n_mics, n_mics, dtype=torch.complex64)
        for number, (_, y) in enumerate(self.blocks()):
            for srp, mics, found in zip(self.srps, self.mics, surveys, strict=True):
                found.append(srp.survey(y[mics]))
            self.R += covariance(y) * y.shape[-1]
            report("localise", min((number + 1) * BLOCK_SECONDS / recording.duration, 1.0))
        self.surveys = [_joined(found) for found in surveys]
        self.survey = self.surveys[0]
        # Rumble below is no sound that a direction could be told of.
        power = self.R.diagonal(dim1=1, dim2=2).real.mean(-1).double().numpy()
        self.spectrum = np.where(self.frequencies.numpy() >= LOWEST_HZ / 2, power, 0.0)

    def left_over(self, mics: Sequence[int]) -> list[float]:
        """Share of the covariance that the 1, 2 ... (all but one) strongest waves leave, in proportion to the dimensions left."""
        used = ((self.frequencies >= LOWEST_HZ) & (self.frequencies <= HIGHEST_HZ)).nonzero()[:, 0]
        R = self.R[used][:, mics][:, :, mics].to(torch.complex128)
        values = torch.linalg.eigvalsh(R).clamp_min(0).flip(-1)
        left = 1 - (values.cumsum(-1) / values.sum(-1, keepdim=True).clamp_min(1e-30)).mean(0)
        n_mics = len(mics)
        return [float(left[n - 1]) * n_mics / (n_mics - n) for n in range(1, n_mics)]

    def blocks(self, *, rumble: bool = False) -> Iterator[tuple[int, Tensor]]:
        """(first sample, frames (mic, freq, frame)) of half a minute each, without `rumble` (below `RUMBLE_HZ`) unless told."""
        high_pass = butter(4, RUMBLE_HZ, "highpass", fs=self.recording.sample_rate, output="sos")
        for start, block in self.recording.blocks(BLOCK_SECONDS):
            samples = block.samples - self.dc[:, None].astype(np.float32)
            if not rumble:
                samples = ends_faded(samples, start, self.recording.n_samples, self.recording.sample_rate)
                samples = sosfilt(high_pass, samples, axis=1).astype(np.float32)
            yield start, self.stft(torch.from_numpy(samples))


def _joined(surveys: Sequence[Survey]) -> Survey:
    """Surveys of the blocks of a recording as one, without the maps over time."""
    return Survey(
        np.sum([survey.by_band for survey in surveys], axis=0),
        np.zeros((0, 0), np.float32),
        np.concatenate([survey.where for survey in surveys], axis=1),
        np.concatenate([survey.weight for survey in surveys], axis=1),
        np.concatenate([survey.coherence for survey in surveys], axis=1),
    )
