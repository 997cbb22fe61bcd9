"""Frequency-domain independent component analysis: every frequency separated by itself, then put in order."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from arrayscene.decoders.demixing import Demixing
from arrayscene.decoders.fixed_point import fixed_points
from arrayscene.decoders.majorization import UPDATES, check_update, whitened
from arrayscene.decoders.permutation import align, best_order, in_order, likeness, loudness
from arrayscene.decoders.source_models import generalized_gauss
from arrayscene.errors import ShapeError
from arrayscene.kernels import output_power, source_covariances
from arrayscene.linalg import load_diagonal

Algorithm = Literal["fastica", "ip2", "iss"]

FLOOR = 1e-6
"""Power, relative to the mean at its frequency, that every bin is taken to have: silent frames would outweigh all others."""


class FrequencyDomainICA(Demixing):
    """Independent component analysis of each frequency, and its permutations solved afterwards.

    Minimises -2 log|det W| + sum_k <|y_k(t)|^beta> at each frequency alone: a sparse source model that knows nothing of the other
    frequencies. The outputs' order, which differs from frequency to frequency, comes from their activities, the share
    |a_k y_k|^2 / sum_j |a_j y_j|^2 of each output's images in the bin (`permutation.align`); where a response is known, each
    frequency starts from the order of the columns that it resembles. Unlike in `AuxIVA`, no frequency is bound by the others, nor
    helped.

    Args:
        n_sources: outputs to return, the loudest without a response; None: those of the response, or all.
        algorithm: "ip2" or "iss", sweeps against an auxiliary function (see `arrayscene.kernels`), or "fastica", fixed points of
            the log cosh contrast.
        beta: shape of the generalised Gaussian, above 0 and below 2; 1 is the Laplacian. Not for "fastica".
        n_iter: iterations.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    Cost: O(n_iter freq mic^3 frame) and that of `align`. Not differentiable. Latency: the whole recording in `init`, none beyond
    the transform in `step`.

    Raises: ShapeError for more sources than microphones, or an algorithm or shape outside its range.

    References: P. Smaragdis, "Blind separation of convolved mixtures in the frequency domain", Neurocomputing 1998; H. Sawada,
    S. Araki and S. Makino, "Measuring dependence of bin-wise separated signals for permutation alignment in frequency-domain
    BSS", ISCAS 2007 (the activities).
    """

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        algorithm: Algorithm = "ip2",
        beta: float = 1.0,
        n_iter: int = 30,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__(n_sources, reference=reference, loading=loading)
        check_update(algorithm, ("fastica", "ip2", "iss"), "FrequencyDomainICA")
        if not 0 < beta < 2 or n_iter < 1:
            raise ShapeError(
                f"FrequencyDomainICA: beta={beta}, n_iter={n_iter} came; a shape above 0 and below 2 and 1 iteration are needed"
            )
        self.algorithm, self.beta, self.n_iter = algorithm, beta, n_iter

    def learn(self, mixture: Tensor, start: Tensor, top: float) -> Tensor:
        """Separate each frequency; find the order."""
        D = self._separate(mixture, start)
        return in_order(D, align(_activities(D, mixture), loudness(mixture.movedim(-2, -3))))

    def learn_with_response(self, mixture: Tensor, start: Tensor, top: float, A: Tensor) -> Tensor:
        """The same, from the order of the directions, and in it."""
        D = self._separate(mixture, start)
        alike = likeness(torch.linalg.inv(D.to(torch.complex128)), A)
        order = align(_activities(D, mixture), loudness(mixture.movedim(-2, -3)), start=best_order(alike))
        # Which source is whose direction is decided once for all frequencies.
        whole = best_order(in_order(alike.mT, order).sum(-3).mT)
        return in_order(D, order.gather(-1, whole[..., None, :].expand_as(order)))

    def _separate(self, mixture: Tensor, start: Tensor) -> Tensor:
        """D at any scale, in any order."""
        white = whitened(mixture)
        if self.algorithm == "fastica":
            z = torch.complex(*white.parts.detach().unbind(-3))
            W = fixed_points(z, "logcosh", "symmetric", n_iter=self.n_iter, tolerance=1e-6).to(white.factor.dtype)
        else:
            W = white.demixing(start)
            # Outputs of unit power, which the shape of the source model is meant for.
            W = W / torch.linalg.vector_norm(W, dim=-1, keepdim=True).clamp_min(1e-30)
            for _ in range(self.n_iter):
                power = output_power(white.parts, W, pooled=False)
                weights = generalized_gauss(power + FLOOR * power.mean(-1, keepdim=True), self.beta)
                W = UPDATES[self.algorithm](W, source_covariances(white.parts, weights, white.noise), 1)
        return white.undone(W)


def _activities(D: Tensor, mixture: Tensor) -> Tensor:
    """(..., freq, output, frame) the share of each output's images in every bin."""
    with torch.no_grad():
        # |a_k|^2, the diagonal of (D D^H)^-1.
        images = torch.linalg.inv(load_diagonal(D @ D.mH, 1e-12)).diagonal(dim1=-2, dim2=-1).real[..., None]
        power = (D.to(mixture.dtype) @ mixture).abs().square() * images.to(mixture.real.dtype)
        shares: Tensor = power / power.sum(-2, keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
        return shares
