"""How loud each source is: the recording's power, shared among the sources bin by bin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from arrayscene.localize.srp import SMOOTHING, SRPPHAT

CONTRAST = 8.0
"""Slope of the shares: where a source's steered power is 0.3 above another's it gets eleven times as much."""


def shares(srp: SRPPHAT, y: Tensor, indices: Sequence[int]) -> Tensor:
    """Share of every source in every bin, from the steered power towards each; they sum to 1.

    m_s(f, t) = e^{8 P_s(b, t)} / sum_s' e^{8 P_s'(b, t)}, b the band nearest to f. Power shared like that counts reverberation
    to the source that dominates while it decays.

    Args:
        srp: localiser.
        y: (mic, freq, frame) frames.
        indices: directions of the sources on its grid.

    Returns: (source, freq, frame).

    Cost: `SRPPHAT.toward`.
    """
    steered = srp.toward(y, indices)
    n_freqs, n_frames = y.shape[1:]
    centres = torch.tensor([(band.start + band.stop - 1) / 2 for band, _ in srp.bands])
    bins = torch.arange(1, n_freqs + 1) - 1.0
    nearest = (bins.clamp_min(1.0).log()[:, None] - centres.clamp_min(1.0).log()).abs().argmin(1)
    # Cell i is the mean of frames 2 i to 2 i + 3.
    cells = ((torch.arange(n_frames) - 1) // (SMOOTHING // 2)).clamp(0, steered.shape[-1] - 1)
    return torch.softmax(CONTRAST * steered, dim=0)[:, nearest][:, :, cells]
