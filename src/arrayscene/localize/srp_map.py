"""The whole map of SRP-PHAT at once, fast: cross-correlations sampled in delay, then interpolated to every direction."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arrayscene.localize.grid import to_vectors
from arrayscene.localize.spectrum import Spectrum
from arrayscene.response.steering import directivity_of

EXTRA_NODES = 10
"""Nodes beyond the phase, in radians, that a pair's longest delay turns at the highest frequency: errors below 1e-4."""

MOST_INTERPOLATION = 32_000_000
"""Entries of the interpolation up to which it is kept; 128 MB. Arrays of more pairs take the product with the response."""


class SRPMap(Spectrum):
    """Steered response power with phase transform over a band, averaged over all frames: one map.

    P(u) = mean over pairs p < q, bins and frames of Re{ C_pq / |C_pq| e^{-j arg(A_p A_q*)(u)} }, -1 to 1

    In free field a pair's share depends on the direction through one delay only, and is smooth in it: it is computed at a few
    delays (Chebyshev nodes) and interpolated from there to the directions, exactly to 1e-4. Around rigid bodies, for measured
    responses and for very many pairs the product with the response is taken, which is the same sum.

    Args:
        array, frequencies, **options: as of `Spectrum`.

    Cost: O(freq frame mic^2) for the cross-spectra, then O(pair node (direction + freq)); with the product O(freq mic^2
    direction).

    Raises: as `Spectrum`.

    Reference: T. Dietzen, E. De Sena and T. van Waterschoot, "Low-complexity steered response power mapping based on
    Nyquist-Shannon sampling", WASPAA 2021.
    """

    steering: Tensor | None
    nodes: Tensor | None
    interpolation: Tensor | None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        n_mics = self.array.n_mics
        self.pairs = torch.tensor(list(combinations(range(n_mics), 2)))
        delays_only = self.response is None and self.array.body_radius is None and directivity_of(self.array) is None
        steering = nodes = interpolation = None
        if delays_only:
            longest = self.array.aperture / self.speed_of_sound
            n_nodes = int(np.ceil(2 * np.pi * float(self.frequencies[-1]) * longest)) + EXTRA_NODES
            delays_only = n_nodes * len(self.pairs) * len(self.grid.azimuth) <= MOST_INTERPOLATION
        if delays_only:
            nodes, interpolation = self._sampling(n_nodes)
        else:
            A = self._steering()
            steering = A.sgn()
        self.register_buffer("steering", steering, persistent=False)
        self.register_buffer("nodes", nodes, persistent=False)
        self.register_buffer("interpolation", interpolation, persistent=False)

    def power(self, y: Tensor, n_sources: int = 1) -> Tensor:
        """(direction,) map of frames (mic, freq, frame).

        Raises: ShapeError for frames of another number of microphones.
        """
        frames, weights = self._frames(y)
        phases = frames.sgn()
        weighted = phases if weights is None else phases * weights[:, None]
        total = phases.shape[0] * phases.shape[2] if weights is None else float(weights.sum())
        R = weighted @ phases.mH / max(total, 1e-20)
        if self.steering is not None:
            n_mics = self.array.n_mics
            both = ((R @ self.steering) * self.steering.conj()).real.sum(dim=(0, 1))
            return (both - R.diagonal(dim1=1, dim2=2).real.sum()) / (n_mics * (n_mics - 1))
        assert self.nodes is not None
        assert self.interpolation is not None
        first, second = self.pairs.T
        cross = R[:, first, second].mT
        samples = self.nodes @ torch.cat([cross.real, cross.imag], dim=-1)[..., None]
        return self.interpolation @ samples.flatten() / len(self.pairs)

    def _sampling(self, n_nodes: int) -> tuple[Tensor, Tensor]:
        """From cross-spectra to samples (pair, node, 2 freq), and from those to directions (direction, pair * node)."""
        first, second = self.pairs.numpy().T
        between = self.array.positions[first] - self.array.positions[second]
        toward = to_vectors(self.grid.azimuth, self.grid.elevation)
        longest = np.linalg.norm(between, axis=1)
        angle = (np.arange(n_nodes) + 0.5) * np.pi / n_nodes
        node, sign = np.cos(angle), (-1.0) ** np.arange(n_nodes) * np.sin(angle)
        # A wave from u reaches microphone p earlier than q by (p - q) . u / c.
        place = (toward @ between.T / longest).astype(np.float32)
        away = place[..., None] - node.astype(np.float32)
        share = sign.astype(np.float32) / np.where(np.abs(away) < 1e-6, np.float32(1e-6), away)
        share /= share.sum(-1, keepdims=True)
        omega = 2 * np.pi / self.speed_of_sound * self.frequencies.double().numpy()
        phase = longest[:, None, None] * node[None, :, None] * omega
        # Re{R e^{-j phase}} = Re R cos + Im R sin.
        nodes = np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)
        return torch.tensor(nodes, dtype=torch.float32), torch.from_numpy(share.reshape(len(toward), -1))
