"""The response of microphones on or around an upright rigid cylinder."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.response.radial import cylindrical_waves, powers_of_j, rigid_modes
from arrayscene.response.rigid import LOWEST_K, RigidBody, join

MARGIN = 24
"""Elevations of the quadrature at low frequencies."""


class RigidCylinder(RigidBody):
    """Plane waves around a rigid cylinder along z through the origin, without ends, at microphones on or outside it.

    A_mn(f) = e^{j k z_m sin e_n} sum_l eps_l j^l [J_l(q r_m) - J_l'(q a) / H_l'(q a) H_l(q r_m)] cos(l (p_m - p_n)), with
    q = k cos e_n, e_n and p_n the source's elevation and azimuth, r_m, p_m and z_m the microphone's cylindrical coordinates, a
    the cylinder's radius, H_l the outgoing Hankel function (second kind), eps_0 = 1 and eps_l = 2 above. What the series leaves
    out is below 1e-10.

    Args:
        array: microphones with `body_radius`, or their positions (..., mic, 3) in metres as a tensor (then differentiable in
            them).
        azimuth: (..., source) radians.
        elevation: (..., source) radians; the horizon by default.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.
        body_radius: metres; by default the array's own.

    Cost: O(freq order mic source), order about k r + 8.4 (k r)^(1/3); the radial functions are computed once for each distinct
    radius and elevation. Differentiable in positions and directions.

    Raises: GeometryError for an array without a body, with a microphone inside it or with directional microphones.

    Reference: P. M. Morse and K. U. Ingard, "Theoretical Acoustics", 1968, chapter 8 (scattering by cylinders).
    """

    n_axes = 2
    shared_spread: Tensor | None
    ring: Tensor | None

    def __init__(
        self,
        array: MicrophoneArray | Tensor,
        azimuth: Tensor | float,
        elevation: Tensor | float = 0.0,
        *,
        frequencies: Tensor,
        speed_of_sound: float = SPEED_OF_SOUND,
        body_radius: float | None = None,
    ) -> None:
        super().__init__(array, azimuth, elevation, frequencies, speed_of_sound, body_radius)
        spread = ring = None
        if not self.elevation.requires_grad and self.elevation.ndim == 1:
            # Directions as high or as low share their radial functions.
            spread, ring = torch.unique(torch.cos(self.elevation).abs().mul(1e14).round().div(1e14), return_inverse=True)
        self.register_buffer("shared_spread", spread, persistent=False)
        self.register_buffer("ring", ring, persistent=False)
        z = self.positions[..., 2].detach()
        # How long the way between two microphones, round the body, can be about.
        self.reach = 2 * self.largest_radius + float(z.max() - z.min())

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (..., freq, mic, source)."""
        level, height = torch.cos(self.elevation), torch.sin(self.elevation)
        # Beyond the zenith the azimuth turns round.
        side = torch.where(level < 0, -1.0, 1.0)
        toward = torch.stack([side * torch.cos(self.azimuth), side * torch.sin(self.azimuth)], dim=-1)
        spread = level.abs() if self.shared_spread is None else self.shared_spread
        blocks = self._blocks(frequencies, max(spread.shape[-1] * self._radii().shape[-1], self.elevation.shape[-1]))
        cosines = _cosines(self._facing() @ toward.mT, max(block.order for block in blocks))
        found = []
        for k, _, order in blocks:
            modes = self._modes(k, spread, order)
            if self.ring is not None:
                modes = modes[..., self.ring, :, :]
            phase = k[:, None, None] * (self.positions[..., 2:] * height[..., None, :])[..., None, :, :]
            found.append(self._sum(modes, cosines) * torch.polar(torch.ones_like(phase), phase))
        return join(found)

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor:
        """Covariance of a spherically isotropic field of plane waves around the cylinder.

        The mean over azimuth is a closed sum over the modes; that over elevation is a Gauss-Legendre quadrature with an error
        below 1e-9. Differentiable in positions. Cost: O(freq order elevation mic^2), some 30 elevations.
        """
        facing, z = self._facing(), self.positions[..., 2]
        apart = z[..., :, None] - z[..., None, :]
        blocks = self._blocks(frequencies, MARGIN * len(self.places) ** 2 // 8 + 1)
        cosines = _cosines(facing @ facing.mT, max(block.order for block in blocks))
        # The modes hold eps_l once each; one of the two is left.
        cosines = cosines / _neumann(cosines.shape[-3] - 1, facing)[:, None, None]
        found = []
        for k, highest, order in blocks:
            elevation, share = _quadrature(MARGIN + math.ceil(highest * self.reach), k)
            modes = self._modes(k, torch.cos(elevation), order)
            each = self._covariance(modes.flatten(-4, -3), cosines)
            each = each.reshape(*each.shape[:-3], len(k), len(share), *each.shape[-2:])
            # Waves from above and from below have opposite phases along z.
            phase = (k[:, None] * torch.sin(elevation))[..., None, None] * apart[..., None, None, :, :]
            found.append((each * (torch.cos(phase) * share[:, None, None])).sum(-3))
        return join(found)

    def _modes(self, k: Tensor, spread: Tensor, order: int) -> Tensor:
        """(..., freq, elevation, place, order + 1): the factor of each cosine, for elevations with the cosines `spread`."""
        across = k[:, None] * spread[..., None, :] + LOWEST_K
        x = across[..., None] * self._radii()[..., None, None, :]
        return rigid_modes(x, cylindrical_waves(x, order), 0) * (_neumann(order, k) * powers_of_j(order, k))

    def _sum(self, modes: Tensor, cosines: Tensor) -> Tensor:
        """sum_l modes (..., freq, source, place, l) cosines (..., l, mic, source): (..., freq, mic, source)."""
        if len(set(self.places)) == 1:
            each = modes[..., self.places[0], :].transpose(-3, -2)
            return (each @ cosines[..., : each.shape[-1], :, :].movedim(-1, -3).to(each.dtype)).movedim(-3, -1)
        total = torch.zeros((), dtype=modes.dtype, device=modes.device)
        for order in range(modes.shape[-1]):
            total = total + modes[..., self.places, order].mT * cosines[..., order, :, :][..., None, :, :]
        return total


def _cosines(cosine: Tensor, order: int) -> Tensor:
    """(..., order + 1, mic, source) cos(l p) of (..., mic, source) cos(p), by Chebyshev's recurrence."""
    values = [torch.ones_like(cosine), cosine]
    for _ in range(1, order):
        values.append(2 * cosine * values[-1] - values[-2])
    return torch.stack(values, dim=-3)


def _neumann(order: int, like: Tensor) -> Tensor:
    """(order + 1,) 1 for order 0, else 2: how often a cosine counts."""
    return torch.tensor([1.0] + [2.0] * order, dtype=torch.float64, device=like.device)


def _quadrature(n: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Elevations between 0 and the zenith, and their shares of the half sphere."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    elevation = torch.tensor(0.25 * np.pi * (nodes + 1), device=like.device)
    return elevation, torch.tensor(0.25 * np.pi * weights, device=like.device) * torch.cos(elevation)
