"""A decoder's sources, each times its share of every bin: what directions or masks say beyond a linear decoder's reach."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate, check_decoder
from arrayscene.decoders.directions import FromDirections
from arrayscene.decoders.least_squares import DelayAndSum
from arrayscene.decoders.statistics import Statistics, check_statistics
from arrayscene.errors import ShapeError
from arrayscene.response import Response


class MaskingState(NamedTuple):
    """What `step` goes on from.

    Attributes:
        state: of the decoder; None where the reference microphone itself is masked.
        response: that the shares are told from.
        shares: (..., source, freq, frame) of the whole recording, where they are not known frame by frame.
        position: frames already decoded.
    """

    state: Any
    response: Response | None
    shares: Tensor | None
    position: int


class Masking(Decoder):
    """Time-frequency masking of a decoder's sources.

    x_n(f, t) = max(w_n(f, t), floor) z_n(f, t), with z what the decoder recovers and w each source's share of the bin. Speech is
    sparse, so one talker owns most bins; masks work where the array aliases and a linear decoder cannot place its nulls, or where
    there are more talkers than microphones, but they make musical noise where talkers share bins.

    Args:
        decoder: whose sources are masked; by default delay-and-sum, or the reference microphone itself where no response comes.
        statistics: who says whose sound each bin is; by default told from the directions.
        floor: least factor; a floor of 0.1 leaves other sources 20 dB down, and hides the masks' artefacts behind them.

    Cost and latency: those of the two. Differentiable where they are.

    Raises: ShapeError for statistics that are known after the whole recording only, with a decoder that works block by block or
        frames beyond that recording; or for statistics of another number of sources than the decoder recovers.

    Reference: O. Yilmaz and S. Rickard, "Blind separation of speech mixtures via time-frequency masking", IEEE TSP 2004.
    """

    def __init__(self, decoder: Decoder | None = None, statistics: Statistics | None = None, *, floor: float = 0.1) -> None:
        super().__init__()
        if decoder is not None:
            check_decoder("Masking", decoder)
        if statistics is not None:
            check_statistics("Masking", statistics)
        self.decoder, self.may_do_without = decoder or DelayAndSum(), decoder is None
        self.statistics, self.floor = statistics or FromDirections(), floor
        self.block, self.lookahead, self.reference = self.decoder.block, self.decoder.lookahead, self.decoder.reference
        if self.block is not None and not self.statistics.framewise:
            raise ShapeError(
                f"Masking: {type(self.decoder).__name__} works block by block, {type(self.statistics).__name__} on whole"
                " recordings; take statistics that go frame by frame (FromDirections, Masks, Segments)"
            )

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> MaskingState:
        """Start the decoder, and learn the shares where they need the whole recording."""
        shares = None if self.statistics.framewise else self.statistics.shares(y, response)[..., :-1, :, :]
        alone = self.may_do_without and response is None
        state = None if alone else self.decoder.init(y, response, generator=generator)
        return MaskingState(state, response, shares, 0)

    def step(self, y: Tensor, state: MaskingState) -> tuple[Estimate, MaskingState]:
        """Decode and mask the next frames."""
        end = state.position + y.shape[-1]
        if state.shares is None:
            shares = self.statistics.shares(y, state.response, state.position)[..., :-1, :, :]
        elif end > state.shares.shape[-1]:
            raise ShapeError(
                f"Masking: frames {state.position} to {end} came, {type(self.statistics).__name__} saw {state.shares.shape[-1]}"
                " when it started; give it the whole recording, or statistics that go frame by frame (FromDirections, Masks)"
            )
        else:
            shares = state.shares[..., state.position : end]
        estimate, inner = Estimate(y[..., self.reference or 0, None, :, :], None, {}), None
        if state.state is not None:
            estimate, inner = self.decoder.step(y, state.state)
            if shares.shape[-3] != estimate.x.shape[-3]:
                raise ShapeError(
                    f"Masking: statistics of {shares.shape[-3]} sources came with {estimate.x.shape[-3]} from"
                    f" {type(self.decoder).__name__}; make both for the same sources, in the same order"
                )
        x = estimate.x * shares.clamp_min(self.floor).to(y.real.dtype)
        return estimate._replace(x=x), MaskingState(inner, state.response, state.shares, end)
