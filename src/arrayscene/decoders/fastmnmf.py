"""FastMNMF: blind separation with full-rank spatial covariances that one matrix a frequency makes diagonal."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_whole
from arrayscene.decoders.base import Decoder, Estimate, check_wanted, end_of
from arrayscene.decoders.demixing import Demixing, first_demixing, normalised, top_frequency
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.ilrma import ILRMA, starting_factors, unit_power
from arrayscene.decoders.majorization import SWEEPS, whitened
from arrayscene.decoders.quality import condition
from arrayscene.errors import ShapeError
from arrayscene.kernels import Whitened, component_weights, fastmnmf_update
from arrayscene.linalg import apply, load_diagonal
from arrayscene.response import MatrixResponse, Response

LEAK = 1e-2
"""What the start lets of every source into the components of the others, relative to its own."""

LOADING = 0.1
"""Of the beams that first tell more sources than microphones apart."""


class FastMNMFState(NamedTuple):
    """The model of the recording, and how far the filter has come.

    Attributes:
        T: (..., freq, source, basis) spectra, of those sources that are returned first.
        V: (..., source, basis, frame) activations.
        G: (..., freq, source, component) spatial weights; one frequency in model 2.
        Q: (..., freq, component, mic) takes a recording to its components.
        heard: (..., freq, component) the reference microphone's row of Q^-1.
        response: the A that was found.
        position: frames already decoded.
    """

    T: Tensor
    V: Tensor
    G: Tensor
    Q: Tensor
    heard: Tensor
    response: MatrixResponse
    position: int


class FastMNMF(Decoder):
    """Multichannel nonnegative matrix factorization with jointly diagonalisable spatial covariances.

    Source k has the variance R_k = T_k V_k and the covariance R_k Q^-1 diag(g_k) Q^-H, which holds its reverberation where ILRMA
    knows a point only. Multiplicative updates of T, V and G and sweeps of iterative source steering for Q raise the likelihood by
    turns; then a Wiener filter, x_k = Q^-1 diag(R_k g_k / sum_j R_j g_j) Q y at the reference microphone, changes from frame to
    frame. Which optimum is found depends on the start: ILRMA, whose outputs are the components and, to begin with, the sources.
    The response that it finds is, for each source, the column of its covariance that belongs to the reference microphone.

    With fewer sources than microphones the other components belong to all of them where the start is blind, since they hold parts
    of them; with a response they are what it knows nothing of, one source more, which is not returned. More sources than
    microphones need model 1 and a response to all of them, which then says how much of each source every component holds.

    Args:
        n_sources: sources; None: those of the response, or as many as microphones. Without a response the loudest outputs of the
            start become the sources.
        model: 1, weights g_k of every frequency, or 2, the same at all frequencies (FastMNMF2).
        n_bases: spectra a source.
        n_iter: updates.
        start: separation that comes first; None: `ILRMA()`.
        reference: microphone, from 0, at which the sources are heard.

    Cost: the start's, and O(n_iter freq mic frame (n_bases + mic^2)). Differentiable in y through the torch statements. Latency:
    the whole recording in `init`.

    Raises: ShapeError for more sources than microphones without what they need, no basis, or a model that there is not.

    References: K. Sekiguchi, A. A. Nugraha, Y. Bando and K. Yoshii, "Fast multichannel source separation based on jointly
    diagonalizable spatial covariance matrices", EUSIPCO 2019; K. Sekiguchi, Y. Bando, A. A. Nugraha, K. Yoshii and T. Kawahara,
    "Fast multichannel nonnegative matrix factorization with directivity-aware jointly-diagonalizable spatial covariance matrices
    for blind source separation", IEEE/ACM TASLP 2020.
    """

    reference: int

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        model: Literal[1, 2] = 1,
        n_bases: int = 8,
        n_iter: int = 10,
        start: Demixing | None = None,
        reference: int = 0,
    ) -> None:
        super().__init__()
        check_whole("FastMNMF: n_iter", n_iter, 0)
        if model not in (1, 2) or n_bases < 1:
            raise ShapeError(f"FastMNMF: model={model!r}, n_bases={n_bases} came; model 1 or 2 and at least one basis are needed")
        check_wanted(n_sources, type(self).__name__)
        self.n_sources, self.model, self.n_bases, self.n_iter, self.reference = n_sources, model, n_bases, n_iter, reference
        self.start = ILRMA() if start is None else start

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> FastMNMFState:
        """Fit the model to the whole recording."""
        n_mics = y.shape[-3]
        A = None if response is None else response.matrix()
        known = 0 if A is None else A.shape[-1]
        n_sources = self.n_sources or known or n_mics
        if max(n_sources, known) > n_mics and (self.model == 2 or n_sources != known):
            raise ShapeError(
                f"FastMNMF: {max(n_sources, known)} sources came for {n_mics} microphones; more sources than microphones need"
                " model 1 and a response to all of them"
            )
        top = top_frequency(response)
        mixture = normalised(y)
        white = whitened(mixture)
        Q, guess, G = self._beginning(white, self._components(mixture, A, top), A, n_sources)
        T, V = starting_factors(guess, self.n_bases, top)
        G = G if self.model == 1 else G[..., :1, :, :]
        for _ in range(self.n_iter):
            Q, T, V, G = fastmnmf_update(white, Q, T, V, G, SWEEPS["iss"])
        inverse = white.factor @ torch.linalg.inv(Q)
        heard = inverse[..., self.reference, :]
        column = inverse @ (G[..., :n_sources, :].to(heard.real.dtype) * heard.conj()[..., None, :]).mT
        own = column[..., self.reference : self.reference + 1, :].real.clamp_min(torch.finfo(heard.real.dtype).tiny)
        frequencies = torch.arange(y.shape[-2], dtype=torch.float64) if response is None else response.frequencies
        Q = white.undone(Q)
        return FastMNMFState(T, V, G, Q.to(y.dtype), heard.to(y.dtype), MatrixResponse(column / own, frequencies), 0)

    def step(self, y: Tensor, state: FastMNMFState) -> tuple[Estimate, FastMNMFState]:
        """Filter the next frames."""
        end = end_of(y, state.position, state.V.shape[-1], "FastMNMF")
        V = state.V[..., state.position : end]
        components = apply(state.Q, y).movedim(-3, -2) * component_weights(state.T, V, state.G)
        n_sources = state.response.values.shape[-1]
        variances = torch.einsum("...fkb,...kbt->...fkt", state.T[..., :n_sources, :], V[..., :n_sources, :, :])
        x = variances * ((state.heard[..., None, :] * state.G[..., :n_sources, :]) @ components)
        stats = Figures(condition=lambda: condition(state.response.matrix()))
        return Estimate(x.movedim(-3, -2), state.response, stats), state._replace(position=end)

    def _components(self, mixture: Tensor, A: Tensor | None, top: float) -> Tensor:
        """D (..., freq, mic, mic) of the start; blind where it could not take so many sources."""
        known = None if A is None or A.shape[-1] > mixture.shape[-2] else A
        start = first_demixing(mixture, known, self.start.loading)
        if known is None:
            return self.start.learn(mixture, start, top)
        return self.start.learn_with_response(mixture, start, top, known)

    def _beginning(self, white: Whitened, D: Tensor, A: Tensor | None, n_sources: int) -> tuple[Tensor, Tensor, Tensor]:
        """Q of the white recording, power (..., freq, source, frame) of the sources as the start tells it, and G of model 1."""
        n_mics = D.shape[-1]
        Q, power = unit_power(white.parts, white.demixing(D))
        if n_sources == n_mics:
            return Q, power, _shared(power, n_sources)
        if A is None:
            order = self._loudest_first(Q, power, white.factor)[..., None]
            Q, power = Q.gather(-2, order.expand_as(Q)), power.gather(-2, order.expand_as(power))
            return Q, power[..., :n_sources, :], _shared(power, n_sources)
        if n_sources > n_mics:
            return Q, *_from_response(A.to(Q.dtype), Q, white)
        rest = power[..., n_sources:, :].mean(-2, keepdim=True)
        return Q, torch.cat([power[..., :n_sources, :], rest], dim=-2), _with_rest(power, n_sources)

    def _loudest_first(self, Q: Tensor, power: Tensor, factor: Tensor) -> Tensor:
        """(..., freq, component) order by the power that the reference microphone hears."""
        row = factor[..., self.reference : self.reference + 1, :]
        heard = torch.linalg.solve(Q, row, left=False)[..., 0, :].abs().square() * power.mean(-1)
        order: Tensor = heard.sum(-2, keepdim=True).argsort(dim=-1, descending=True)
        return order.expand(Q.shape[:-1])


def _shared(power: Tensor, n_sources: int) -> Tensor:
    """G (..., freq, source, component) where the first components are the sources, and the others belong to all."""
    own = torch.eye(n_sources, dtype=power.dtype, device=power.device) * (1 - LEAK) + LEAK
    others = own.new_full((n_sources, power.shape[-2] - n_sources), 1 / n_sources)
    return torch.cat([own, others], dim=-1).expand(*power.shape[:-2], -1, -1)


def _with_rest(power: Tensor, n_sources: int) -> Tensor:
    """G (..., freq, source + 1, component) where the first components are the sources, and the others a source of their own."""
    n_mics = power.shape[-2]
    owner = torch.arange(n_mics, device=power.device).clamp(max=n_sources)
    G = (torch.arange(n_sources + 1, device=power.device)[:, None] == owner).to(power.dtype) * (1 - LEAK) + LEAK
    return G.expand(*power.shape[:-2], -1, -1)


def _from_response(A: Tensor, Q: Tensor, white: Whitened) -> tuple[Tensor, Tensor]:
    """Power (..., freq, source, frame) of a beam to each source, and G by how strongly the components hear it."""
    beams = torch.linalg.solve(load_diagonal(A @ A.mH, LOADING), A).mH
    _, guess = unit_power(white.parts, white.demixing(beams))
    G = (Q @ torch.linalg.solve_triangular(white.factor, A, upper=False)).abs().square().mT
    return guess, (G / G.sum(-1, keepdim=True).clamp_min(torch.finfo(G.dtype).tiny) + LEAK).to(guess.dtype)
