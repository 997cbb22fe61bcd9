"""What every response A shares: a matrix per frequency, the capture y = A x and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arrayscene.arguments import as_indices, check_kind, shown
from arrayscene.errors import ShapeError


class Response(nn.Module):
    """The array's response A: what every microphone hears of every source (abstract).

    y(f, t) = A(f) x(f, t)

    A subclass gives `matrix`; capture and adjoint follow from it.

    Args:
        frequencies: (freq,) hertz, the bins of the frames that `forward` takes; usually `stft.frequencies(sample_rate)`.

    Raises: ShapeError for frequencies that are not (freq,) finite numbers of at least 0.
    """

    memory: int = 1
    """Frames in which a frame of a source is heard; where it is more than 1, `matrix` is the part heard in the same frame."""

    frequencies: Tensor

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        try:
            frequencies = torch.as_tensor(frequencies, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            raise ShapeError(
                f"Response: frequencies {shown(frequencies)} came; (freq,) hertz, e.g. stft.frequencies(sample_rate), is needed"
            ) from None
        if frequencies.ndim != 1 or not bool(torch.isfinite(frequencies).all()) or bool((frequencies < 0).any()):
            raise ShapeError(
                f"Response: frequencies of shape {tuple(frequencies.shape)} came; (freq,) hertz, finite, >= 0 is needed"
            )
        self.register_buffer("frequencies", frequencies, persistent=False)

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 of shape (..., freq, mic, source), at `frequencies` (hertz) or at the response's own."""
        raise NotImplementedError

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor | None:
        """Covariance Gamma of a spherically isotropic field, what noise from everywhere looks like; None where it is unknown.

        Gamma(f) = (1 / 4 pi) integral a(u) a(u)^H du over plane waves of unit power, in the microphones' own units.

        Returns: (..., freq, mic, mic) complex128.
        """
        return None

    def forward(self, x: Tensor) -> Tensor:
        """Capture: y = A x, from sources (..., source, freq, frame) to microphones (..., mic, freq, frame), in the dtype of x."""
        check_kind("Response", x, Tensor, "a tensor of frames")
        return _apply(self.matrix().to(x.dtype), x, "Response")

    def adjoint(self, y: Tensor) -> Tensor:
        """Back-projection A^H y, from (..., mic, freq, frame) to (..., source, freq, frame), in the dtype of y."""
        check_kind("Response.adjoint", y, Tensor, "a tensor of frames")
        return _apply(self.matrix().to(y.dtype).mH, y, "Response.adjoint")

    def select(self, sources: Sequence[int] | None = None, mics: Sequence[int] | None = None) -> Response:
        """The response to some of the sources, of some of the microphones, in the given order.

        Args:
            sources: counted from 0, each at most once; None: all.
            mics: likewise.

        Raises: ShapeError for one that is not there or is there twice, or none at all.
        """
        return Selection(self, sources, mics)


class MatrixResponse(Response):
    """A response given as numbers: measured, or found by a blind decoder.

    Args:
        matrix: (..., freq, mic, source) complex.
        frequencies: (freq,) hertz.
        diffuse: (..., freq, mic, mic) covariance of an isotropic field, where it is known.

    Raises:
        ShapeError: where they disagree on the number of frequencies, or other frequencies than its own are asked for.
    """

    values: Tensor
    diffuse_values: Tensor | None

    def __init__(self, matrix: Tensor, frequencies: Tensor, diffuse: Tensor | None = None) -> None:
        super().__init__(frequencies)
        check_kind("MatrixResponse", matrix, Tensor, "a complex tensor (..., freq, mic, source)")
        if matrix.ndim < 3 or not matrix.is_complex() or matrix.shape[-3] != self.frequencies.numel():
            raise ShapeError(
                f"MatrixResponse: a {matrix.dtype} matrix of shape {tuple(matrix.shape)} came for {self.frequencies.numel()}"
                " frequencies; complex (..., freq, mic, source) is needed"
            )
        if diffuse is not None and diffuse.shape[-3:] != (*matrix.shape[-3:-1], matrix.shape[-2]):
            raise ShapeError(
                f"MatrixResponse: a diffuse covariance of shape {tuple(diffuse.shape)} came for a matrix of"
                f" {tuple(matrix.shape)}; (..., freq, mic, mic) is needed"
            )
        self.register_buffer("values", matrix, persistent=False)
        self.register_buffer("diffuse_values", diffuse, persistent=False)

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A as it was given."""
        self._check_frequencies(frequencies)
        return self.values.to(torch.complex128)

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor | None:
        """Gamma as it was given."""
        self._check_frequencies(frequencies)
        return None if self.diffuse_values is None else self.diffuse_values.to(torch.complex128)

    def _check_frequencies(self, frequencies: Tensor | None) -> None:
        if frequencies is not None and not torch.equal(torch.as_tensor(frequencies).to(self.frequencies), self.frequencies):
            raise ShapeError("MatrixResponse: known at its own frequencies only; make the decoder's transform match them")


class Selection(Response):
    """Some sources and microphones of another response; `Response.select` makes it.

    Args:
        response: what they are taken from.
        sources: counted from 0, each at most once; None: all.
        mics: likewise.

    Differentiable in whatever `response` is.

    Raises: ShapeError for one that is not there or is there twice, or none at all.
    """

    def __init__(self, response: Response, sources: Sequence[int] | None = None, mics: Sequence[int] | None = None) -> None:
        super().__init__(response.frequencies)
        n_mics, n_sources = response.matrix().shape[-2:]
        self.response = response
        self.sources = list(range(n_sources)) if sources is None else _chosen(sources, n_sources, "sources")
        self.mics = list(range(n_mics)) if mics is None else _chosen(mics, n_mics, "microphones")

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """The rows and columns of A that were chosen."""
        return self.response.matrix(frequencies)[..., self.mics, :][..., self.sources]

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor | None:
        """The rows and columns of Gamma that were chosen."""
        gamma = self.response.diffuse(frequencies)
        return None if gamma is None else gamma[..., self.mics, :][..., self.mics]


def _chosen(indices: Sequence[int], n: int, what: str) -> list[int]:
    chosen = as_indices(f"Response.select: {what}", indices)
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= n:
        raise ShapeError(f"Response.select: {what} {chosen} came; different ones out of 0 to {n - 1} are needed")
    return chosen


def _apply(matrix: Tensor, x: Tensor, who: str) -> Tensor:
    if x.ndim < 3 or x.shape[-3] != matrix.shape[-1] or x.shape[-2] != matrix.shape[-3]:
        raise ShapeError(
            f"{who}: frames of shape {tuple(x.shape)} came; (..., {matrix.shape[-1]}, {matrix.shape[-3]} frequencies, frame) is"
            " needed"
        )
    return torch.einsum("...fms,...sft->...mft", matrix, x)
