"""Beamformers weighted by how loud the source is at each moment: wMPDR, and WPD, which also takes out its reverberation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.directions import FromDirections
from arrayscene.decoders.gev import distortionless
from arrayscene.decoders.statistical import found_figures, found_response, source_and_rest
from arrayscene.decoders.statistics import Recursive, Statistics
from arrayscene.errors import ShapeError
from arrayscene.kernels import principal, solve_positive
from arrayscene.linalg import apply, load_diagonal, weighted_covariance
from arrayscene.response import Response


class WeightedState(NamedTuple):
    """What `step` applies, and the frames that it still needs.

    Attributes:
        D: (..., freq, source, mic (1 + taps)), the present frame first.
        past: (..., mic, freq, delay + taps - 1) the last frames; none without taps.
        response, stats: as for every statistical decoder; figures of merit of the present frame's part of D.
    """

    D: Tensor
    past: Tensor
    response: Response
    stats: Mapping[str, Tensor]


class WMPDR(Decoder):
    """Weighted minimum power, distortionless response; with taps the convolutional beamformer WPD.

    d = a^H R^-1 / (a^H R^-1 a), R = mean_t y y^H / lambda, lambda(f, t) = |x(f, t)|^2 of the source itself: the beamformer that
    makes a source of changing power most likely, found in turn with that power. Moments in which the source is quiet say most
    about the rest. a is the relative transfer function that the statistics find (covariance whitening). With taps, y holds
    frames of the past as well, [y(t), y(t - delay), ..., y(t - delay - taps + 1)], with no constraint: late reverberation is
    predicted and goes.

    Args:
        statistics: who says whose sound is whose, for whole recordings; by default `FromDirections()`.
        n_iter: updates of the powers, from the MVDR's.
        taps: frames of the past; 0 is wMPDR.
        delay: frames from the present to the first of the past; shorter ones would whiten the source.
        floor: least lambda, relative to its mean at that frequency.
        loading: relative diagonal loading of all covariances.
        reference: microphone, from 0.

    Takes any number of sources, each against all the others.

    Cost: the statistics', plus O(n_iter freq source (mic (1 + taps))^2 (frame + mic (1 + taps))). Differentiable in A and y.
    Latency: the whole recording in `init`.

    Raises: ShapeError for parameters outside their range, recursive statistics, or statistics that do not fit the response.

    Reference: T. Nakatani and K. Kinoshita, "A unified convolutional beamformer for simultaneous denoising and dereverberation",
    IEEE SPL 2019; C. Boeddeker et al., "Jointly optimal dereverberation and beamforming", ICASSP 2020.
    """

    reference: int

    def __init__(
        self,
        statistics: Statistics | None = None,
        *,
        n_iter: int = 3,
        taps: int = 0,
        delay: int = 3,
        floor: float = 1e-2,
        loading: float = 1e-3,
        reference: int = 0,
    ) -> None:
        super().__init__()
        if n_iter < 1 or taps < 0 or delay < 1 or not floor > 0 or not loading >= 0 or isinstance(statistics, Recursive):
            raise ShapeError(
                f"WMPDR: n_iter={n_iter}, taps={taps}, delay={delay}, floor={floor}, loading={loading} came with"
                f" {type(statistics).__name__}; n_iter and delay >= 1, floor > 0, the others >= 0, and statistics of whole"
                " recordings are needed"
            )
        self.statistics = FromDirections() if statistics is None else statistics
        self.n_iter, self.taps, self.delay = n_iter, taps, delay
        self.floor, self.loading, self.reference = floor, loading, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> WeightedState:
        """Iterate over the whole recording."""
        R_s, R_n = source_and_rest(self.statistics(y, response), self.loading, y, response, self)
        found = found_response(R_s, R_n, self.reference, response, y)
        D = distortionless(principal(R_s, R_n), self.reference)
        past = y.new_zeros((*y.shape[:-1], self.delay + self.taps - 1 if self.taps else 0))
        frames = self._stacked(y, past)
        a = nn.functional.pad(found.matrix().mT, (0, frames.shape[-3] - y.shape[-3]))
        x = apply(D.to(y.dtype), y)
        for _ in range(self.n_iter):
            power = x.abs().square()
            floor = self.floor * power.mean(-1, keepdim=True) + torch.finfo(power.dtype).tiny * 1e6
            R = weighted_covariance(frames, 1 / (power + floor)).to(torch.complex128)
            R = load_diagonal(R, max(self.loading, 32 * torch.finfo(y.dtype).eps))
            whitened = solve_positive(R, a[..., None])[..., 0]
            gain = (a.conj() * whitened).sum(-1, keepdim=True).real
            D = whitened.conj() / gain.clamp_min(torch.finfo(gain.dtype).tiny)
            x = apply(D.to(y.dtype), frames)
        stats = found_figures(D[..., : y.shape[-3]], found)
        return WeightedState(D.to(y.dtype), past, found, stats)

    def step(self, y: Tensor, state: WeightedState) -> tuple[Estimate, WeightedState]:
        """X = D y."""
        x = apply(state.D, self._stacked(y, state.past))
        seen = torch.cat([state.past, y], dim=-1)
        return Estimate(x, state.response, state.stats), state._replace(past=seen[..., seen.shape[-1] - state.past.shape[-1] :])

    def _stacked(self, y: Tensor, past: Tensor) -> Tensor:
        """(..., mic (1 + taps), freq, frame): the frames over their past."""
        seen = torch.cat([past, y], dim=-1)
        delays = [0, *range(self.delay, self.delay + self.taps)]
        n_past = past.shape[-1]
        return torch.cat([seen[..., n_past - k : seen.shape[-1] - k] for k in delays], dim=-3)
