"""Functional beamforming: a beam whose side lobes are raised to a power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.imaging.method import ImagingMethod, beam_power
from arrayscene.imaging.steering import Formulation, steering_vectors
from arrayscene.kernels.inner import real_inner


@dataclass(frozen=True)
class Functional(ImagingMethod):
    """Functional beamforming: B = |h|^2 (u^H C^(1/nu) u)^nu with u = h / |h|.

    Side lobes fall by the exponent, and so does a source whose place or response is not quite met. Needs C with its diagonal,
    so uncorrelated noise stays in.

    Attributes:
        steering: formulation of the steering vectors h; levels are right where h points along a, as with "true level".
        exponent: nu, 1 for conventional beamforming.

    Cost: an eigendecomposition a frequency, and O(freq mic^2 point).

    Raises: ShapeError for an exponent below 1.

    Reference: R. P. Dougherty, "Functional beamforming", Berlin Beamforming Conference 2014, equation (4).
    """

    name: ClassVar[str] = "functional"
    title: ClassVar[str] = "functional beamforming"

    steering: Formulation = "true level"
    exponent: float = 16.0

    def __post_init__(self) -> None:
        if not 1 <= self.exponent <= 1000:
            raise ShapeError(f"Functional: an exponent of {self.exponent} came; 1 to 1000 is needed")

    def _map(self, C: Tensor, A: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(C)
        # Rounding may leave eigenvalues of zero a hair below it.
        roots = values.clamp_min(0.0) ** (1 / self.exponent)
        root = (vectors * roots[..., None, :]) @ vectors.mH
        h = steering_vectors(A, self.steering)
        squared = real_inner(h, h)
        unit = beam_power(root, h) / squared
        return unit.to(torch.float64).clamp_min(0.0) ** self.exponent * squared
