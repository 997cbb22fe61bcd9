"""Independent vector analysis with the variances of sources that another decoder found."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.arguments import check_kind
from arrayscene.decoders.base import Decoder, check_decoder
from arrayscene.decoders.demixing import (
    DemixingState,
    LinearSeparation,
    check_count,
    completed,
    normalised,
    scaled,
    top_frequency,
)
from arrayscene.decoders.majorization import whitened
from arrayscene.decoders.source_models import source_weights
from arrayscene.decoders.transforms import Resynthesising, at_frequencies_of, decode_samples, frequencies_of
from arrayscene.errors import ShapeError
from arrayscene.kernels import exact_covariance, iss_update, output_power, source_covariances
from arrayscene.linalg import load_diagonal, squared_abs
from arrayscene.response import Response
from arrayscene.stft import STFT

LOADING = 1e-4
"""Relative diagonal loading of the recording's covariance in the start."""


class GuidedIVA(Resynthesising, LinearSeparation):
    """The linear separation that another decoder's sources ask for: a demixing matrix learnt with their variances.

    minimises sum_k sum_t |w_k^H y(t)|^2 / v_k(t) - 2 T log |det W| with v_k(f, t) held at the variance of the guide's source k,
    by sweeps of iterative source steering that start from the least-squares fit of W y to the guide. A filter that changes from
    frame to frame separates further than a linear one, but it distorts; what is learnt from its variances separates nearly as
    far, without the distortion, and serves as the pilot of a better filter.

    Args:
        guide: decoder of whole recordings, in the frames of `guide_stft`.
        stft: transform of the frames that come in, with long windows.
        guide_stft: transform of the guide's frames.
        n_iter: sweeps; before each the variances of idle outputs are taken anew.
        reference: microphone, from 0, at which the sources are heard.

    Cost: the guide's, plus O(n_iter freq mic^2 frame). Not differentiable where the guide is not. Latency: the whole recording
    in `init`, none beyond the transform in `step`.

    Raises: ShapeError for frames that `stft` did not make, a guide that learns block by block, and more sources than microphones.

    Reference: N. Makishima et al., "Independent deeply learned matrix analysis for determined audio source separation", IEEE/ACM
    TASLP 2019, whose variances come from a network.
    """

    def __init__(self, guide: Decoder, stft: STFT, guide_stft: STFT, *, n_iter: int = 3, reference: int = 0) -> None:
        super().__init__()
        check_decoder("GuidedIVA", guide)
        for transform in (stft, guide_stft):
            check_kind("GuidedIVA", transform, STFT, "the STFT of the frames")
        if guide.block is not None:
            raise ShapeError(f"GuidedIVA: {type(guide).__name__} learns block by block; take one of whole recordings")
        self.guide, self.stft, self.guide_stft, self.n_iter, self.reference = guide, stft, guide_stft, n_iter, reference

    def init_samples(
        self, y: Tensor, samples: Tensor, response: Response | None, generator: torch.Generator | None
    ) -> DemixingState:
        """Run the guide and learn the demixing matrix from its variances."""
        known = at_frequencies_of(self.guide_stft, response)
        x = decode_samples(self.guide, self.guide_stft, samples, known, generator).x
        x = self.stft(self.guide_stft.inverse(x, samples.shape[-1]))[..., : y.shape[-1]]
        n_sources, n_mics = x.shape[-3], y.shape[-3]
        check_count("GuidedIVA", n_sources, n_mics)
        guided, mixture = normalised(x), normalised(y)
        D = self._sweeps(mixture, completed(_fit(guided, mixture)), squared_abs(guided), top_frequency(response))
        return scaled(D, y, n_sources, self.reference, frequencies_of(self.stft, response))

    def _sweeps(self, mixture: Tensor, start: Tensor, guided: Tensor, top: float) -> Tensor:
        white, n_sources = whitened(mixture), guided.shape[-2]

        def covariances(power: Tensor) -> Tensor:
            return source_covariances(white.parts, source_weights(power, "banded", top), white.noise)

        V, W = covariances(guided), white.demixing(start)
        if n_sources == W.shape[-2]:
            return white.undone(iss_update(W, V, self.n_iter))
        for _ in range(self.n_iter):
            idle = covariances(output_power(white.parts, W[..., n_sources:, :], pooled=False))
            W = iss_update(W, torch.cat([V, idle], dim=-3))
        return white.undone(W)


def _fit(x: Tensor, y: Tensor) -> Tensor:
    """D (..., freq, source, mic), complex128, that makes D y closest to x, both (..., freq, channel, frame)."""
    # Where microphones hear nearly the same, the solution hangs on digits that single precision does not have.
    R = exact_covariance(torch.cat([x, y], dim=-2))
    n_sources = x.shape[-2]
    D: Tensor = torch.linalg.solve(
        load_diagonal(R[..., n_sources:, n_sources:], LOADING), R[..., :n_sources, n_sources:], left=False
    )
    return D
