"""Beamformers in terms of covariances alone: the reference-channel MVDR and the multichannel Wiener filter with a trade-off."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.decoders.gev import distortionless
from arrayscene.decoders.statistical import StatisticalDecoder
from arrayscene.decoders.statistics import Statistics
from arrayscene.errors import ShapeError
from arrayscene.kernels import principal, solve_positive


class SoudenMVDR(StatisticalDecoder):
    """MVDR without steering vectors: the source's covariance says what to keep.

    d = e_ref^T R_s R_n^-1 / (mu + trace(R_n^-1 R_s)). For R_s of rank 1 and mu 0 this is the MVDR of its transfer function
    relative to the reference microphone, for mu > 0 the Wiener filter that weights noise by mu; for R_s of more rank it takes
    away some of the source as well.

    Args:
        statistics, loading, reference: as for every statistical decoder.
        mu: trade-off, >= 0: how much noise left counts beside distortion of the source.

    Takes any number of sources, each against all the others.

    Cost: the statistics', plus O(freq source mic^3). Differentiable in A and y. Latency: the whole recording in `init`, or none
    beyond a block with recursive statistics.

    Raises: ShapeError for a negative loading or mu, or statistics that do not fit the response.

    Reference: M. Souden, J. Benesty and S. Affes, "On optimal frequency-domain multichannel linear filtering for noise
    reduction", IEEE TASLP 2010.
    """

    def __init__(
        self, statistics: Statistics | None = None, *, mu: float = 0.0, loading: float = 1e-3, reference: int = 0
    ) -> None:
        super().__init__(statistics, loading=loading, reference=reference)
        if not mu >= 0:
            raise ShapeError(f"SoudenMVDR: mu={mu} came; 0 or more is needed")
        self.mu = mu

    def weights(self, R_s: Tensor, R_n: Tensor) -> Tensor:
        """e_ref^T R_s R_n^-1 / (mu + trace)."""
        return souden(R_s, R_n, mu=self.mu, reference=self.reference)


class SDWMWF(StatisticalDecoder):
    """Speech-distortion-weighted multichannel Wiener filter.

    d = e_ref^T R_s (R_s + mu R_n)^-1 minimises E |x - d s|^2 + mu E |d n|^2: mu 1 is the Wiener filter, more takes away more
    noise and more of the source. With `rank`, R_s is first cut to that many generalised eigenvectors of (R_s, R_n): rank 1 is
    MVDR times a gain lambda / (lambda + mu), and mu 0 then MVDR itself.

    Args:
        statistics, loading, reference: as for every statistical decoder.
        mu: trade-off, >= 0; > 0 without a rank.
        rank: eigenvectors that are kept of each source's covariance; None keeps all.

    Takes any number of sources, each against all the others.

    Cost: the statistics', plus O(freq source mic^3). Differentiable in A and y; for 1 < rank < mic where eigenvalues differ.
    Latency: the whole recording in `init`, or none beyond a block with recursive statistics.

    Raises: ShapeError for mu or rank outside their range, or statistics that do not fit the response.

    Reference: A. Spriet, M. Moonen and J. Wouters, "Spatially pre-processed speech distortion weighted multi-channel Wiener
    filtering for noise reduction", Signal Processing 2004; R. Serizel, M. Moonen, B. Van Dijk and J. Wouters, "Low-rank
    approximation based multichannel Wiener filter algorithms for noise reduction with application in cochlear implants", IEEE
    TASLP 2014.
    """

    def __init__(
        self,
        statistics: Statistics | None = None,
        *,
        mu: float = 1.0,
        rank: int | None = None,
        loading: float = 1e-3,
        reference: int = 0,
    ) -> None:
        super().__init__(statistics, loading=loading, reference=reference)
        if not mu >= 0 or (rank is None and mu == 0) or (rank is not None and rank < 1):
            raise ShapeError(f"SDWMWF: mu={mu}, rank={rank} came; rank >= 1 with mu >= 0, or no rank with mu > 0, is needed")
        self.mu, self.rank = mu, rank

    def weights(self, R_s: Tensor, R_n: Tensor) -> Tensor:
        """e_ref^T R_s (R_s + mu R_n)^-1, of low rank if wished."""
        return wiener(R_s, R_n, mu=self.mu, rank=self.rank, reference=self.reference)


def souden(R_s: Tensor, R_n: Tensor, *, mu: float = 0.0, reference: int = 0) -> Tensor:
    """Filter d (..., mic) of `SoudenMVDR` for R_s and R_n (..., mic, mic), R_n positive definite."""
    whitened = solve_positive(R_n, R_s)
    trace = whitened.diagonal(dim1=-2, dim2=-1).real.sum(-1)
    return whitened[..., reference].conj() / (mu + trace).clamp_min(torch.finfo(trace.dtype).tiny)[..., None]


def wiener(R_s: Tensor, R_n: Tensor, *, mu: float = 1.0, rank: int | None = None, reference: int = 0) -> Tensor:
    """Filter d (..., mic) of `SDWMWF` for R_s and R_n (..., mic, mic), R_n positive definite."""
    d: Tensor
    if rank is None or rank >= R_s.shape[-1]:
        d = solve_positive(R_s + mu * R_n, R_s[..., reference : reference + 1])[..., 0].conj()
    elif rank == 1:
        found = principal(R_s, R_n)
        d = _shrink(found.value, mu)[..., None] * distortionless(found, reference)
    else:
        L = torch.linalg.cholesky(R_n)
        half = torch.linalg.solve_triangular(L, R_s, upper=False)
        values, V = torch.linalg.eigh(torch.linalg.solve_triangular(L, half.mH, upper=False))
        values, V = values[..., -rank:], V[..., -rank:]
        shrunk = (L[..., reference : reference + 1, :] @ V) * _shrink(values, mu)[..., None, :]
        d = torch.linalg.solve_triangular(L, shrunk @ V.mH, upper=False, left=False)[..., 0, :]
    return d


def _shrink(value: Tensor, mu: float) -> Tensor:
    value = value.clamp_min(0)
    return value / (value + mu).clamp_min(torch.finfo(value.dtype).tiny)
