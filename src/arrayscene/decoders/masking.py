"""A decoder's sources, each times its share of every bin: what directions or masks say beyond a linear decoder's reach."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.directions import FromDirections
from arrayscene.decoders.least_squares import DelayAndSum
from arrayscene.decoders.statistics import Statistics
from arrayscene.response import Response


class MaskingState(NamedTuple):
    """The state of the decoder, the response that the shares are told from, and frames already decoded."""

    state: Any
    response: Response | None
    position: int


class Masking(Decoder):
    """Time-frequency masking of a decoder's sources.

    x_n(f, t) = max(w_n(f, t), floor) z_n(f, t), with z what the decoder recovers and w each source's share of the bin. Speech is
    sparse, so one talker owns most bins; masks work where the array aliases and a linear decoder cannot place its nulls, but
    they make musical noise where talkers share bins.

    Args:
        decoder: whose sources are masked; by default delay-and-sum.
        statistics: who says whose sound each bin is; by default told from the directions.
        floor: least factor; a floor of 0.1 leaves other sources 20 dB down, and hides the masks' artefacts behind them.

    Cost and latency: those of the two. Differentiable where they are.

    Reference: O. Yilmaz and S. Rickard, "Blind separation of speech mixtures via time-frequency masking", IEEE TSP 2004.
    """

    def __init__(self, decoder: Decoder | None = None, statistics: Statistics | None = None, *, floor: float = 0.1) -> None:
        super().__init__()
        self.decoder, self.statistics = decoder or DelayAndSum(), statistics or FromDirections()
        self.floor = floor
        self.block, self.lookahead, self.reference = self.decoder.block, self.decoder.lookahead, self.decoder.reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> MaskingState:
        """Start the decoder."""
        return MaskingState(self.decoder.init(y, response, generator=generator), response, 0)

    def step(self, y: Tensor, state: MaskingState) -> tuple[Estimate, MaskingState]:
        """Decode and mask the next frames."""
        estimate, inner = self.decoder.step(y, state.state)
        shares = self.statistics.shares(y, state.response, state.position)[..., :-1, :, :]
        masked = estimate._replace(x=estimate.x * shares.clamp_min(self.floor).to(y.real.dtype))
        return masked, MaskingState(inner, state.response, state.position + y.shape[-1])
