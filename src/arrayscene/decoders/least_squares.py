"""Decoders that invert A alone: the matched filter, and the inverses of A with what keeps them from blowing noise up."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from arrayscene.arguments import check_number
from arrayscene.decoders import regularization
from arrayscene.decoders.linear import LinearDecoder
from arrayscene.errors import ShapeError
from arrayscene.linalg import covariance, filtered_inverse, load_diagonal
from arrayscene.response import Response

Choice = Literal["noise", "l-curve", "gcv"]

FAINTEST = 1e-8
"""Least power of a source, relative to the mean, in the updates of `MinimumNorm`."""


class DelayAndSum(LinearDecoder):
    """Delay-and-sum, the matched filter of the response: align every microphone to the source and average.

    D = A^H / |a_n|^2, row by row. The least noise gain of all distortionless decoders, and the least rejection of other sources.
    With any other response than plane waves it also weighs the microphones by how well they hear the source.

    Cost: O(freq mic source). Differentiable in A and y. No latency beyond the transform's.

    Reference: H. L. Van Trees, "Optimum Array Processing", 2002, section 2.4.
    """

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """A^H / |a_n|^2."""
        return matched_filter(A)


class PseudoInverse(LinearDecoder):
    """Invert A in the least-squares sense, with a fixed amount of Tikhonov loading.

    D = (A^H A + mu I)^-1 A^H for M >= N, so that D A = I; D = A^H (A A^H + mu I)^-1 for M <= N, so that A D = I (minimum norm),
    both for loading 0. mu = loading trace(A^H A) / min(M, N).

    Sources that the array cannot tell apart (alike directions; all of them at 0 Hz) share what comes from there equally.

    Args:
        loading: relative Tikhonov loading; 0 inverts exactly and amplifies noise where A is ill-conditioned (low frequencies).
        reference: as for every linear decoder.

    Cost: O(freq mic source min(mic, source)). Differentiable in A and y.

    Raises: ShapeError for a negative loading.

    Reference: A. N. Tikhonov, "Solution of incorrectly formulated problems and the regularization method", 1963.
    """

    def __init__(self, loading: float = 1e-3, reference: int | None = 0) -> None:
        super().__init__(reference)
        check_number("PseudoInverse: loading", loading)
        if not loading >= 0:
            raise ShapeError(f"PseudoInverse: loading {loading} came; 0 or more is needed")
        self.loading = loading

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """The loaded inverse of A."""
        n_mics, n_sources = A.shape[-2:]
        D: Tensor
        if self.loading == 0:
            D = torch.linalg.pinv(A)
        elif n_mics >= n_sources:
            D = torch.linalg.solve(load_diagonal(A.mH @ A, self.loading), A.mH)
        else:
            D = torch.linalg.solve(load_diagonal(A @ A.mH, self.loading), A).mH
        return D


class Tikhonov(LinearDecoder):
    """Invert A with the Tikhonov loading that each frequency of the recording asks for.

    D = V diag(s_i / (s_i^2 + mu)) U^H, with A = U S V^H and mu chosen by the noise level ("noise": the residual is as large as
    the noise), by the corner of the L-curve ("l-curve") or by generalised cross-validation ("gcv"); a number or one for every
    frequency is mu itself. `PseudoInverse(loading)` takes the same loading, relative to A, at every frequency.

    "noise" is careful: its sources err by up to 2.5 times the power of the best mu's where A is exact and well conditioned, but
    in rooms, where A is not exact, it does best. "gcv" comes within a few per cent of the best mu where A is exact and there are
    tens of frames. "l-curve" needs noise that shows in the solution; with few sources it is the least sure of the three.

    Args:
        regularization: "noise", "l-curve", "gcv", or mu in the units of A^H A, a number or (freq,).
        noise: power of the sensor noise at one microphone, a number or (freq,), for "noise"; None estimates it from what the
            sources cannot explain (M > N) or from the least eigenvalue of the recording's covariance.
        reference: as for every linear decoder.

    Cost: one SVD a frequency, O(freq mic source min(mic, source)), and O(freq mic^2 frame) for the covariance. Differentiable in
    y, and in A where its singular values differ, with mu held.

    Raises: ShapeError for another regularization, a negative mu or noise, or one of other frequencies.

    Reference: P. C. Hansen, "Rank-Deficient and Discrete Ill-Posed Problems", 1998; each choice in `decoders.regularization`.
    """

    def __init__(
        self, regularization: Choice | float | Tensor = "noise", *, noise: float | Tensor | None = None, reference: int | None = 0
    ) -> None:
        super().__init__(reference)
        if isinstance(regularization, str) and regularization not in ("noise", "l-curve", "gcv"):
            raise ShapeError(f"Tikhonov: {regularization!r} came; 'noise', 'l-curve', 'gcv' or mu is needed")
        if noise is not None and regularization != "noise":
            raise ShapeError(f"Tikhonov: a noise power came with {regularization!r}; it serves 'noise' only")
        for value, what in ((regularization, "mu"), (noise, "noise")):
            if isinstance(value, float | int | Tensor) and not bool((torch.as_tensor(value) >= 0).all()):
                raise ShapeError(f"Tikhonov: {what} {value} came; 0 or more is needed")
        self.regularization, self.noise = regularization, noise

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """The loaded inverse of A."""
        U, s, Vh = torch.linalg.svd(A, full_matrices=False)
        mu = self._loading(U, s, y)
        # A rank that is missing stays missing, however small mu is.
        kept = s > max(A.shape[-2:]) * torch.finfo(s.dtype).eps * s[..., :1]
        return filtered_inverse(U, torch.where(kept, s / torch.where(kept, s.square() + mu[..., None], 1), 0), Vh)

    def _loading(self, U: Tensor, s: Tensor, y: Tensor) -> Tensor:
        """The loading (..., freq)."""
        if not isinstance(self.regularization, str):
            return _per_frequency(self.regularization, s, "mu")
        R = covariance(y).to(U.dtype)
        seen = regularization.spectrum(U.detach(), s.detach(), R.detach())
        if self.regularization == "l-curve":
            return regularization.l_curve(seen)
        if self.regularization == "gcv":
            return regularization.cross_validation(seen)
        noise = regularization.noise_power(seen, R) if self.noise is None else _per_frequency(self.noise, s, "noise")
        return regularization.discrepancy(seen, noise)


class TruncatedSVD(LinearDecoder):
    """Invert A along the singular vectors that it transmits well, and leave the others out.

    D = sum_i v_i u_i^H / s_i over the i with s_i >= s_1 / max_condition, with A = U S V^H.

    Args:
        max_condition: largest s_1 / s_i that is inverted: noise is amplified by at most its square over the best direction's.
        rank: most singular vectors that are kept; None: no limit of its own.
        reference: as for every linear decoder.

    Cost: one SVD a frequency, O(freq mic source min(mic, source)). Differentiable in y, and in A where its singular
    values differ.

    Raises: ShapeError for a condition or a rank below 1.

    Reference: P. C. Hansen, "The truncated SVD as a method for regularization", BIT 1987.
    """

    def __init__(self, max_condition: float = 30.0, *, rank: int | None = None, reference: int | None = 0) -> None:
        super().__init__(reference)
        if not max_condition >= 1 or (rank is not None and rank < 1):
            raise ShapeError(f"TruncatedSVD: max_condition={max_condition}, rank={rank} came; 1 or more is needed")
        self.max_condition, self.rank = max_condition, rank

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """The inverse of what is kept of A."""
        U, s, Vh = torch.linalg.svd(A, full_matrices=False)
        kept = (s >= s[..., :1] / self.max_condition) & (s > torch.finfo(s.dtype).tiny)
        if self.rank is not None:
            kept = kept & (torch.arange(s.shape[-1], device=s.device) < self.rank)
        return filtered_inverse(U, torch.where(kept, 1 / torch.where(kept, s, 1), 0), Vh)


class MinimumNorm(LinearDecoder):
    """Weighted minimum norm: of all sources that explain the recording, those of the least weighted power.

    D = P A^H (A P A^H + mu I)^-1, with P = diag(p_n) the powers expected of the sources and mu = loading trace(A P A^H) / M. For
    M <= N and loading 0, A D = I whatever P. Each update sets p_n = sqrt(mean |x_n|^2), which lowers the sum of the sources'
    amplitudes: with more directions than sources the power gathers in few of them. No update and equal powers:
    `PseudoInverse(loading)`.

    Args:
        power: (source,) or (freq, source) powers to start from; None: all alike.
        n_iter: updates from the recording; 0 keeps `power`.
        loading: relative Tikhonov loading.
        reference: as for every linear decoder.

    Cost: O(freq (n_iter + 1) mic^2 (mic + source)) and O(freq mic^2 frame) for the covariance. Differentiable in A and y.

    Raises: ShapeError for powers that are negative or of other sources, a negative loading or number of updates.

    Reference: I. F. Gorodnitsky and B. D. Rao, "Sparse signal reconstruction from limited data using FOCUSS: a re-weighted
    minimum norm algorithm", IEEE TSP 1997; for many frames: S. F. Cotter, B. D. Rao, K. Engan and K. Kreutz-Delgado, "Sparse
    solutions to linear inverse problems with multiple measurement vectors", IEEE TSP 2005.
    """

    def __init__(
        self, power: Tensor | None = None, *, n_iter: int = 20, loading: float = 1e-3, reference: int | None = 0
    ) -> None:
        super().__init__(reference)
        if power is not None and (power.ndim not in (1, 2) or not bool((power >= 0).all())):
            raise ShapeError(
                f"MinimumNorm: powers of shape {tuple(power.shape)} came; (source,) or (freq, source), >= 0, is needed"
            )
        if n_iter < 0 or not loading >= 0:
            raise ShapeError(f"MinimumNorm: n_iter={n_iter}, loading={loading} came; 0 or more is needed")
        self.power, self.n_iter, self.loading = power, n_iter, loading

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """P A^H (A P A^H + mu I)^-1."""
        n_sources = A.shape[-1]
        p = A.real.new_ones(n_sources) if self.power is None else self.power.to(A.real)
        if p.shape[-1] != n_sources or (p.ndim == 2 and p.shape[0] != A.shape[-3]):
            raise ShapeError(
                f"MinimumNorm: powers of shape {tuple(p.shape)} came for {A.shape[-3]} frequencies and {n_sources} sources"
            )
        D = self._inverse(A, p)
        if self.n_iter == 0:
            return D
        R = covariance(y).to(A.dtype)
        for _ in range(self.n_iter):
            p = (D @ R * D.conj()).sum(-1).real.clamp_min(0)
            p = p / p.mean(-1, keepdim=True).clamp_min(torch.finfo(p.dtype).tiny)
            # Below this a source could not come back, and the root has no slope at 0.
            D = self._inverse(A, (p + FAINTEST).sqrt())
        return D

    def _inverse(self, A: Tensor, p: Tensor) -> Tensor:
        weighted = A * p[..., None, :]
        D: Tensor = torch.linalg.solve(load_diagonal(weighted @ A.mH, max(self.loading, regularization.LEAST)), weighted).mH
        return D


def matched_filter(A: Tensor) -> Tensor:
    """Rows a_n^H / |a_n|^2 (..., source, mic) for A (..., mic, source); zero for a column of zeros."""
    power = A.abs().square().sum(-2)
    return A.mH / power.clamp_min(torch.finfo(power.dtype).tiny)[..., None]


def _per_frequency(value: float | Tensor, s: Tensor, what: str) -> Tensor:
    """`value` as (freq,) float64 for singular values s (..., freq, k)."""
    values = torch.as_tensor(value, dtype=s.dtype, device=s.device)
    if values.ndim > 1 or (values.ndim == 1 and values.numel() != s.shape[-2]):
        raise ShapeError(f"Tikhonov: {what} of shape {tuple(values.shape)} came; a number or ({s.shape[-2]},) is needed")
    return values.expand(s.shape[-2])
