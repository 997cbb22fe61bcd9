"""A network makes what a multichannel Wiener filter found better."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_kind
from arrayscene.decoders.base import Decoder, Estimate, end_of
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.quality import condition
from arrayscene.decoders.wiener import MultichannelWiener
from arrayscene.errors import ShapeError
from arrayscene.networks import Evidence, SceneNet, load_scene_net
from arrayscene.response import Response


class RefinedState(NamedTuple):
    """What the network made of the whole recording, and how far it has been handed out.

    Attributes:
        x: (..., source, freq, frame).
        response: the A that the filter found.
        position: frames already decoded.
    """

    x: Tensor
    response: Response
    position: int


class Refined(Decoder):
    """The sources of a multichannel Wiener filter and of its linear pilot, put together by a network.

    In every bin the filter takes too much here and the pilot leaves too much there; a network that has heard speech knows which.
    It sees powers and phase agreements at the reference microphone alone, the same layers work on every source, so that any
    number of microphones in any layout, and of sources, will do.

    Args:
        wiener: of frames of 64 ms every 16 ms, as the network was trained on. Its own strength does not matter.
        network: None: the one that the package ships.
        strength: 1 takes what the network makes; less adds the share that is missing of the mean of filter and pilot, which errs
            otherwise.

    Raises: ShapeError for a causal network.

    Cost: the filter's, plus about 0.01 s a second and source on one core that has products of 16-bit matrices. Not differentiable
    where the filter is not. Latency: the whole recording in `init`.

    Reference: N. Makishima et al., "Independent deeply learned matrix analysis for determined audio source separation", IEEE/ACM
    TASLP 2019, where a network's sources guide a separation, as these do in `GuidedIVA`.
    """

    reference: int

    def __init__(self, wiener: MultichannelWiener, network: SceneNet | None = None, *, strength: float = 1.0) -> None:
        super().__init__()
        check_kind("Refined", wiener, MultichannelWiener, "a MultichannelWiener")
        if network is not None:
            check_kind("Refined: network", network, SceneNet, "a SceneNet, such as load_scene_net(path) gives,")
            if network.causal:
                raise ShapeError(
                    "Refined: a causal network came; OnlineRefined takes it, and load_scene_net() gives one for here"
                )
        self.strength = strength
        self.wiener, self.network = wiener, load_scene_net() if network is None else network
        self.reference = wiener.reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> RefinedState:
        """Filter the recording and let the network see it."""
        state = self.wiener.init(y, response, generator=generator)
        filtered = self.wiener.filtered(y, state)
        evidence = Evidence(y[..., self.reference, :, :], state.linear, filtered, state.variances.to(y.real.dtype))
        x = torch.lerp(0.5 * (state.linear + filtered), self.network(evidence), self.strength)
        return RefinedState(x, state.response, 0)

    def step(self, y: Tensor, state: RefinedState) -> tuple[Estimate, RefinedState]:
        """The next frames."""
        end = end_of(y, state.position, state.x.shape[-1], "Refined")
        stats = Figures(condition=lambda: condition(state.response.matrix()))
        return Estimate(state.x[..., state.position : end], state.response, stats), state._replace(position=end)
