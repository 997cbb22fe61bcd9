"""Above the array's aliasing limit: another decoder there, or nothing."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import shown
from arrayscene.decoders.base import Decoder, Estimate, check_decoder
from arrayscene.decoders.mwf import SDWMWF
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse, Response

OVERLAP = 1.5
"""Ratio of frequencies over which one decoder hands over to the other; narrower bands ring."""


class HybridState(NamedTuple):
    """The states of both decoders, and the share (source, freq, 1) of the upper one."""

    low: Any
    high: Any
    share: Tensor


class Hybrid(Decoder):
    """One decoder below a crossover frequency and another above it.

    x = (1 - s(f)) x_low + s(f) x_high, with s rising from 0 to 1 over half an octave below the crossover. Below the aliasing
    limit a linear decoder places exact nulls; above it directions look alike, its lobes fall on other sources, and what masks
    gather from the recording does better.

    Args:
        low: decoder below the crossover; it must return as many sources as `high`, in the same order.
        crossover: hertz; one number or one a source, e.g. `array.aliasing_hz()`.
        high: decoder above it; by default a Wiener filter whose covariances come from masks, and these from the directions.

    Cost and latency: those of both. Differentiable where they are.

    Raises: ShapeError for a crossover that is not positive, where no response tells the frequencies, or for decoders of different
    block, reference microphone or number of sources.
    """

    def __init__(self, low: Decoder, crossover: float | Tensor, high: Decoder | None = None) -> None:
        super().__init__()
        check_decoder("Hybrid", low)
        if high is not None:
            check_decoder("Hybrid", high)
        self.low, self.high = low, high or SDWMWF()
        self.crossover = _checked(crossover, "Hybrid")
        for what in ("block", "reference"):
            below, above = getattr(self.low, what), getattr(self.high, what)
            if below != above:
                raise ShapeError(f"Hybrid: decoders with {what}={below} and {what}={above} came; take equal ones")
        self.block, self.lookahead = self.low.block, max(self.low.lookahead, self.high.lookahead)
        self.reference = self.low.reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> HybridState:
        """Start both decoders."""
        share = upper_share(_frequencies(response, "Hybrid"), self.crossover).to(y.real.dtype)
        low, high = (decoder.init(y, response, generator=generator) for decoder in (self.low, self.high))
        return HybridState(low, high, share.to(y.device))

    def step(self, y: Tensor, state: HybridState) -> tuple[Estimate, HybridState]:
        """Decode the next frames with both and join them."""
        low, low_state = self.low.step(y, state.low)
        high, high_state = self.high.step(y, state.high)
        if low.x.shape != high.x.shape:
            raise ShapeError(f"Hybrid: {low.x.shape[-3]} sources from below and {high.x.shape[-3]} from above; take equal ones")
        share = state.share[..., 0].mT
        stats = {"reliability": torch.lerp(low.reliability, high.reliability, share.to(low.reliability))}
        found = None
        if low.response is not None and high.response is not None:
            A, B = low.response.matrix(), high.response.matrix()
            found = MatrixResponse(torch.lerp(A, B, share[..., None, :].to(A)), low.response.frequencies)
        x = low.x + state.share * (high.x - low.x)
        return Estimate(x, found, stats), HybridState(low_state, high_state, state.share)


class AntiAliasing(Decoder):
    """A decoder with a low-pass at the array's aliasing limit: above it, rather silence than the wrong source.

    Args:
        decoder: whose sources are filtered.
        cutoff: hertz; one number or one a source, e.g. `array.aliasing_hz()`; the gain falls to 0 over half an octave below it.

    Cost and latency: those of the decoder. Differentiable where it is.

    Raises: ShapeError for a cutoff that is not positive, or where no response tells the frequencies.
    """

    def __init__(self, decoder: Decoder, cutoff: float | Tensor) -> None:
        super().__init__()
        check_decoder("AntiAliasing", decoder)
        self.decoder, self.cutoff = decoder, _checked(cutoff, "AntiAliasing")
        self.block, self.lookahead, self.reference = decoder.block, decoder.lookahead, decoder.reference

    def init(
        self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None
    ) -> tuple[Any, Tensor]:
        """Start the decoder; the state is its own, and the gain (source, freq, 1)."""
        gain = 1 - upper_share(_frequencies(response, "AntiAliasing"), self.cutoff)
        return self.decoder.init(y, response, generator=generator), gain.to(y.device, y.real.dtype)

    def step(self, y: Tensor, state: tuple[Any, Tensor]) -> tuple[Estimate, tuple[Any, Tensor]]:
        """Decode the next frames and leave out what lies above."""
        estimate, inner = self.decoder.step(y, state[0])
        trust = estimate.reliability * state[1][..., 0].mT
        return estimate._replace(x=estimate.x * state[1], stats={**estimate.stats, "reliability": trust}), (inner, state[1])


def upper_share(frequencies: Tensor, crossover: Tensor) -> Tensor:
    """(source, freq, 1) 0 up to crossover / `OVERLAP`, 1 from the crossover on, a raised cosine of log frequency between."""
    octaves = torch.log(frequencies.clamp_min(1e-3) / crossover.to(frequencies)[:, None]) / math.log(OVERLAP) + 1
    share: Tensor = 0.5 - 0.5 * torch.cos(math.pi * octaves.clamp(0, 1))
    return share[..., None]


def _checked(frequency: float | Tensor, who: str) -> Tensor:
    try:
        hertz = torch.as_tensor(frequency, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ShapeError(f"{who}: a frequency limit of {shown(frequency)} came; positive hertz is needed") from None
    hertz = hertz[None] if hertz.ndim == 0 else hertz
    if hertz.ndim != 1 or not bool((hertz > 0).all()):
        raise ShapeError(
            f"{who}: a frequency limit of {hertz.tolist()} came; positive hertz, one number or one a source, is needed"
        )
    return hertz


def _frequencies(response: Response | None, who: str) -> Tensor:
    if response is None:
        raise ShapeError(
            f"{who}: no response came, which tells the frequencies; pass e.g. PlaneWave(array, azimuth, frequencies=...)"
        )
    return response.frequencies
