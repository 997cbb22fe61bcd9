"""A decoder that is given the microphones without their late reverberation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate, check_decoder
from arrayscene.errors import ShapeError
from arrayscene.response import Response


class Dereverberated(Decoder):
    """Dereverberation, then any decoder.

    x = D (y without its late reverberation). Sources come out as heard at the decoder's reference microphone, likewise without.

    Args:
        decoder: what follows.
        dereverberation: decoder whose sources are the microphones themselves, such as `WPE` or `RecursiveWPE`.

    Cost and latency: those of both. Differentiable where they are.

    Raises: ShapeError for decoders that work in blocks of different length.
    """

    def __init__(self, decoder: Decoder, dereverberation: Decoder) -> None:
        super().__init__()
        check_decoder("Dereverberated", decoder)
        check_decoder("Dereverberated", dereverberation)
        blocks = {each.block for each in (decoder, dereverberation) if each.block is not None}
        if len(blocks) > 1:
            raise ShapeError(
                f"Dereverberated: decoders with block={decoder.block} and block={dereverberation.block} came; take equal ones"
            )
        self.decoder, self.dereverberation = decoder, dereverberation
        self.block = blocks.pop() if blocks else None
        self.lookahead, self.reference = decoder.lookahead + dereverberation.lookahead, decoder.reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> tuple[Any, Any]:
        """The states of both; the decoder learns from dereverberated frames."""
        state = self.dereverberation.init(y, response, generator=generator)
        heard = self.dereverberation.step(y, state)[0].x
        return state, self.decoder.init(heard, response, generator=generator)

    def step(self, y: Tensor, state: tuple[Any, Any]) -> tuple[Estimate, tuple[Any, Any]]:
        """Dereverberate the next frames, then decode them."""
        heard, first = self.dereverberation.step(y, state[0])
        estimate, second = self.decoder.step(heard.x, state[1])
        return estimate, (first, second)
