"""What every method of imaging shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from arrayscene.errors import RecordingError, ShapeError
from arrayscene.imaging.steering import Formulation, steering_vectors
from arrayscene.kernels.inner import real_inner


@dataclass(frozen=True)
class ImagingMethod:
    """From cross-spectral matrices to the power at each point of a grid (abstract).

    Attributes:
        name: as the command line calls it.
        title: as people call it.
        shows_sources: whether values are the powers of sources, whose sum over a region is the region's power; else they are
            those of beams, whose sum is not.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    shows_sources: ClassVar[bool] = False

    def __call__(self, C: Tensor, A: Tensor) -> Tensor:
        """Map of each frequency.

        Args:
            C: (freq, mic, mic) complex, cross-spectral matrices.
            A: (freq, mic, point) complex transfer functions; its precision is that of the work.

        Returns: (freq, point) float64, in the square of the recording's unit as heard where A is 1, at the array's origin for the
            responses of `grid_response`.

        Raises:
            ShapeError: shapes that do not fit.
            RecordingError: values that are not finite.
        """
        if C.ndim != 3 or not C.is_complex() or C.shape[-1] != C.shape[-2]:
            raise ShapeError(f"{self.title}: C of {C.dtype} and shape {tuple(C.shape)} came; complex (freq, mic, mic) is needed")
        if A.ndim != 3 or not A.is_complex() or A.shape[:2] != C.shape[:2]:
            raise ShapeError(
                f"{self.title}: transfer functions {tuple(A.shape)} came for cross-spectral matrices {tuple(C.shape)};"
                " (freq, mic, point) of the same frequencies and microphones is needed"
            )
        if C.shape[-1] < 2:
            raise ShapeError(f"{self.title}: one microphone came; at least 2 are needed")
        if not bool(torch.isfinite(torch.view_as_real(C.resolve_conj())).all()):
            raise RecordingError(f"{self.title}: cross-spectral matrices that are not finite came; mend the recording")
        # Powers of quiet recordings must not leave the range of single precision.
        scale = C.diagonal(dim1=-2, dim2=-1).real.mean(-1)
        scale = torch.where(scale > 0, scale, torch.ones_like(scale)).to(torch.float64)
        unit = C.to(torch.complex128) / scale[:, None, None]
        return self._map(unit, A).to(torch.float64) * scale[:, None]

    @property
    def in_words(self) -> str:
        """The method and its options, as a reader of a map wants to know them."""
        steering = getattr(self, "steering", None)
        diagonal = "diagonal removed" if getattr(self, "remove_diagonal", False) else "with the diagonal"
        return f"{self.title} ({f'steering {steering!r}, ' if steering else ''}{diagonal})"

    def _map(self, C: Tensor, A: Tensor) -> Tensor:
        """The same for C complex128 of mean power 1."""
        raise NotImplementedError


def without_diagonal(C: Tensor) -> Tensor:
    """C (..., mic, mic) with zeros on its diagonal."""
    return C - torch.diag_embed(C.diagonal(dim1=-2, dim2=-1))


def beam_power(C: Tensor, W: Tensor) -> Tensor:
    """w^H C w, (freq, point) real, of C (freq, mic, mic) and W (freq, mic, point), in the precision of W.

    Cost: O(freq mic^2 point) as a matrix product.
    """
    return real_inner(W, C.to(W.dtype) @ W)


def beams(C: Tensor, A: Tensor, formulation: Formulation, remove_diagonal: bool) -> tuple[Tensor, Tensor]:
    """The conventional map and the steering vectors that make it; see `Conventional`."""
    if not remove_diagonal:
        W = steering_vectors(A, formulation)
        return beam_power(C, W), W
    n_mics = C.shape[-1]
    # The diagonal held one part in n of a coherent source's power.
    W = steering_vectors(A, formulation, (n_mics / (n_mics - 1)) ** 0.5)
    return beam_power(without_diagonal(C), W), W
