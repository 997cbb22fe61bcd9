"""Free-field responses: plane waves from far away, spherical waves from nearby."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response.air import Air
from arrayscene.response.base import Response
from arrayscene.response.directions import check_batches, direction_pairs, mic_positions, unit_vectors
from arrayscene.response.directivity import Directivity, diffuse_covariance, gain


class FreeField(Response):
    """Microphones with nothing around them that scatters sound (abstract).

    Args:
        array: microphones, or their positions (..., mic, 3) in metres as a tensor.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.
        directivity: of the microphones; None takes the array's own, and means omnidirectional where positions are given.

    Raises: GeometryError for positions of another shape, or another number of directivities.
    """

    positions: Tensor
    pattern: Tensor | None
    axes: Tensor | None

    def __init__(
        self, array: MicrophoneArray | Tensor, frequencies: Tensor, speed_of_sound: float, directivity: Directivity | None
    ) -> None:
        super().__init__(frequencies)
        who = type(self).__name__
        self.register_buffer("positions", mic_positions(array, who), persistent=False)
        if directivity is None and isinstance(array, MicrophoneArray):
            directivity = directivity_of(array)
        if directivity is not None and directivity.p.shape[-1] != self.positions.shape[-2]:
            raise GeometryError(
                f"{who}: {directivity.p.shape[-1]} directivities came for {self.positions.shape[-2]} microphones; one for each is"
                " needed"
            )
        self.register_buffer("pattern", None if directivity is None else directivity.p, persistent=False)
        self.register_buffer("axes", None if directivity is None else directivity.axes, persistent=False)
        self.speed_of_sound = speed_of_sound

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor:
        """Covariance of a spherically isotropic field in closed form: sin(k d) / (k d) for omnidirectional microphones.

        Differentiable in positions and directivity. Cost: O(freq mic^2).
        """
        return diffuse_covariance(self.positions, self._wave_numbers(frequencies), self.pattern, self.axes)

    def _wave_numbers(self, frequencies: Tensor | None) -> Tensor:
        frequencies = self.frequencies if frequencies is None else frequencies
        return 2 * torch.pi * frequencies.to(self.positions) / self.speed_of_sound


class PlaneWave(FreeField):
    """Sources so far away that their wavefronts are flat.

    A_mn(f) = g_m(u_n) e^{j 2 pi f <p_m - p_0, u_n> / c}, with p_0 the array's origin: a microphone nearer to the source hears it
    earlier; g_m(u) = p + (1 - p) <axis_m, u> is 1 for an omnidirectional microphone.

    Args:
        array: microphones, or their positions (..., mic, 3) in metres as a tensor (then differentiable in them).
        azimuth: (..., source) radians.
        elevation: (..., source) radians; the horizon by default.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.
        directivity: of the microphones; by default the array's own, omnidirectional for a tensor.

    Cost: O(freq mic source). Differentiable in positions, directions and directivity.

    Raises: GeometryError for directions that are not finite or of different number.

    Reference: H. L. Van Trees, "Optimum Array Processing", 2002, chapter 2 (arrays and spatial filters).
    """

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
        directivity: Directivity | None = None,
    ) -> None:
        super().__init__(array, frequencies, speed_of_sound, directivity)
        azimuths, elevations = direction_pairs(azimuth, elevation, "PlaneWave")
        check_batches(self.positions, azimuths[..., None], "PlaneWave")
        self.register_buffer("azimuth", azimuths, persistent=False)
        self.register_buffer("elevation", elevations, persistent=False)

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (..., freq, mic, source); every entry of an omnidirectional microphone has modulus 1."""
        toward = unit_vectors(self.azimuth, self.elevation).mT
        phase = self._wave_numbers(frequencies)[:, None, None] * (self.positions @ toward)[..., None, :, :]
        A = torch.polar(torch.ones_like(phase), phase)
        if self.pattern is None or self.axes is None:
            return A
        return A * gain(self.pattern, self.axes @ toward)[..., None, :, :]


class SphericalWave(FreeField):
    """Point sources at known places; near ones reach the microphones with curved wavefronts and different strengths.

    A_mn(f) = g_m(u_mn) (r_0n / r_mn) e^{-(j 2 pi f / c + alpha(f)) (r_mn - r_0n)}, r_mn the distance from source n to microphone
    m, u_mn the direction from there to the source and r_0n the source's distance to the array's origin, so that a far source
    tends to the plane wave. g_m is the microphone's gain to plane waves: the boost of low frequencies that a directional
    microphone shows within some centimetres of a source (proximity effect) is left out, because makers take it out too.

    Args:
        array: microphones, or their positions (..., mic, 3) in metres as a tensor (then differentiable in them).
        places: (..., source, 3) metres.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.
        directivity: of the microphones; by default the array's own, omnidirectional for a tensor.
        air: what absorbs sound on the way; None: nothing. It tells between microphones metres apart.

    Cost: O(freq mic source). Differentiable in positions, places and directivity.

    Raises: GeometryError for a source on a microphone or at the array's origin.

    Reference: E. G. Williams, "Fourier Acoustics", 1999, chapter 6 (spherical waves).
    """

    places: Tensor

    def __init__(
        self,
        array: MicrophoneArray | Tensor,
        places: Tensor,
        *,
        frequencies: Tensor,
        speed_of_sound: float = SPEED_OF_SOUND,
        directivity: Directivity | None = None,
        air: Air | None = None,
    ) -> None:
        super().__init__(array, frequencies, speed_of_sound, directivity)
        places = torch.as_tensor(places, dtype=torch.float64)
        if places.ndim < 2 or places.shape[-1] != 3 or not bool(torch.isfinite(places).all()):
            raise GeometryError(
                f"SphericalWave: places of shape {tuple(places.shape)} came; finite (..., source, 3) metres is needed"
            )
        check_batches(self.positions, places, "SphericalWave")
        self.register_buffer("places", places, persistent=False)
        self.air = air
        distances = torch.cat([_lengths(self._between()).flatten(), _lengths(places).flatten()])
        if not float(distances.detach().min()) > 1e-4:
            raise GeometryError(
                f"SphericalWave: a source lies {float(distances.detach().min()) * 1e3:.2f} mm from a microphone or the origin;"
                " move it away"
            )

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (..., freq, mic, source)."""
        between = self._between()
        distance, origin = _lengths(between), _lengths(self.places)[..., None, :]
        strength = origin / distance
        if self.pattern is not None and self.axes is not None:
            strength = strength * gain(self.pattern, (self.axes[..., None, :] * between).sum(-1) / distance)
        strength, detour = strength[..., None, :, :], (distance - origin)[..., None, :, :]
        if self.air is not None:
            frequencies = self.frequencies if frequencies is None else frequencies
            strength = strength * torch.exp(-self.air.attenuation(frequencies).to(detour)[:, None, None] * detour)
        phase = -self._wave_numbers(frequencies)[:, None, None] * detour
        return torch.polar(torch.ones_like(phase), phase) * strength

    def _between(self) -> Tensor:
        """(..., mic, source, 3) from the microphones to the sources."""
        return self.places[..., None, :, :] - self.positions[..., :, None, :]


def directivity_of(array: MicrophoneArray) -> Directivity | None:
    """The directivity that an array states; None where it states none or all its microphones are omnidirectional."""
    if array.directivity is None or array.orientations is None or min(array.directivity) == 1:
        return None
    return Directivity(torch.tensor(array.directivity, dtype=torch.float64), torch.tensor(array.orientations))


def _lengths(vectors: Tensor) -> Tensor:
    return vectors.square().sum(-1).sqrt()
