"""FastICA: independent component analysis by fixed points, and what it separates by itself: mixtures without delays."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import check_wanted
from arrayscene.decoders.demixing import DemixingState, LinearSeparation, check_count
from arrayscene.decoders.fixed_point import Algorithm, Contrast, check_contrast, fixed_points
from arrayscene.decoders.linear import relative_to
from arrayscene.decoders.permutation import best_order, likeness
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.linalg import load_diagonal
from arrayscene.response import MatrixResponse, Response

FLOOR = 1e-8
"""Power, relative to the strongest component's, below which a component counts as nothing: 80 dB down."""


class Instantaneous(NamedTuple):
    """A mixture without delays, y = A x, taken apart: x = D y.

    Attributes:
        D: (..., source, mic), each source as heard at the reference microphone.
        A: (..., mic, source), 1 at the reference microphone.
    """

    D: Tensor
    A: Tensor


def fast_ica(
    y: Tensor,
    n_sources: int | None = None,
    *,
    contrast: Contrast = "logcosh",
    algorithm: Algorithm = "symmetric",
    n_iter: int = 200,
    tolerance: float = 1e-6,
    reference: int = 0,
    generator: torch.Generator | None = None,
) -> Instantaneous:
    """Independent sources of a mixture without delays, loudest first.

    `x = fast_ica(samples).D @ samples` takes apart what a mixer put together.

    The mixture is made white, z = V y with the `n_sources` strongest principal components, and W z made as little Gaussian as it
    can be, under W W^H = I: w <- E{z f(|s|) s* / |s|} - E{f'} w, s = w^H z, with f the derivative of the contrast. Sources are
    told apart by being less or more Gaussian than their mixtures; at most one may be Gaussian itself.

    Args:
        y: (..., mic, sample) real, whose mean is taken out first, or complex, of circular sources without a mean.
        n_sources: sources to find; None: as many as microphones. Fewer keeps the noise of weak components out.
        contrast: by f(r): "logcosh" tanh r (robust), "exp" r exp(-r^2 / 2) (for very sparse sources), "kurtosis" r^3 (fast; for
            sources without outliers), "log" r / (0.1 + r^2) and "sqrt" r / 2 (0.1 + r^2)^(1/2) (usual for complex sources).
        algorithm: "symmetric", all sources at once, or "deflation", one after the other.
        n_iter: iterations, at most.
        tolerance: change 1 - |w_new^H w| of every source at which they end.
        reference: microphone, from 0, at which the sources are heard.
        generator: for a start of its own.

    Cost: O(n_iter source mic sample). Not differentiable in D.

    Raises:
        ShapeError: for samples without these axes, more sources than microphones, or a contrast or algorithm that there is not.
        RecordingError: for NaN or infinite values.

    References: A. Hyvarinen, "Fast and robust fixed-point algorithms for independent component analysis", IEEE TNN 1999;
    E. Bingham and A. Hyvarinen, "A fast fixed-point algorithm for independent component analysis of complex valued signals",
    Int. J. Neural Systems 2000.
    """
    check_wanted(n_sources, "fast_ica")
    if not isinstance(y, Tensor):
        raise ShapeError(f"fast_ica: a {type(y).__name__} came; a tensor is needed, e.g. torch.from_numpy(samples)")
    if y.ndim < 2 or 0 in y.shape or not (y.is_floating_point() or y.is_complex()) or y.shape[-2] > y.shape[-1]:
        raise ShapeError(
            f"fast_ica: {y.dtype} samples of shape {tuple(y.shape)} came; (..., mic, sample), real or complex, is needed, with"
            " more samples than microphones"
        )
    if not bool(torch.isfinite(y).all()):
        raise RecordingError("fast_ica: NaN or infinite values came; leave those channels or stretches out")
    check_contrast(contrast, algorithm, "fast_ica")
    n_mics = y.shape[-2]
    n_sources = n_sources or n_mics
    check_count("fast_ica", n_sources, n_mics)
    # Weak components are differences of microphones that are nearly alike: only in double precision is anything left of them.
    exact = y.detach().to(torch.promote_types(y.dtype, torch.float64))
    if not y.is_complex():
        exact = exact - exact.mean(-1, keepdim=True)
    peak = exact.abs().amax(dim=(-2, -1), keepdim=True)
    exact = exact / torch.where(peak > 0, peak, 1)
    R = exact @ exact.mH / y.shape[-1]
    values, vectors = torch.linalg.eigh(R)
    values, vectors = values[..., -n_sources:].clamp_min(0), vectors[..., -n_sources:]
    # Of a phase that does not depend on the processor, so that the same start means the same.
    largest = vectors.gather(-2, vectors.abs().argmax(-2, keepdim=True))
    vectors = vectors * (largest.conj() / largest.abs())
    floor = FLOOR * values[..., -1:] + torch.finfo(values.dtype).tiny
    V = (vectors / (values + floor).sqrt()[..., None, :]).mH
    z = (V @ exact).to(y.dtype)
    W = fixed_points(z, contrast, algorithm, n_iter=n_iter, tolerance=tolerance, generator=generator)
    D = W.to(V.dtype) @ V
    A = torch.linalg.solve(load_diagonal(D @ R @ D.mH, FLOOR), R @ D.mH, left=False)
    level = A[..., reference, :].abs().square() * (D @ R @ D.mH).diagonal(dim1=-2, dim2=-1).real
    loudest = level.argsort(dim=-1, descending=True, stable=True)
    D, A = D.gather(-2, loudest[..., None].expand_as(D)), A.gather(-1, loudest[..., None, :].expand_as(A))
    return Instantaneous((A[..., reference, :, None] * D).to(y.dtype), relative_to(A, reference).to(y.dtype))


class FastICA(LinearSeparation):
    """FastICA with one mixing matrix for all frequencies: voices mixed by a mixer or by hand, in a dry WAV, without delays.

    See `fast_ica`, which works on samples. In rooms and across spaced microphones, `AuxIVA` and `FrequencyDomainICA` separate.
    With a response, the outputs that are most alike to its columns come first, in its order.

    Args:
        n_sources: sources to find; None: those of the response, or as many as microphones.
        contrast, algorithm, n_iter, tolerance: as in `fast_ica`.
        reference: microphone, from 0, at which the sources are heard.

    Cost: O(n_iter source mic freq frame). Not differentiable in D. Latency: the whole recording in `init`, none beyond the
    transform in `step`.

    Raises: ShapeError for more sources than microphones, or a contrast or algorithm that there is not.

    References: as `fast_ica`.
    """

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        contrast: Contrast = "logcosh",
        algorithm: Algorithm = "symmetric",
        n_iter: int = 200,
        tolerance: float = 1e-6,
        reference: int = 0,
    ) -> None:
        super().__init__()
        check_contrast(contrast, algorithm, "FastICA")
        check_wanted(n_sources, type(self).__name__)
        self.n_sources, self.contrast, self.algorithm = n_sources, contrast, algorithm
        self.n_iter, self.tolerance, self.reference = n_iter, tolerance, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> DemixingState:
        """Learn the demixing matrix from the whole recording."""
        known = None if response is None else response.matrix()
        n_sources = self.n_sources or (y.shape[-3] if known is None else known.shape[-1])
        check_count("FastICA", n_sources, y.shape[-3])
        D, A = fast_ica(
            y.flatten(-2),
            n_sources,
            contrast=self.contrast,
            algorithm=self.algorithm,
            n_iter=self.n_iter,
            tolerance=self.tolerance,
            reference=self.reference,
            generator=generator,
        )
        D, A = (matrix[..., None, :, :].expand(*y.shape[:-3], y.shape[-2], *matrix.shape[-2:]) for matrix in (D, A))
        frequencies = torch.arange(y.shape[-2], dtype=torch.float64)
        if response is not None and known is not None:
            frequencies = response.frequencies
            order = best_order(likeness(A, known).sum(-3))
            D = D.gather(-2, order[..., None, :, None].expand_as(D))
            A = A.gather(-1, order[..., None, None, :].expand_as(A))
        return DemixingState(D, MatrixResponse(A, frequencies))
