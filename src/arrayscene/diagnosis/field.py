"""How well an array explains tiles: one source in an isotropic field, whatever its direction and strength."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.diagnosis.tiles import Tiles
from arrayscene.localize import Grid, direction_grid
from arrayscene.localize.grid import to_vectors
from arrayscene.response import SphericalWave, far_field

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97)
"""Direct sound's shares of the power that are tried; the rest stays room for reflections and slightly wrong positions."""

SENSOR_NOISE = (0.02, 0.3)
"""Powers of the microphones' own noise, relative to the field's, that are tried."""

SEEKERS = 8
"""Microphones that look for a tile's direction, spread as widely as possible."""

WIDE = 0.25
"""Metres of aperture from which on talkers are near the array, so that their curved wavefronts are tried as well."""

NEAR_DIRECTIONS = 400
"""About so many directions are tried again from each nearer distance."""

NEAREST, NEAREST_APERTURES = 0.25, 0.35
"""The nearest talkers tried: metres, and apertures of the array."""

CURVE_STEP, MOST_CURVES = 0.02, 16
"""Metres between the depths, across the array, of the wavefronts tried: a third of the shortest wave; and most of them."""


class FieldModel:
    """The likelihood of coherences where each tile holds one source in an isotropic field.

    C(t, f) ~ Wishart with the mean b a(f, u) a(f, u)^H + (1 - b) G(f), G = (Gamma + s I) / (1 + s): Gamma is the diffuse field's
    coherence, s the sensors' noise, u the direction in which the tile's steered power summed over frequency is highest, and b the
    share of direct sound; b and s are the best of `SHARES` and `SENSOR_NOISE` for each tile and frequency. Responses and Gamma
    are brought to unit modulus and unit diagonal, so that gains and shadows do not count. Row m is taken for microphone m: to try
    a hypothesis, rearrange the tiles, not the array.

    Args:
        array: microphones as they are believed to be.
        frequencies: (freq,) hertz of the tiles.
        speed_of_sound: m/s; divided by s, the array is judged as if it were s times as large.

    Cost: O(freq mic direction) to set up; to judge O(tile freq (seekers^2 direction + mic^2)).

    Raises: what `far_field` and `direction_grid` raise.
    """

    def __init__(self, array: MicrophoneArray, frequencies: Tensor, *, speed_of_sound: float = SPEED_OF_SOUND) -> None:
        self.array = array
        self.grid: Grid = direction_grid(array)
        azimuth, elevation = torch.tensor(self.grid.azimuth), torch.tensor(self.grid.elevation)
        response = far_field(array, azimuth, elevation, frequencies=frequencies, speed_of_sound=speed_of_sound)
        diffuse = response.diffuse()
        assert diffuse is not None
        level = diffuse.diagonal(dim1=-2, dim2=-1).real.sqrt()
        self.diffuse: Tensor = diffuse / (level[:, :, None] * level[:, None, :])
        """Gamma, (freq, mic, mic)."""
        eye = torch.eye(array.n_mics, dtype=diffuse.dtype)
        fields = torch.stack([(self.diffuse + noise * eye) / (1 + noise) for noise in SENSOR_NOISE])
        self.precision: Tensor = torch.linalg.inv(fields).to(torch.complex64)
        """(noise, freq, mic, mic) inverse of G."""
        self.log_det: Tensor = torch.linalg.slogdet(fields).logabsdet.float()
        near, directions = self._near(frequencies, speed_of_sound)
        A = torch.cat([response.matrix(), *near], dim=-1)
        self.steering: Tensor = (A / A.abs().clamp_min(1e-12)).to(torch.complex64)
        """(freq, mic, place) of unit modulus: the grid's directions, then some of them from nearer by."""
        self.direction: Tensor = torch.cat([torch.arange(len(azimuth)), *directions])
        """(place,) number of the grid's direction."""
        self.seekers = array.spread(SEEKERS)
        self.first, self.second = torch.triu_indices(len(self.seekers), len(self.seekers), offset=1)
        own = self.steering[:, self.seekers]
        cross = own[:, self.first] * own[:, self.second].conj()
        self.scan: Tensor = torch.cat([cross.real, cross.imag], dim=1).flatten(0, 1)

    def seek(self, tiles: Tiles, without: int | None = None) -> tuple[Tensor, Tensor]:
        """The place from where each tile's sound comes, and the mean steered power there, 0 to 1: both (tile,).

        Args:
            tiles: row m is microphone m.
            without: a microphone that is not listened to.
        """
        C = tiles.coherence[:, :, self.seekers][..., self.seekers]
        pairs = C[..., self.first, self.second]
        ears, left_out = torch.tensor(self.seekers), -1 if without is None else without
        heard = ((ears[self.first] != left_out) & (ears[self.second] != left_out)).to(tiles.power.dtype)
        # Bins in which one wavefront dominates know its direction best.
        weight = ((pairs.abs() * heard).sum(-1) / heard.sum() * tiles.audible).square()
        pairs = pairs / pairs.abs().clamp_min(1e-6) * (weight[..., None] * heard)
        power = torch.cat([pairs.real, pairs.imag], dim=-1).flatten(1) @ self.scan
        best, where = power.max(-1)
        return where, best / (heard.sum() * weight.sum(-1)).clamp_min(1e-9)

    def log_likelihood(self, tiles: Tiles) -> Tensor:
        """(tile, freq) nats a microphone and snapshot, 0 where nothing sounds; float64."""
        C = tiles.coherence
        n_mics = C.shape[-1]
        where, _ = self.seek(tiles)
        a = self.steering[:, :, where].movedim(-1, 0)
        best = torch.full(C.shape[:2], -math.inf)
        for precision, level in zip(self.precision, self.log_det, strict=True):
            g = (precision @ a[..., None])[..., 0]
            direct = (a.conj() * g).sum(-1).real
            explained = (g.conj() * (C @ g[..., None])[..., 0]).sum(-1).real
            diffuse = torch.einsum("fij,tfji->tf", precision, C).real
            for share in SHARES:
                gain = 1 - share + share * direct
                trace = (diffuse - share * explained / gain) / (1 - share)
                log_det = n_mics * math.log(1 - share) + level + (gain / (1 - share)).log()
                best = torch.maximum(best, -log_det / n_mics - (trace.clamp_min(1e-6) / n_mics).log())
        return best.double() * tiles.audible

    def _near(self, frequencies: Tensor, speed_of_sound: float) -> tuple[list[Tensor], list[Tensor]]:
        """Responses to curved wavefronts from some of the grid's directions, where the array is wide enough to see the curve."""
        aperture = self.array.aperture
        if aperture < WIDE or self.array.body_radius is not None:
            return [], []
        positions = torch.tensor(self.array.positions - self.array.positions.mean(axis=0))
        chosen = torch.arange(0, len(self.grid.azimuth), max(len(self.grid.azimuth) // NEAR_DIRECTIONS, 1))
        toward = torch.from_numpy(to_vectors(self.grid.azimuth, self.grid.elevation))[chosen]
        # A wavefront from a distance r is curved by s across the array where r = (aperture^2 / 4 - s^2) / (2 s).
        nearest, half = max(NEAREST, NEAREST_APERTURES * aperture), aperture / 2
        deepest = math.hypot(nearest, half) - nearest
        depths = np.linspace(deepest, 0, min(math.ceil(deepest / CURVE_STEP), MOST_CURVES), endpoint=False)
        places = [(half**2 - depth**2) / (2 * depth) * toward for depth in depths]
        waves = [SphericalWave(positions, place, frequencies=frequencies, speed_of_sound=speed_of_sound) for place in places]
        return [wave.matrix() for wave in waves], [chosen] * len(waves)
