"""What the statistical beamformers share: covariances in, one matrix a frequency out, once or block by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_number
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.directions import FromDirections
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.linear import figures_of_merit
from arrayscene.decoders.reliability import reliability
from arrayscene.decoders.statistics import Recursive, RecursiveState, Statistics, check_statistics, rest_covariance
from arrayscene.errors import ShapeError
from arrayscene.linalg import apply, load_diagonal
from arrayscene.response import MatrixResponse, Response
from arrayscene.response.relative import whitened_transfer


class StatisticalState(NamedTuple):
    """What `step` applies.

    Attributes:
        D: (..., freq, source, mic); None before the first block of recursive statistics.
        response: the relative transfer functions that were found; None likewise.
        stats: figures of merit of D, see `arrayscene.decoders.quality`.
        known: what came in of A.
        recursion: covariances up to now, of recursive statistics.
    """

    D: Tensor | None
    response: Response | None
    stats: Mapping[str, Tensor]
    known: Response | None
    recursion: RecursiveState | None


class StatisticalDecoder(Decoder):
    """A beamformer made of each source's covariance R_s and that of the rest, R_n (abstract): a subclass gives `weights`.

    The rest is the other sources and the noise, so that there may be more sources than microphones. The estimate's response are
    the relative transfer functions that stand out of the rest (covariance whitening).

    Args:
        statistics: who says whose sound is whose: `FromDirections()` (the default; needs the response), `Masks(mask)`,
            `Segments(...)`, `Clustering(...)` of one of them, or `Recursive(...)`, with which D follows the recording.
        loading: relative diagonal loading of R_n.
        reference: microphone, from 0.

    Raises: ShapeError for a loading below 0, statistics that are none, or that do not fit the response.
    """

    reference: int

    def __init__(self, statistics: Statistics | None = None, *, loading: float = 1e-3, reference: int = 0) -> None:
        super().__init__()
        if statistics is not None:
            check_statistics(type(self).__name__, statistics)
        check_number(f"{type(self).__name__}: loading", loading)
        if not loading >= 0:
            raise ShapeError(f"{type(self).__name__}: loading {loading} came; 0 or more is needed")
        self.statistics = FromDirections() if statistics is None else statistics
        self.loading, self.reference = loading, reference
        self.block = statistics.block if isinstance(statistics, Recursive) else None

    def weights(self, R_s: Tensor, R_n: Tensor) -> Tensor:
        """D (..., freq, source, mic).

        Args:
            R_s: (..., freq, source, mic, mic) complex128, of each source.
            R_n: (..., freq, source, mic, mic), of what is not that source; positive definite.
        """
        raise NotImplementedError

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> StatisticalState:
        """Take the statistics of the whole recording; recursive ones start with the first block."""
        if isinstance(self.statistics, Recursive):
            return StatisticalState(None, None, {}, response, None)
        return self._solve(self.statistics(y, response), y, response, None)

    def step(self, y: Tensor, state: StatisticalState) -> tuple[Estimate, StatisticalState]:
        """X = D y."""
        if isinstance(self.statistics, Recursive):
            recursion = self.statistics.step(y, state.known, state.recursion)
            state = self._solve(recursion.R, y, state.known, recursion)
        assert state.D is not None
        return Estimate(apply(state.D, y), state.response, state.stats), state

    def _solve(self, R: Tensor, y: Tensor, known: Response | None, recursion: RecursiveState | None) -> StatisticalState:
        R_s, R_n = source_and_rest(R, self.loading, y, known, self)
        D = self.weights(R_s, R_n)
        found = found_response(R_s, R_n, self.reference, known, y)
        return StatisticalState(D.to(y.dtype), found, found_figures(D, found), known, recursion)


def source_and_rest(R: Tensor, loading: float, y: Tensor, known: Response | None, decoder: Decoder) -> tuple[Tensor, Tensor]:
    """R_s and R_n (..., freq, source, mic, mic) out of what a `Statistics` returned, R_n loaded until it can be inverted.

    Raises: ShapeError for statistics of another number of sources than the response's.
    """
    who = type(decoder).__name__
    if known is not None and known.matrix().shape[-1] != R.shape[-3] - 1:
        raise ShapeError(
            f"{who}: statistics of {R.shape[-3] - 1} sources came with a response of {known.matrix().shape[-1]}; make both for"
            " the same sources, in the same order"
        )
    # Where a source sounds alone its rest is zero; and sums leave eigenvalues below zero by their rounding, of either covariance.
    rounding = max(1e-9, 32 * torch.finfo(y.dtype).eps) * R.diagonal(dim1=-2, dim2=-1).real.mean(-1).sum(-1)
    identity = torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)
    return R[..., :-1, :, :], load_diagonal(rest_covariance(R), loading) + rounding[..., None, None, None] * identity


def found_response(R_s: Tensor, R_n: Tensor, reference: int, known: Response | None, y: Tensor) -> MatrixResponse:
    """The relative transfer functions that stand out of the rest."""
    A = whitened_transfer(R_s, R_n, reference=reference).mT
    return MatrixResponse(A, bin_frequencies(known, y), None if known is None else known.diffuse())


def found_figures(D: Tensor, found: Response) -> Figures:
    """Figures of merit of D against what it was made from; no error of the geometry counts, since none was used."""
    A = found.matrix()
    return figures_of_merit(D, A, found).but(reliability=lambda: reliability(D.detach(), A.detach()))


def bin_frequencies(known: Response | None, y: Tensor) -> Tensor:
    """(freq,) hertz of the frames y (..., mic, freq, frame); bin numbers where no response says more."""
    if known is not None:
        return known.frequencies
    return torch.arange(y.shape[-2], dtype=torch.float64, device=y.device)
