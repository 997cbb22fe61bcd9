"""The response of an array as it was measured, at the measured directions and between them, with a stated error."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array_checks import GeometryWarning
from arrayscene.errors import GeometryError
from arrayscene.response.base import Response
from arrayscene.response.directions import direction_pairs, unit_vectors
from arrayscene.response.dtft import dtft
from arrayscene.response.impulse_responses import COINCIDENT, ImpulseResponses
from arrayscene.response.kriging import Kriging

N_NEIGHBOURS = 24
"""Measured directions used for one that is asked for; more changed nothing on measured heads."""

FAR, FARTHEST = 1.5, 2.5
"""Times the spacing of the measured directions, from the nearest of them, beyond which to warn, and to make nothing up."""

SAME_DISTANCE = 1.2
"""Ratio of measured distances up to which responses are interpolated as if from one distance."""

JUDGED_BY = 4
"""Nearest measured directions whose leave-one-out errors state the error between them."""

BLOCK = 1 << 21
"""Complex values gathered at a time."""


class MeasuredResponse(Response):
    """Responses as measured: heads, arrays in housings, arrays in rooms.

    A_mn(f) = e^{-j 2 pi f t_mn} sum_i w_i(u_n) H_im(f) e^{j 2 pi f t_im}, t_mn = sum_i w_i(u_n) t_im: the impulse responses of
    the nearest measured directions i, moved back by their delays t_im, are interpolated with the weights w of universal kriging,
    and so are the delays. At a measured direction A is what was measured, exactly.

    Args:
        measured: the impulse responses.
        azimuth: (source,) radians; None for the measured directions or places themselves, all of them in their order, with
            nothing interpolated (choose with `measured.select`).
        elevation: (source,) radians.
        frequencies: (freq,) hertz, up to half of the measured sample rate.

    Cost: a spectrum of each response used, and O(freq mic source) times 24 neighbours; small systems are solved once.
    Differentiable in the directions.

    Raises:
        GeometryError: a direction more than 2.5 times the spacing of the measured ones from the nearest of them; two measured
            responses of one direction, or of distances that differ by more than a fifth, where interpolation would mix them.
        ShapeError: frequencies above half of the measured sample rate.

    Warns: GeometryWarning for a direction more than 1.5 times that spacing from the nearest measured one.

    Reference: J. M. Arend, F. Brinkmann, C. Poerschmann, "Assessing spherical harmonics interpolation of time-aligned
    head-related transfer functions", J. Audio Eng. Soc. 69, 2021 (why the delays are taken out first).
    """

    azimuth: Tensor
    elevation: Tensor
    weights: Tensor
    neighbours: Tensor
    samples: Tensor
    delays: Tensor
    spectra: Tensor

    def __init__(
        self,
        measured: ImpulseResponses,
        azimuth: Tensor | float | None = None,
        elevation: Tensor | float = 0.0,
        *,
        frequencies: Tensor,
    ) -> None:
        super().__init__(frequencies)
        self.measured = measured
        self.kriging: Kriging | None = None
        if azimuth is None:
            azimuths, elevations = torch.tensor(measured.azimuth), torch.tensor(measured.elevation)
            neighbours = torch.arange(measured.n_directions)[:, None]
            weights = torch.ones(measured.n_directions, 1, dtype=torch.float64)
        else:
            azimuths, elevations = direction_pairs(azimuth, elevation, "MeasuredResponse")
            toward = unit_vectors(azimuths, elevations)
            if toward.ndim != 2:
                raise GeometryError(f"MeasuredResponse: directions of shape {tuple(toward.shape[:-1])} came; (source,) is needed")
            near = _nearest(measured, toward.detach().cpu().numpy())
            self.kriging = Kriging(torch.tensor(measured.vectors[near]), toward)
            neighbours, weights = torch.tensor(near), self.kriging.weights
            _check_distances(measured, near, weights.detach().cpu().numpy())
        self.register_buffer("azimuth", azimuths, persistent=False)
        self.register_buffer("elevation", elevations, persistent=False)
        used, positions = torch.unique(neighbours, return_inverse=True)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("neighbours", positions, persistent=False)
        self.register_buffer("samples", torch.tensor(measured.samples[used.numpy()]), persistent=False)
        self.register_buffer("delays", torch.tensor(measured.delays[used.numpy()]), persistent=False)
        self.register_buffer("spectra", self._aligned(self.frequencies), persistent=False)

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (freq, mic, source)."""
        spectra, frequencies = self._spectra(frequencies)
        parts = [
            torch.einsum("fmsi,si->fms", spectra[..., self.neighbours[rows]], self.weights[rows].to(spectra))
            for rows in self._blocks(spectra)
        ]
        delays = torch.einsum("sim,si->ms", self.delays[self.neighbours], self.weights)
        return torch.cat(parts, dim=-1) * _delayed(frequencies[:, None, None], delays)

    def interpolation_error(self, frequencies: Tensor | None = None) -> Tensor:
        """Power of the error that interpolation is expected to make, relative to the response's own power at all microphones.

        Each of the four nearest measured directions is left out in turn and interpolated from the others; the mean of their
        errors is scaled by how much better the wanted direction is surrounded than they were (the ratio of kriging variances):
        0 at a measured direction.

        Returns: (freq, source), linear; 0.01 is -20 dB. Infinite between responses too few to judge by.
        """
        spectra, frequencies = self._spectra(frequencies)
        n_sources = len(self.weights)
        if self.kriging is None:
            return torch.zeros(len(spectra), n_sources, dtype=torch.float64, device=spectra.device)
        scale = self.kriging.relative_variance()[:, :JUDGED_BY].to(self.weights.device)
        if self.neighbours.shape[1] < 2:
            alone = torch.where(self.kriging.variance > 1e-9, torch.inf, 0.0).to(self.weights.device)
            return alone.expand(len(spectra), n_sources)
        parts = []
        for source, near in enumerate(self.neighbours):
            known, delays = spectra[..., near], self.delays[near].mT
            late = self.kriging.leave_one_out(source, delays) - delays
            guess = self.kriging.leave_one_out(source, known) * _delayed(frequencies[:, None, None], late)
            known, guess = known[..., :JUDGED_BY], guess[..., :JUDGED_BY]
            share = (guess - known).abs().square().sum(1) / known.abs().square().sum(1).clamp_min(torch.finfo(torch.float64).tiny)
            parts.append((share * scale[source]).mean(-1))
        return torch.stack(parts, dim=-1)

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor | None:
        """Mean of a(u) a(u)^H over the measured directions, each weighted by its Voronoi cell; None where they leave a gap.

        Cost: a spectrum of every measured response.

        Returns: (freq, mic, mic) complex128, or None.
        """
        weights = self.measured.quadrature
        if weights is None:
            return None
        frequencies = self.frequencies if frequencies is None else frequencies
        samples = torch.tensor(self.measured.samples, device=self.frequencies.device)
        H = dtft(samples, self.measured.sample_rate, frequencies, "MeasuredResponse").permute(2, 1, 0)
        return (H * torch.tensor(weights).to(H)) @ H.mH

    def _spectra(self, frequencies: Tensor | None) -> tuple[Tensor, Tensor]:
        if frequencies is None:
            return self.spectra, self.frequencies
        frequencies = frequencies.to(self.frequencies)
        return self._aligned(frequencies), frequencies

    def _aligned(self, frequencies: Tensor) -> Tensor:
        """(freq, mic, used response) spectra with the delays taken out."""
        H = dtft(self.samples, self.measured.sample_rate, frequencies, "MeasuredResponse").permute(2, 1, 0)
        return H * _delayed(frequencies[:, None, None], -self.delays.mT)

    def _blocks(self, spectra: Tensor) -> Iterator[slice]:
        size = max(BLOCK // (spectra.shape[0] * spectra.shape[1] * self.neighbours.shape[1]), 1)
        for start in range(0, len(self.weights), size):
            yield slice(start, start + size)


def _delayed(frequencies: Tensor, seconds: Tensor) -> Tensor:
    """e^{-j 2 pi f t}."""
    phase = -2 * torch.pi * frequencies * seconds
    return torch.polar(torch.ones_like(phase), phase)


def _nearest(measured: ImpulseResponses, toward: NDArray[np.float64]) -> NDArray[np.int64]:
    """(source, neighbour) the measured directions to interpolate between, nearest first."""
    _check_near(measured, toward)
    n = min(N_NEIGHBOURS, measured.n_directions)
    near = np.asarray(measured.tree.query(toward, k=np.arange(1, n + 1))[1], dtype=np.int64)
    for group in near:
        vectors = measured.vectors[group]
        twins = np.argwhere(np.triu(np.linalg.norm(vectors[:, None] - vectors, axis=-1) < COINCIDENT, 1))
        if len(twins):
            first, second = sorted(group[twins[0]] + 1)
            raise GeometryError(
                f"MeasuredResponse: responses {first} and {second} of {measured.name} were measured from one direction; keep one"
                " of each with select, or take them as they are: MeasuredResponse(measured, frequencies=...)"
            )
    return near


def _check_near(measured: ImpulseResponses, toward: NDArray[np.float64]) -> None:
    chords, nearest = measured.tree.query(toward)
    angles = 2 * np.arcsin(np.minimum(chords / 2, 1))
    # A single direction has no spacing: only it is known.
    spacing = measured.spacing if math.isfinite(measured.spacing) else COINCIDENT
    worst = int(angles.argmax())
    if angles[worst] <= FAR * spacing:
        return
    place = np.rad2deg([measured.azimuth[nearest[worst]], measured.elevation[nearest[worst]]])
    azimuth, elevation = np.rad2deg([math.atan2(toward[worst, 1], toward[worst, 0]), math.asin(np.clip(toward[worst, 2], -1, 1))])
    asked = (
        f"source {worst + 1} at azimuth {azimuth:.1f}, elevation {elevation:.1f} degrees is {np.rad2deg(angles[worst]):.1f}"
        f" degrees from the nearest direction that {measured.name} holds (azimuth {place[0]:.1f}, elevation {place[1]:.1f});"
        f" its directions are {np.rad2deg(spacing):.1f} degrees apart"
    )
    if angles[worst] > FARTHEST * spacing:
        raise GeometryError(f"MeasuredResponse: {asked}; measure there, ask for directions nearer to it, or model the array")
    warnings.warn(f"{asked}: interpolation_error says how far it can be trusted", GeometryWarning, stacklevel=3)


def _check_distances(measured: ImpulseResponses, near: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
    """Refuse to mix responses of far and near sources."""
    if measured.distance is None:
        return
    for group, shares in zip(near, weights, strict=True):
        distances = measured.distance[group]
        # At a measured direction its own response alone counts.
        mixed = np.abs(shares).max() < 1 - 1e-6
        if mixed and distances.max() > SAME_DISTANCE * distances.min():
            raise GeometryError(
                f"MeasuredResponse: {measured.name} holds responses from {distances.min():.2f} to {distances.max():.2f} m;"
                " select those of one distance to interpolate between"
            )
