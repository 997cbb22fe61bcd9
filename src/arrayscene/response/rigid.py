"""The response of microphones on or around a rigid sphere: the body casts a shadow and lengthens the way around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import eval_legendre, spherical_jn, spherical_yn
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response.base import Response
from arrayscene.response.steering import PlaneWave, direction_pairs, unit_vectors


class RigidSphere(Response):
    """Plane waves scattered by a rigid sphere around the origin, at microphones on or outside it.

    A_mn(f) = sum_l (2 l + 1) j^l [j_l(k r_m) - j_l'(k a) / h_l'(k a) h_l(k r_m)] P_l(cos g_mn), with h_l the outgoing spherical
    Hankel function (second kind), a the sphere's radius, r_m and g_mn the microphone's radius and its angle to the source.

    Args:
        array: microphones, with `body_radius`.
        azimuth, elevation: (source,) radians.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.

    Cost: O(freq order mic source), order about 1.2 k r + 8. Not differentiable: the series is summed in numpy.

    Raises: GeometryError for an array without a body, or with a microphone inside it.

    Reference: E. G. Williams, "Fourier Acoustics", 1999, eq. (6.186).
    """

    def __init__(
        self,
        array: MicrophoneArray,
        azimuth: Tensor | float,
        elevation: Tensor | float = 0.0,
        *,
        frequencies: Tensor,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> None:
        super().__init__(frequencies)
        radii = np.linalg.norm(array.positions, axis=1)
        if array.body_radius is None:
            raise GeometryError(f"RigidSphere: array {array.name!r} has no body_radius; give one, or take PlaneWave")
        if radii.min() < 0.99 * array.body_radius:
            raise GeometryError(
                f"RigidSphere: a microphone of {array.name!r} lies {1e3 * radii.min():.1f} mm from the centre, inside the body of"
                f" radius {1e3 * array.body_radius:.1f} mm; check positions and body_radius"
            )
        self.azimuth, self.elevation = direction_pairs(azimuth, elevation)
        self.radius, self.speed_of_sound = array.body_radius, speed_of_sound
        # Microphones a hair inside by rounding sit on the surface.
        self.radii = np.maximum(radii, array.body_radius)
        self.facing = array.positions / radii[:, None]

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (freq, mic, source)."""
        frequencies = self.frequencies if frequencies is None else frequencies
        k = 2 * np.pi * frequencies.double().cpu().numpy() / self.speed_of_sound
        order = int(np.ceil(1.2 * k.max() * self.radii.max())) + 8
        toward = unit_vectors(self.azimuth, self.elevation).cpu().numpy()
        legendre = eval_legendre(np.arange(order + 1)[:, None, None], np.clip(self.facing @ toward.T, -1, 1))
        modes = np.stack([self._modes(k, radius, order) for radius in np.unique(self.radii)])
        which = np.unique(self.radii, return_inverse=True)[1]
        A = np.empty((len(k), *legendre.shape[1:]), np.complex128)
        for m, group in enumerate(which):
            A[:, m] = modes[group] @ legendre[:, m]
        return torch.from_numpy(A).to(self.frequencies.device)

    def _modes(self, k: NDArray[Any], r: float, order: int) -> NDArray[np.complex128]:
        """(freq, order + 1): the factor of each Legendre polynomial."""
        n = np.arange(order + 1)[None, :]
        # At 0 Hz the Hankel functions are infinite; the limit is reached long before.
        kr, ka = np.maximum(k, 1e-3)[:, None] * r, np.maximum(k, 1e-3)[:, None] * self.radius
        with np.errstate(over="ignore", invalid="ignore"):
            hankel = spherical_jn(n, kr) - 1j * spherical_yn(n, kr)
            slope = spherical_jn(n, ka, derivative=True) - 1j * spherical_yn(n, ka, derivative=True)
            scattered = spherical_jn(n, ka, derivative=True) * (hankel / slope)
        # Orders far above k r overflow in h and h' alike, where what they add is nothing.
        scattered = np.where(np.isfinite(scattered), scattered, 0)
        return np.asarray((2 * n + 1) * 1j**n * (spherical_jn(n, kr) - scattered))


def far_field(
    array: MicrophoneArray,
    azimuth: Tensor | float,
    elevation: Tensor | float = 0.0,
    *,
    frequencies: Tensor,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> Response:
    """The far-field response that suits the array: around its rigid body if it has one, else free field."""
    kind = PlaneWave if array.body_radius is None else RigidSphere
    return kind(array, azimuth, elevation, frequencies=frequencies, speed_of_sound=speed_of_sound)
