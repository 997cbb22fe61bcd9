"""Free-field responses: plane waves from far away, spherical waves from nearby."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response.base import Response


def unit_vectors(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """(..., 3) unit vectors towards directions in radians: x front, y left, z up."""
    horizontal = torch.cos(elevation)
    return torch.stack([horizontal * torch.cos(azimuth), horizontal * torch.sin(azimuth), torch.sin(elevation)], dim=-1)


class PlaneWave(Response):
    """Sources so far away that their wavefronts are flat.

    A_mn(f) = e^{j 2 pi f <p_m - p_0, u_n> / c}, with p_0 the array's origin: a microphone nearer to the source hears it earlier.

    Args:
        array: microphones, or their positions (mic, 3) in metres as a tensor (then differentiable in them).
        azimuth: (source,) radians.
        elevation: (source,) radians; the horizon by default.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.

    Cost: O(freq mic source). Differentiable in positions and directions.

    Raises: GeometryError for directions that are not finite or of different number.

    Reference: H. L. Van Trees, "Optimum Array Processing", 2002, eq. (2.28).
    """

    positions: Tensor
    azimuth: Tensor
    elevation: Tensor

    def __init__(
        self,
        array: MicrophoneArray | Tensor,
        azimuth: Tensor | float,
        elevation: Tensor | float = 0.0,
        *,
        frequencies: Tensor,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> None:
        super().__init__(frequencies)
        self.register_buffer("positions", _positions(array), persistent=False)
        azimuths, elevations = direction_pairs(azimuth, elevation)
        self.register_buffer("azimuth", azimuths, persistent=False)
        self.register_buffer("elevation", elevations, persistent=False)
        self.speed_of_sound = speed_of_sound

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (freq, mic, source); every entry has modulus 1."""
        frequencies = self.frequencies if frequencies is None else frequencies
        lead = self.positions @ unit_vectors(self.azimuth, self.elevation).T / self.speed_of_sound
        phase = 2 * torch.pi * frequencies.to(lead)[:, None, None] * lead
        return torch.polar(torch.ones_like(phase), phase)


class SphericalWave(Response):
    """Point sources at known places; near ones reach the microphones with curved wavefronts and different strengths.

    A_mn(f) = (r_0 / r_mn) e^{-j 2 pi f (r_mn - r_0n) / c}, r_mn the distance from source n to microphone m and r_0n to the
    array's origin, so that a far source tends to the plane wave.

    Args:
        array: microphones, or their positions (mic, 3) in metres as a tensor (then differentiable in them).
        places: (source, 3) metres.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.

    Cost: O(freq mic source). Differentiable in positions and places.

    Raises: GeometryError for a source on a microphone or at the array's origin.

    Reference: E. G. Williams, "Fourier Acoustics", 1999, eq. (6.73).
    """

    positions: Tensor
    places: Tensor

    def __init__(
        self, array: MicrophoneArray | Tensor, places: Tensor, *, frequencies: Tensor, speed_of_sound: float = SPEED_OF_SOUND
    ) -> None:
        super().__init__(frequencies)
        self.register_buffer("positions", _positions(array), persistent=False)
        places = torch.as_tensor(places, dtype=torch.float64)
        if places.ndim != 2 or places.shape[-1] != 3:
            raise GeometryError(f"SphericalWave: places of shape {tuple(places.shape)} came; (source, 3) metres is needed")
        self.register_buffer("places", places, persistent=False)
        self.speed_of_sound = speed_of_sound
        nearest = float(torch.cat([self._distances().flatten(), self._origin_distances()]).detach().min())
        if not nearest > 1e-4:
            raise GeometryError(
                f"SphericalWave: a source lies {nearest * 1e3:.2f} mm from a microphone or the origin; move it away"
            )

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (freq, mic, source)."""
        frequencies = self.frequencies if frequencies is None else frequencies
        distance, origin = self._distances(), self._origin_distances()
        phase = -2 * torch.pi * frequencies.to(distance)[:, None, None] * (distance - origin) / self.speed_of_sound
        return torch.polar((origin / distance).expand_as(phase), phase)

    def _distances(self) -> Tensor:
        between = self.positions[:, None] - self.places[None]
        return between.square().sum(-1).sqrt()

    def _origin_distances(self) -> Tensor:
        return self.places.square().sum(-1).sqrt()


def _positions(array: MicrophoneArray | Tensor) -> Tensor:
    if isinstance(array, MicrophoneArray):
        return torch.tensor(array.positions, dtype=torch.float64)
    if array.ndim != 2 or array.shape[-1] != 3:
        raise GeometryError(f"Response: positions of shape {tuple(array.shape)} came; (mic, 3) metres is needed")
    return array.to(torch.float64)


def direction_pairs(azimuth: Tensor | float, elevation: Tensor | float) -> tuple[Tensor, Tensor]:
    """Azimuth and elevation as float64 vectors of one length.

    Raises: GeometryError for directions that are not finite or of different number.
    """
    azimuths, elevations = _vector(azimuth), _vector(elevation)
    n_sources = max(azimuths.numel(), elevations.numel())
    if any(angles.ndim != 1 or angles.numel() not in (1, n_sources) for angles in (azimuths, elevations)):
        raise GeometryError(
            f"response: azimuths of shape {tuple(azimuths.shape)} and elevations of shape {tuple(elevations.shape)} came;"
            " one of each a source is needed"
        )
    if not bool(torch.isfinite(azimuths).all() and torch.isfinite(elevations).all()):
        raise GeometryError("response: a direction that is not finite came; radians are needed")
    return azimuths.expand(n_sources), elevations.expand(n_sources)


def _vector(angle: Tensor | float) -> Tensor:
    angles = torch.as_tensor(angle, dtype=torch.float64)
    return angles[None] if angles.ndim == 0 else angles
