"""CLEAN based on source coherence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.imaging.method import ImagingMethod, beams
from arrayscene.imaging.steering import Formulation
from arrayscene.kernels.clean_sc import clean_sc


@dataclass(frozen=True)
class CleanSC(ImagingMethod):
    """CLEAN-SC: sources taken out of the conventional map one by one, each with all that is coherent with it.

    Its own side lobes go with a source, because they are coherent with it; no point spread function is assumed, so sources may
    be directional and responses somewhat wrong. Coherent sources, such as reflections, go as one.

    Attributes:
        steering: formulation of the steering vectors.
        remove_diagonal: whether the diagonal of C is left out.
        damping: share of a component taken out at a time.
        n_iter: components at most; None: twice the number of microphones.
        patience: stops when a component is stronger than that so many before.

    Cost: O(freq mic^2 point), and O(mic point) a component.

    Raises: ShapeError for a damping outside 0 to 1, or fewer than one component.

    Reference: P. Sijtsma, "CLEAN based on spatial source coherence", International Journal of Aeroacoustics 2007.
    """

    name: ClassVar[str] = "clean-sc"
    title: ClassVar[str] = "CLEAN-SC"
    shows_sources: ClassVar[bool] = True

    steering: Formulation = "true level"
    remove_diagonal: bool = True
    damping: float = 0.6
    n_iter: int | None = None
    patience: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.damping <= 1 or self.patience < 1 or (self.n_iter is not None and self.n_iter < 1):
            raise ShapeError(
                f"CleanSC: damping {self.damping}, n_iter {self.n_iter}, patience {self.patience} came; damping in (0, 1] and"
                " at least one component are needed"
            )

    def _map(self, C: Tensor, A: Tensor) -> Tensor:
        dirty, W = beams(C, A, self.steering, self.remove_diagonal)
        return clean_sc(
            dirty,
            C,
            W,
            remove_diagonal=self.remove_diagonal,
            damping=self.damping,
            n_iter=self.n_iter or 2 * C.shape[-1],
            patience=self.patience,
        )
