"""Whose sound it is, learnt from the recording: other statistics, refined by clustering every frequency's bins."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.arguments import check_number, check_whole
from arrayscene.decoders.statistics import Recursive, Statistics, check_statistics
from arrayscene.errors import ShapeError
from arrayscene.kernels import cacgmm_rounds
from arrayscene.response import Response


class Clustering(Statistics):
    """Masks of a mixture of complex angular central Gaussians, started from other statistics.

    Bins are told apart by y / |y|, whose density is det(B_k)^-1 (z^H B_k^-1 z)^-M for class k. In turn every class takes its
    share of each bin (with the mean share over the frame's frequencies as prior) and B_k is fitted to its bins:
    B_k = M sum_t w_k z z^H / (z^H B_k^-1 z) / sum_t w_k. Unlike the directions that it may start from, B_k learns the room. The
    prior ties the frequencies together; a source that the start gives no share of a frame stays out of it, so that
    `Clustering(Segments(...))` is guided source separation.

    Args:
        statistics: the start, e.g. `FromDirections()` or `Segments(...)`; whole recordings only.
        n_iter: rounds.
        loading: diagonal loading of B_k, relative to its mean diagonal.

    Cost: O(n_iter freq frame source mic^2), compiled. Differentiable through the torch statement of the rounds.

    Raises: ShapeError for recursive statistics or less than one round.

    Reference: N. Ito, S. Araki and T. Nakatani, "Complex angular central Gaussian mixture model for directional statistics in
    mask-based microphone array signal processing", EUSIPCO 2016; C. Boeddecker et al., "Front-end processing for the CHiME-5
    dinner party scenario", CHiME 2018.
    """

    framewise = False

    def __init__(self, statistics: Statistics, n_iter: int = 5, *, loading: float = 1e-3) -> None:
        super().__init__()
        check_statistics("Clustering", statistics)
        check_whole("Clustering: n_iter", n_iter)
        check_number("Clustering: loading", loading)
        if isinstance(statistics, Recursive) or not loading > 0:
            raise ShapeError(
                f"Clustering: {type(statistics).__name__}, n_iter={n_iter}, loading={loading} came; statistics of whole"
                " recordings and a positive loading are needed"
            )
        self.statistics, self.n_iter, self.loading = statistics, n_iter, loading

    def shares(self, y: Tensor, response: Response | None = None, start: int = 0) -> Tensor:
        """Posteriors after the last round."""
        w = self.statistics.shares(y, response, start).to(y.real.dtype)
        # Something of everything is noise, also where the start sees none.
        noise = torch.zeros_like(w)
        noise[..., -1, :, :] = 1
        return cacgmm_rounds(y, 0.9 * w + 0.1 * noise, self.n_iter, loading=self.loading, tied=True)
