"""One decoder starts from what another found."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate, check_decoder
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse, Response


class WarmStart(Decoder):
    """A decoder that is told the response which another decoder found, instead of the one that is given.

    A separation that starts from plane waves has to learn the room on the way, and may lose a source before it does; what masks
    gather from the recording is a start that knows the room.

    Args:
        first: decoder that finds a response; of whole recordings.
        second: decoder that starts from it.

    Cost: that of both. Latency: the whole recording in `init`, then that of the second.

    Raises: ShapeError for a first decoder that works in blocks or returns no response.
    """

    def __init__(self, first: Decoder, second: Decoder) -> None:
        super().__init__()
        check_decoder("WarmStart", first)
        check_decoder("WarmStart", second)
        if first.block is not None:
            raise ShapeError(f"WarmStart: {type(first).__name__} learns block by block; take one of whole recordings")
        self.first, self.second = first, second
        self.block, self.lookahead, self.reference = second.block, second.lookahead, second.reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Any:
        """The second decoder's state."""
        found = self.first(y, response, generator=generator).response
        if found is None:
            raise ShapeError(f"WarmStart: {type(self.first).__name__} returns no response; take one that does")
        diffuse = None if response is None else response.diffuse()
        start = MatrixResponse(found.matrix(), found.frequencies, diffuse)
        return self.second.init(y, start, generator=generator)

    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        """What the second decoder makes of the next frames."""
        return self.second.step(y, state)
