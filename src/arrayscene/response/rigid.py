"""Responses of microphones on or around a rigid body, which casts a shadow and lengthens the way around it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response.base import Response
from arrayscene.response.directions import check_batches, direction_pairs, mic_positions, unit_vectors
from arrayscene.response.radial import TRUNCATION, powers_of_j, rigid_modes, series_order, spherical_ratios, spherical_waves
from arrayscene.response.steering import directivity_of

LOWEST_K = 1e-11
"""Wave number, rad/m, that stands for 0, where outgoing waves are infinite; their limit is reached long before."""

NEAREST = 1.05
"""Distance of a point source, relative to the outermost microphone, from which on a series is used."""

BLOCK_SIZE = 2**15
"""Values of each order that are computed at a time, about what a processor's cache holds."""


class Block(NamedTuple):
    """Some of the frequencies: their wave numbers (freq,), the highest of them, and the order at which its series may end."""

    k: Tensor
    highest: float
    order: int


class RigidBody(Response):
    """Plane waves around a rigid body of revolution about the origin (abstract).

    Microphones at the same distance share their radial functions, unless gradients or leading axes make every one its own.

    Args:
        array: microphones with `body_radius`, or their positions (..., mic, 3) in metres as a tensor.
        azimuth, elevation: (..., source) radians.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.
        body_radius: metres; by default the array's own.

    Raises: GeometryError for an array without a body, with a microphone inside it or with directional microphones.
    """

    n_axes: int
    """How many of x, y, z count for the distance from the body: 3 from a centre, 2 from an upright axis."""

    positions: Tensor
    azimuth: Tensor
    elevation: Tensor
    shared_radii: Tensor | None

    def __init__(
        self,
        array: MicrophoneArray | Tensor,
        azimuth: Tensor | float,
        elevation: Tensor | float,
        frequencies: Tensor,
        speed_of_sound: float,
        body_radius: float | None,
    ) -> None:
        super().__init__(frequencies)
        who = type(self).__name__
        if isinstance(array, MicrophoneArray):
            body_radius = array.body_radius if body_radius is None else body_radius
            if directivity_of(array) is not None:
                raise GeometryError(
                    f"{who}: array {array.name!r} has directional microphones; a body's field is known for omnidirectional ones:"
                    " leave out its directivity or its body_radius"
                )
        if body_radius is None or not 0 < body_radius < float("inf"):
            raise GeometryError(f"{who}: body_radius {body_radius} came; a radius in metres is needed, or take PlaneWave")
        self.register_buffer("positions", mic_positions(array, who), persistent=False)
        azimuths, elevations = direction_pairs(azimuth, elevation, who)
        check_batches(self.positions, azimuths[..., None], who)
        self.register_buffer("azimuth", azimuths, persistent=False)
        self.register_buffer("elevation", elevations, persistent=False)
        self.body_radius, self.speed_of_sound = body_radius, speed_of_sound
        radii = self.positions[..., : self.n_axes].detach().square().sum(-1).sqrt()
        if not float(radii.min()) >= 0.99 * body_radius:
            raise GeometryError(
                f"{who}: a microphone lies {1e3 * float(radii.min()):.1f} mm from the centre, inside the body of radius"
                f" {1e3 * body_radius:.1f} mm; check positions and body_radius"
            )
        self.largest_radius = max(float(radii.max()), body_radius)
        # Known as plain numbers, so that the order of the series is known on any device.
        self._own_hertz: list[float] = self.frequencies.tolist()
        self._share(radii)

    def _share(self, radii: Tensor) -> None:
        n_mics = radii.shape[-1]
        if self.positions.requires_grad or radii.ndim > 1:
            self.register_buffer("shared_radii", None, persistent=False)
            self.places: list[int] = list(range(1, n_mics + 1))
            return
        # Microphones a hair inside or outside by rounding sit on the surface.
        on_surface = (radii - self.body_radius).abs() < 1e-9 * self.body_radius
        radii = radii.clamp_min(self.body_radius).mul(1e12).round().div(1e12).where(~on_surface, self.body_radius)
        distinct, which = torch.unique(torch.cat([radii.new_tensor([self.body_radius]), radii]), return_inverse=True)
        self.register_buffer("shared_radii", distinct, persistent=False)
        self.places = which[1:].tolist()

    def _radii(self) -> Tensor:
        """(..., place) the body's radius and after it those at which microphones are; microphone m is at `places[m]`."""
        if self.shared_radii is not None:
            return self.shared_radii
        radii = self.positions[..., : self.n_axes].square().sum(-1).sqrt().clamp_min(self.body_radius)
        return torch.cat([torch.full_like(radii[..., :1], self.body_radius), radii], dim=-1)

    def _facing(self) -> Tensor:
        """(..., mic, axis) unit vectors from the centre to the microphones."""
        across = self.positions[..., : self.n_axes]
        return across / across.square().sum(-1, keepdim=True).sqrt()

    def _blocks(self, frequencies: Tensor | None, n_values: int) -> list[Block]:
        """The frequencies in blocks, so many that `n_values` a frequency stay within BLOCK_SIZE."""
        hertz = self._own_hertz if frequencies is None else frequencies.tolist()
        frequencies = self.frequencies if frequencies is None else frequencies
        k = (2 * torch.pi / self.speed_of_sound * frequencies.to(self.positions)).clamp_min(LOWEST_K)
        size = max(1, BLOCK_SIZE // n_values)
        highest = [2 * torch.pi / self.speed_of_sound * max(hertz[i : i + size]) for i in range(0, len(hertz), size)]
        return [
            Block(k[i * size : (i + 1) * size], top, series_order(top * self.largest_radius)) for i, top in enumerate(highest)
        ]

    def _covariance(self, modes: Tensor, angular: Tensor) -> Tensor:
        """sum_l modes_ml modes_nl^* angular_lmn: (..., freq, mic, mic) from (..., freq, place, l) and (..., l, mic, mic)."""
        if len(set(self.places)) == 1:
            modes = modes[..., self.places[0], :]
            return contract((modes * modes.conj()).real, angular).to(torch.complex128)
        total = torch.zeros((), dtype=modes.dtype, device=modes.device)
        for order in range(modes.shape[-1]):
            ours = modes[..., self.places, order]
            total = total + ours[..., :, None] * ours[..., None, :].conj() * angular[..., order, :, :][..., None, :, :]
        return total


def join(blocks: list[Tensor]) -> Tensor:
    """Blocks (..., freq, mic, source) of frequencies as one; a single one is not copied."""
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=-3)


def contract(modes: Tensor, angular: Tensor) -> Tensor:
    """sum_l modes (..., freq, l) angular (..., l, mic, source): (..., freq, mic, source)."""
    product = modes @ angular[..., : modes.shape[-1], :, :].flatten(-2).to(modes.dtype)
    return product.reshape(*product.shape[:-1], *angular.shape[-2:])


class RigidSphere(RigidBody):
    """Waves around a rigid sphere at the origin, at microphones on or outside it.

    A_mn(f) = sum_l (2 l + 1) j^l [j_l(k r_m) - j_l'(k a) / h_l'(k a) h_l(k r_m)] P_l(cos g_mn), with h_l the outgoing spherical
    Hankel function (second kind), a the sphere's radius, r_m and g_mn the microphone's radius and its angle to the source. For a
    point source at the distance r, j^l becomes -j k r e^{j k r} h_l(k r): unit pressure at the origin, were the sphere not there.
    What the series leaves out is below 1e-10.

    Args:
        array: microphones with `body_radius`, or their positions (..., mic, 3) in metres as a tensor (then differentiable in
            them).
        azimuth: (..., source) radians.
        elevation: (..., source) radians; the horizon by default.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.
        body_radius: metres; by default the array's own.
        distance: metres from the origin to the sources; None: plane waves. For several distances join responses (`Joined`).

    Cost: O(freq order mic source) as matrix products, order about k r + 8.4 (k r)^(1/3); the radial functions are computed once
    for each distinct radius. Differentiable in positions and directions.

    Raises: GeometryError for an array without a body, with a microphone inside it or with directional microphones, and for a
    source not farther than the outermost microphone.

    Reference: E. G. Williams, "Fourier Acoustics", 1999, chapter 6 (spherical waves, scattering from a sphere).
    """

    n_axes = 3

    def __init__(
        self,
        array: MicrophoneArray | Tensor,
        azimuth: Tensor | float,
        elevation: Tensor | float = 0.0,
        *,
        frequencies: Tensor,
        speed_of_sound: float = SPEED_OF_SOUND,
        body_radius: float | None = None,
        distance: float | None = None,
    ) -> None:
        super().__init__(array, azimuth, elevation, frequencies, speed_of_sound, body_radius)
        if distance is not None and not NEAREST - 1e-9 <= distance / self.largest_radius < float("inf"):
            raise GeometryError(
                f"RigidSphere: a distance of {distance} m came for microphones up to {self.largest_radius:g} m from the centre;"
                f" at least {NEAREST * self.largest_radius:.4g} m is needed, or None for plane waves"
            )
        self.distance = distance

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (..., freq, mic, source)."""
        toward = unit_vectors(self.azimuth, self.elevation)
        blocks = self._blocks(frequencies, self._radii().shape[-1])
        more = self._more_orders()
        legendre = _legendre(self._facing() @ toward.mT, max(block.order for block in blocks) + more)
        found = []
        for block in blocks:
            modes = self._modes(block.k, block.order + more, self.distance)
            if len(set(self.places)) == 1:
                found.append(contract(modes[..., self.places[0], :], legendre))
            else:
                each = modes[..., self.places, :].movedim(-2, -3)
                angular = legendre[..., : each.shape[-1], :, :].movedim(-2, -3).to(each.dtype)
                found.append((each @ angular).movedim(-3, -2))
        return join(found)

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor:
        """Covariance of a spherically isotropic field of plane waves around the sphere, as a closed sum over its modes.

        Gamma_mn = sum_l (2 l + 1) R_l(r_m) R_l(r_n)^* P_l(cos g_mn), R_l the bracket of the response and g_mn the angle between
        the microphones. Differentiable in positions. Cost: O(freq order mic^2).
        """
        facing = self._facing()
        blocks = self._blocks(frequencies, 1 if len(set(self.places)) == 1 else facing.shape[-2] ** 2 // 8 + 1)
        legendre = _legendre(facing @ facing.mT, max(block.order for block in blocks))
        # The modes hold 2 l + 1 once each; one of the two is left.
        legendre = legendre / torch.arange(1, 2 * legendre.shape[-3], 2, dtype=torch.float64, device=facing.device)[:, None, None]
        found = [self._covariance(self._modes(block.k, block.order, None), legendre) for block in blocks]
        return join(found)

    def _more_orders(self) -> int:
        """Orders that a near source needs beyond those of a plane wave: its series falls as (r / distance)^l at least."""
        return 0 if self.distance is None else math.ceil(math.log(TRUNCATION) / math.log(self.largest_radius / self.distance))

    def _modes(self, k: Tensor, order: int, distance: float | None) -> Tensor:
        """(..., freq, place, order + 1): the factor of each Legendre polynomial."""
        x = k[:, None] * self._radii()[..., None, :]
        # Relative to j^l, so that those of a plane wave are all 1 and need no complex numbers.
        steps = None if distance is None else [-1j * ratio for ratio in spherical_ratios(k[:, None] * distance, order + 1)]
        modes = rigid_modes(x, spherical_waves(x, order, steps), 1, steps)
        weights = torch.arange(1, 2 * order + 2, 2, dtype=torch.float64, device=k.device)
        return modes * (weights * powers_of_j(order, k))


def _legendre(cosine: Tensor, order: int) -> Tensor:
    """(..., order + 1, mic, source) Legendre polynomials of (..., mic, source)."""
    values = [torch.ones_like(cosine), cosine]
    for n in range(1, order):
        values.append(torch.addcmul(values[n - 1] * (-n / (n + 1)), cosine, values[n], value=(2 * n + 1) / (n + 1)))
    return torch.stack(values, dim=-3)
