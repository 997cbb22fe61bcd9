"""A gain for every direction, frequency and frame, found by a small network that looks at all of them at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FAINTEST = 1e-4
"""Power, relative to the mean of the recording, below which the network sees no differences."""


class GainNetwork(nn.Module):
    """What no fixed matrix can know: which directions sound at this moment.

    g(n, f, t) = 2 sigmoid(v_n . relu(W u(f, t) + c(f, t))), with u the log powers of all directions in this bin and c what a
    convolution over time finds in the powers of all bands and directions. v starts at zero, so that every gain starts at 1.

    Args:
        n_sources: directions.
        n_freqs: bins.
        n_bands: bands, narrow at low frequencies; fewer where there are not so many bins.
        n_hidden: width of the network that sees the bands.
        n_local: width of the network that sees single bins.

    Cost: n_hidden (3 n_sources n_bands + 3 n_hidden + n_local n_bands) products a frame, and 2 n_local n_sources a bin of it.

    Reference: for gains in bands and their interpolation: J.-M. Valin, "A hybrid DSP/deep learning approach to real-time
    full-band speech enhancement", MMSP 2018.
    """

    pooling: Tensor
    spreading: Tensor

    def __init__(self, n_sources: int, n_freqs: int, *, n_bands: int = 20, n_hidden: int = 96, n_local: int = 12) -> None:
        super().__init__()
        triangles = band_triangles(n_freqs, n_bands)
        n_bands = len(triangles)
        self.register_buffer("pooling", triangles / triangles.sum(1, keepdim=True), persistent=False)
        self.register_buffer("spreading", triangles.mT.contiguous(), persistent=False)
        self.n_local = n_local
        self.context = nn.Sequential(
            nn.Conv1d(n_sources * n_bands, n_hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(n_hidden, n_hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(n_hidden, n_local * n_bands, 1),
        )
        self.local = nn.Parameter(torch.randn(n_local, n_sources) / math.sqrt(n_sources))
        self.out = nn.Parameter(torch.zeros(n_sources, n_local))

    def forward(self, power: Tensor) -> Tensor:
        """Gains (freq, source, batch, frame), 0 to 2, of powers of the same shape, relative to the recording's."""
        n_freqs, n_sources, n_batch, n_frames = power.shape
        bands = self.pooling @ power.flatten(1)
        seen = bands.add(FAINTEST).log().reshape(-1, n_sources, n_batch, n_frames).movedim(2, 0).flatten(1, 2)
        context = self.context(seen).reshape(n_batch, -1, self.n_local, n_frames).permute(1, 2, 0, 3).flatten(1)
        here = (self.spreading @ context).reshape(n_freqs, self.n_local, -1)
        hidden = torch.baddbmm(here, self.local.expand(n_freqs, -1, -1), power.add(FAINTEST).log().flatten(2))
        logits = self.out @ torch.relu_(hidden)
        return 2 * torch.sigmoid(logits).reshape(power.shape)


def band_triangles(n_freqs: int, n_bands: int) -> Tensor:
    """(band, freq) triangles that sum to 1 in every bin, in linear steps first and logarithmic ones from an eighth on.

    Where bins are too few for so many bands, there are fewer of them.
    """
    bins = torch.arange(n_freqs, dtype=torch.float32)
    bend = n_freqs / 8
    warped = torch.linspace(0.0, math.log1p((n_freqs - 1) / bend), n_bands)
    # Snapped to bins, so that no band is empty.
    centres = torch.unique(torch.round(torch.expm1(warped) * bend))
    gaps = torch.diff(centres, prepend=centres[:1] - 1, append=centres[-1:] + 1)[:, None]
    width = torch.where(bins < centres[:, None], gaps[:-1], gaps[1:])
    triangles: Tensor = (1 - (bins - centres[:, None]).abs() / width).clamp_min(0)
    return triangles
