"""Whose sound it is, told from nothing but the recording: every frequency clustered by itself, then put in order."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.arguments import check_number, check_whole
from arrayscene.decoders.base import check_frames, check_wanted
from arrayscene.decoders.directions import FromDirections
from arrayscene.decoders.permutation import align, best_order, in_order, loudness
from arrayscene.decoders.statistics import Statistics
from arrayscene.errors import ShapeError
from arrayscene.kernels import cacgmm_rounds
from arrayscene.response import Response

SEED = 0
"""Of the shares that the rounds start from: no start is better than another, and the same recording gives the same result."""


class BlindClustering(Statistics):
    """Masks of a mixture of complex angular central Gaussians at each frequency, without directions or activity.

    The mixture of `Clustering`, but each frequency starts from random shares and has its own, constant prior; which class is
    which source is found afterwards, from the activities that frequencies have in common (`permutation.align`). Nothing is left
    for the noise: follow it with the frame's prior and a class of noise, `Clustering(BlindClustering(3), 10)`, which also gains
    0.5 to 1 dB. There may be more sources than microphones. A response says in which order the sources are wanted, and nothing
    else.

    Args:
        n_sources: classes; None: as many as the response has sources.
        n_iter: rounds.
        loading: diagonal loading of each class's covariance, relative to its mean diagonal.

    Cost: O(n_iter freq frame source mic^2), compiled, and that of `align`. Differentiable in y through the torch statement of the
    rounds; the order is held.

    Raises: ShapeError where nothing says how many sources there are, or the response has another number of them.

    Reference: N. Ito, S. Araki and T. Nakatani, "Complex angular central Gaussian mixture model for directional statistics in
    mask-based microphone array signal processing", EUSIPCO 2016; H. Sawada, S. Araki and S. Makino, "Underdetermined convolutive
    blind source separation via frequency bin-wise clustering and permutation alignment", IEEE TASLP 2011.
    """

    framewise = False

    def __init__(self, n_sources: int | None = None, n_iter: int = 30, *, loading: float = 1e-3) -> None:
        super().__init__()
        check_wanted(n_sources, type(self).__name__)
        check_whole("BlindClustering: n_iter", n_iter)
        check_number("BlindClustering: loading", loading)
        if not loading > 0:
            raise ShapeError(
                f"BlindClustering: n_sources={n_sources}, n_iter={n_iter}, loading={loading} came; a positive loading is needed"
            )
        self.n_sources, self.n_iter, self.loading = n_sources, n_iter, loading

    def shares(self, y: Tensor, response: Response | None = None, start: int = 0) -> Tensor:
        """Posteriors after the last round, in order, and none for the noise."""
        check_frames(y, response, "BlindClustering")
        n_sources = self._count(response)
        generator = torch.Generator().manual_seed(SEED)
        w = torch.rand(n_sources, *y.shape[-2:], dtype=torch.float64, generator=generator).square()
        w = (w / w.sum(0)).to(y.device, y.real.dtype)
        w = cacgmm_rounds(y, w, self.n_iter, loading=self.loading, tied=False).movedim(-3, -2)
        w = in_order(w, align(w, loudness(y))).movedim(-2, -3)
        if response is not None:
            w = in_order(w.flatten(-2), _directions_first(w, y, response)).reshape(w.shape)
        return torch.cat([w, torch.zeros_like(w[..., :1, :, :])], dim=-3)

    def _count(self, response: Response | None) -> int:
        known = None if response is None else response.matrix().shape[-1]
        n_sources = self.n_sources or known
        if n_sources is None or (known is not None and known != n_sources):
            raise ShapeError(
                f"BlindClustering: n_sources={self.n_sources} and a response of {known} sources came; say how many, and make the"
                " response for as many"
            )
        return n_sources


def _directions_first(w: Tensor, y: Tensor, response: Response) -> Tensor:
    """(..., source) the class that resembles most what is heard from each direction of the response."""
    heard = FromDirections().shares(y.detach(), response)[..., :-1, :, :].flatten(-2)
    found = w.detach().flatten(-2)
    score = (heard - heard.mean(-1, keepdim=True)) @ found.mT
    return best_order(score)
