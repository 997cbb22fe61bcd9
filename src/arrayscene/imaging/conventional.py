"""Conventional beamforming: the power of a delay-and-sum beam at each point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from arrayscene.imaging.method import ImagingMethod, beams
from arrayscene.imaging.steering import Formulation


@dataclass(frozen=True)
class Conventional(ImagingMethod):
    """Conventional (delay-and-sum) beamforming: B = h^H C h.

    Without its diagonal, which holds the microphones' own noise, C gives B = M / (M - 1) h^H (C - diag C) h; it may then be
    negative where there is no source.

    Attributes:
        steering: formulation of the steering vectors h.
        remove_diagonal: whether the diagonal of C is left out.

    Cost: O(freq mic^2 point) as matrix products. Differentiable.

    Reference: D. H. Johnson and D. E. Dudgeon, "Array Signal Processing", 1993, chapter 4; for the diagonal R. P. Dougherty,
    "Beamforming in acoustic testing", in "Aeroacoustic Measurements", 2002.
    """

    name: ClassVar[str] = "conventional"
    title: ClassVar[str] = "conventional beamforming"

    steering: Formulation = "true level"
    remove_diagonal: bool = True

    def _map(self, C: Tensor, A: Tensor) -> Tensor:
        return beams(C, A, self.steering, self.remove_diagonal)[0]
