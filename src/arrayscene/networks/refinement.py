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
        n_bands: bands, as wide as their distance, evenly on the mel scale; low ones are a bin wide.
        n_hidden: width of the network that sees the bands.
        n_local: width of the network that sees single bins.

    Cost: about `n_hidden (3 n_sources n_bands + 3 n_hidden + n_local n_bands)` products a frame and `2 n_local n_sources` a bin.

    Reference: for gains in bands and their interpolation: J.-M. Valin, "A hybrid DSP/deep learning approach to real-time
    full-band speech enhancement", MMSP 2018.
    """

    pooling: Tensor
    spreading: Tensor

    def __init__(self, n_sources: int, n_freqs: int, *, n_bands: int = 20, n_hidden: int = 96, n_local: int = 12) -> None:
        super().__init__()
        n_bands = min(n_bands, n_freqs)
        triangles = band_triangles(n_freqs, n_bands)
        self.register_buffer("pooling", triangles / triangles.sum(1, keepdim=True), persistent=False)
        self.register_buffer("spreading", (triangles / triangles.sum(0, keepdim=True)).mT.contiguous(), persistent=False)
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
        logits = self.out @ torch.relu(hidden)
        return 2 * torch.sigmoid(logits).reshape(power.shape)


def band_triangles(n_freqs: int, n_bands: int) -> Tensor:
    """(band, freq) overlapping triangles that sum to 1 in every bin; centres go from linear to logarithmic at an eighth."""
    bins = torch.arange(n_freqs, dtype=torch.float32)
    bend = n_freqs / 8
    warped = torch.log1p(bins / bend)
    centres = torch.linspace(0.0, float(warped[-1]), n_bands)
    # Snapped to bins, so that no band is empty.
    centres = torch.unique(torch.round(torch.expm1(centres) * bend))
    while len(centres) < n_bands:
        missing = [b for b in range(n_freqs) if float(b) not in set(centres.tolist())]
        centres = torch.sort(torch.cat([centres, torch.tensor([float(missing[0])])])).values
    distance = (bins - centres[:, None]).abs()
    before = torch.diff(centres, prepend=centres[:1] - 1)[:, None]
    after = torch.diff(centres, append=centres[-1:] + 1)[:, None]
    width = torch.where(bins < centres[:, None], before, after)
    return (1 - distance / width).clamp_min(0)
