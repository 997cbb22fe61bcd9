"""How loud each source is: the recording's power, shared among the sources bin by bin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from arrayscene.localize.srp import SMOOTHING, SRPPHAT


def shares(srp: SRPPHAT, y: Tensor, indices: Sequence[int], *, reverberant: bool = True) -> Tensor:
    """Share of every source in every bin: that of the nearest band and moment of `SRPPHAT.shares`; they sum to 1.

    Args:
        srp: localiser.
        y: (mic, freq, frame) frames.
        indices: directions of the sources on its grid.
        reverberant: as of `SRPPHAT.shares`.

    Returns: (source, freq, frame).

    Cost: `SRPPHAT.shares`.
    """
    return to_bins(srp, srp.shares(y, indices, reverberant=reverberant), *y.shape[1:])


def to_bins(srp: SRPPHAT, of_cells: Tensor, n_freqs: int, n_frames: int) -> Tensor:
    """(..., freq, frame) values of every bin: those of its nearest band and moment of `SRPPHAT`, (..., band, time)."""
    centres = torch.tensor([(band.start + band.stop - 1) / 2 for band, _ in srp.bands])
    bins = torch.arange(float(n_freqs))
    nearest = (bins.clamp_min(1.0).log()[:, None] - centres.clamp_min(1.0).log()).abs().argmin(1)
    # Cell i is the mean of frames 2 i to 2 i + 3.
    cells = ((torch.arange(n_frames) - 1) // (SMOOTHING // 2)).clamp(0, of_cells.shape[-1] - 1)
    return of_cells[..., nearest, :][..., cells]
