"""Beamformers that let the least of a covariance through: MVDR, MPDR with its robust form, and LCMV.

All are one formula, W = R^-1 C (C^H R^-1 C)^-1 F, with the constraints C^H W = F: the inverses of C, after whitening by R.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.arguments import check_kind, check_number
from arrayscene.decoders.linear import LinearDecoder, relative_to
from arrayscene.decoders.loading import loading_for_uncertainty
from arrayscene.decoders.statistics import Statistics, noise_covariance, rest_covariance
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.kernels import solve_positive
from arrayscene.linalg import covariance, load_diagonal
from arrayscene.response import Response

LEAST_LOADING = 1e-10
"""Relative loading of every covariance, so that one of a few frames or of silence stays invertible."""

ALIKE = 1e-8
"""1 - |<a_i, a_j>|^2 below which two sources are one to the array, if so at every frequency."""


class MVDR(LinearDecoder):
    """Minimum variance, distortionless response: the quietest output that keeps the source.

    d_n = a_n^H R_n^-1 / (a_n^H R_n^-1 a_n), with R_n the covariance of what is not source n.

    Without any noise given, R is that of the recording itself: minimum power instead of minimum variance, see `MPDR`.

    Args:
        noise: who says what is not source n: a `Statistics`, e.g. `FromDirections()` or `Masks(mask)` (R_n: the other sources and
            the noise), or (..., mic, freq, frame) frames without the wanted sources; None uses the recording itself.
        loading: relative diagonal loading of R; guards against errors of A.
        reference: as for every linear decoder.

    Cost: O(freq mic^2 (frame + mic)), with statistics O(freq mic^2 source (frame + mic)). Differentiable in A and y.

    Raises: ShapeError for statistics or frames of another array or number of sources, or a negative loading.

    Reference: J. Capon, "High-resolution frequency-wavenumber spectrum analysis", Proc. IEEE 1969, eq. (12).
    """

    def __init__(self, noise: Tensor | Statistics | None = None, loading: float = 1e-2, reference: int | None = 0) -> None:
        super().__init__(reference)
        _check_loading(loading, "MVDR")
        _check_noise(noise, "MVDR")
        self.noise, self.loading = noise, loading

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """a_n^H R_n^-1 / (a_n^H R_n^-1 a_n), row by row."""
        if not isinstance(self.noise, Statistics):
            return distortionless(_load(_frames_covariance(self.noise, y, A, "MVDR"), self.loading, y), A)
        R = rest_covariance(_statistics(self.noise, y, response, A, "MVDR"))
        return distortionless_each(_load(R, self.loading, y), A)


class MPDR(LinearDecoder):
    """Minimum power, distortionless response (Capon), robust where the steering vectors are not quite right.

    d_n = a_n^H (R + mu_n I)^-1 / (a_n^H (R + mu_n I)^-1 a_n), with R the covariance of the recording. A source that is not
    quite where A says is minimised as well; mu_n keeps every steering vector within the uncertainty, |a - a_n|^2 <= e |a_n|^2,
    from being taken for noise (robust Capon beamformer).

    Args:
        uncertainty: e, 0 <= e < 1, a number or (freq,), e.g. `steering_uncertainty(array, frequencies, direction=0.1)`; 0 trusts
            A.
        loading: relative diagonal loading of R besides.
        reference: as for every linear decoder.

    Cost: O(freq mic^2 (frame + mic)); with uncertainty one eigenvalue problem a frequency and O(freq source mic^3).
    Differentiable in A and y, with mu held.

    Raises: ShapeError for an uncertainty outside 0 to 1 or of other frequencies, or a negative loading.

    Reference: J. Li, P. Stoica and Z. Wang, "On robust Capon beamforming and diagonal loading", IEEE TSP 2003; R. G. Lorenz and
    S. P. Boyd, "Robust minimum variance beamforming", IEEE TSP 2005.
    """

    def __init__(self, uncertainty: float | Tensor = 0.1, *, loading: float = 1e-3, reference: int | None = 0) -> None:
        super().__init__(reference)
        _check_loading(loading, "MPDR")
        radius = torch.as_tensor(uncertainty, dtype=torch.float64)
        if radius.ndim > 1 or not bool(((radius >= 0) & (radius < 1)).all()):
            raise ShapeError(f"MPDR: uncertainty {uncertainty} came; a number or (freq,) from 0 to below 1 is needed")
        self.uncertainty, self.loading = radius, loading

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """a_n^H (R + mu_n I)^-1 / (a_n^H (R + mu_n I)^-1 a_n), row by row."""
        if self.uncertainty.ndim and self.uncertainty.numel() != A.shape[-3]:
            raise ShapeError(f"MPDR: an uncertainty at {self.uncertainty.numel()} frequencies came for {A.shape[-3]}")
        R = _load(covariance(y).to(A.dtype), self.loading, y)
        if not bool(self.uncertainty.any()):
            return distortionless(R, A)
        radius = self.uncertainty.to(A.device).expand(A.shape[-3])[:, None]
        return distortionless_each(loaded(R, loading_for_uncertainty(R, A, radius)), A)


class LCMV(LinearDecoder):
    """Linearly constrained minimum variance: every source with unit gain, the others exactly zero, and little else.

    D = F^H (C^H R^-1 C)^-1 C^H R^-1, with C = [A, A_0] the sources and further nulls, F^H = [I, 0] and R the covariance of the
    noise; for R = I the pseudo-inverse. Where sources look alike to the array at single frequencies, as all do at 0 Hz, they
    share what comes from there.

    Args:
        noise: a `Statistics` (R: what belongs to no source), (..., mic, freq, frame) frames of noise, or None: the recording
            itself, with the same result while A is exact.
        nulls: response to further directions that are not to be heard, at the same array and frequencies.
        loading: relative diagonal loading of R.
        reference: as for every linear decoder.

    Cost: O(freq mic^2 (frame + mic)). Differentiable in A and y.

    Raises: ShapeError for more sources and nulls than microphones; GeometryError for directions that the array cannot tell apart.

    Reference: O. L. Frost, "An algorithm for linearly constrained adaptive array processing", Proc. IEEE 1972; H. L. Van Trees,
    "Optimum Array Processing", 2002.
    """

    def __init__(
        self,
        noise: Tensor | Statistics | None = None,
        *,
        nulls: Response | None = None,
        loading: float = 1e-2,
        reference: int | None = 0,
    ) -> None:
        super().__init__(reference)
        _check_loading(loading, "LCMV")
        _check_noise(noise, "LCMV")
        self.noise, self.nulls, self.loading = noise, nulls, loading

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """The inverse of the whitened C, for its first columns."""
        C = A if self.nulls is None else torch.cat([A, self._null_columns(A, response)], dim=-1)
        check_constraints(C, "LCMV")
        if isinstance(self.noise, Statistics):
            R = noise_covariance(_statistics(self.noise, y, response, A, "LCMV"))
        else:
            R = _frames_covariance(self.noise, y, A, "LCMV")
        L: Tensor = torch.linalg.cholesky(_load(R, self.loading, y))
        inverse = _inverse(torch.linalg.solve_triangular(L, C, upper=False))[..., : A.shape[-1], :]
        D: Tensor = torch.linalg.solve_triangular(L, inverse, upper=False, left=False)
        return D

    def _null_columns(self, A: Tensor, response: Response) -> Tensor:
        assert self.nulls is not None
        columns = self.nulls.matrix(response.frequencies).to(A)
        if columns.shape[-3:-1] != A.shape[-3:-1]:
            raise ShapeError(
                f"LCMV: nulls of shape {tuple(columns.shape)} came with a response of {tuple(A.shape)}; the same frequencies and"
                " microphones, (..., freq, mic, source), are needed"
            )
        columns = columns if self.reference is None else relative_to(columns, self.reference)
        return columns.expand(*A.shape[:-1], columns.shape[-1])


def distortionless(R: Tensor, A: Tensor) -> Tensor:
    """Rows a_n^H R^-1 / (a_n^H R^-1 a_n) for R (..., freq, mic, mic) and A (..., freq, mic, source)."""
    return _unit_gain(solve_positive(R, A), A)


def distortionless_each(R: Tensor, A: Tensor) -> Tensor:
    """The same with a covariance (..., freq, source, mic, mic) for each source."""
    return _unit_gain(solve_positive(R, A.mT[..., None])[..., 0].mT, A)


def loaded(R: Tensor, mu: Tensor) -> Tensor:
    """R + mu_n I (..., freq, source, mic, mic) for R (..., freq, mic, mic) and mu (..., freq, source)."""
    identity = torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)
    return R[..., None, :, :] + mu[..., None, None] * identity


def check_constraints(C: Tensor, who: str) -> None:
    """Refuse what no D can do: more constraints than microphones, or two sources that are one to the array.

    Args:
        C: (..., freq, mic, constraint).
        who: name of the decoder.
    """
    n_mics, n_constraints = C.shape[-2:]
    if n_constraints > n_mics:
        raise ShapeError(
            f"{who}: {n_constraints} sources and nulls came for {n_mics} microphones; at most as many as microphones can be kept"
            " apart. MVDR, MPDR, Superdirective, DelayAndSum, PseudoInverse, Tikhonov, TruncatedSVD and MinimumNorm take more"
        )
    unit = C.detach() / C.detach().abs().square().sum(-2, keepdim=True).sqrt().clamp_min(torch.finfo(C.real.dtype).tiny)
    differ = (1 - (unit.mH @ unit).abs().square()).amax(-3) + torch.eye(n_constraints, dtype=C.real.dtype, device=C.device)
    if bool((differ < ALIKE).any()):
        first, second = (int(i) + 1 for i in (differ < ALIKE).nonzero()[0][-2:])
        raise GeometryError(
            f"{who}: sources {first} and {second} look alike to the array at every frequency (the same direction, or mirrored at"
            " its line or plane); leave one out, or use MVDR or PseudoInverse"
        )


def _inverse(C: Tensor) -> Tensor:
    """Pseudo-inverse of tall C (..., mic, constraint): normal equations, and singular values where columns are nearly alike."""
    gram = C.mH @ C
    factor, failed = torch.linalg.cholesky_ex(gram.detach())
    pivots = factor.diagonal(dim1=-2, dim2=-1).real
    alike = (failed != 0) | ~(pivots.amin(-1) > 1e-3 * pivots.amax(-1))
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    inverse: Tensor = torch.linalg.solve(torch.where(alike[..., None, None], identity, gram), C.mH)
    if bool(alike.any()):
        # Singular values are several times as slow, and only the lowest frequencies need them.
        inverse = inverse.clone()
        inverse[alike] = torch.linalg.pinv(C[alike], rtol=1e-10)
    return inverse


def _unit_gain(whitened: Tensor, A: Tensor) -> Tensor:
    gain = (A.conj() * whitened).sum(-2).real
    return whitened.mH / gain.clamp_min(torch.finfo(gain.dtype).tiny)[..., None]


def _load(R: Tensor, loading: float, y: Tensor) -> Tensor:
    # Sums in single precision can leave eigenvalues below zero by their rounding.
    return load_diagonal(R, max(loading, LEAST_LOADING, 32 * torch.finfo(y.dtype).eps))


def _check_noise(noise: object, who: str) -> None:
    check_kind(who, noise, (Tensor, Statistics, type(None)), "a covariance as a tensor, statistics, or None")


def _check_loading(loading: float, who: str) -> None:
    check_number(f"{who}: loading", loading)
    if not loading >= 0:
        raise ShapeError(f"{who}: loading {loading} came; 0 or more is needed")


def _frames_covariance(noise: Tensor | None, y: Tensor, A: Tensor, who: str) -> Tensor:
    """Covariance of frames of noise, or of the recording, in the precision of A."""
    if noise is not None and (noise.ndim < 3 or noise.shape[-3:-1] != y.shape[-3:-1]):
        raise ShapeError(
            f"{who}: noise of shape {tuple(noise.shape)} came with a recording of {tuple(y.shape)}; (..., mic, freq, frame), the"
            " same microphones and frequencies, is needed"
        )
    return covariance(y if noise is None else noise.to(y.device)).to(A.dtype)


def _statistics(noise: Statistics, y: Tensor, response: Response, A: Tensor, who: str) -> Tensor:
    R = noise(y, response)
    if R.shape[-3] != A.shape[-1] + 1:
        raise ShapeError(
            f"{who}: {type(noise).__name__} tells {R.shape[-3] - 1} sources apart, the response has {A.shape[-1]}; make both for"
            " the same sources"
        )
    covariances: Tensor = R.to(A.dtype)
    return covariances
