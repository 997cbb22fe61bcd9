"""A network makes what an online multichannel Wiener filter found better, while the recording goes on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_kind
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.online_wiener import OnlineWiener, OnlineWienerState
from arrayscene.decoders.quality import condition
from arrayscene.errors import ShapeError
from arrayscene.networks import Evidence, SceneNet, SceneNetState, load_scene_net
from arrayscene.response import MatrixResponse, Response


class OnlineRefinedState(NamedTuple):
    """What the filter has learnt, and the frames that the network still sees."""

    wiener: OnlineWienerState
    network: SceneNetState


class OnlineRefined(Decoder):
    """The sources of an online multichannel Wiener filter, put together by a causal network: `Refined` for live use.

    `step` takes frames as they come, in pieces of any size, and gives the same frames back; pieces of `block` frames cost least.

    Args:
        wiener: of frames of 64 ms every 16 ms, as the network was trained on; None: one as it is by default. Its own strength
            does not matter.
        network: a causal one; None: the one that the package ships.
        strength: 1 takes what the network makes; less adds the share that is missing of the mean of both filters.

    Cost: the filter's and about one and a half times as much for the network, in all 0.25 to 0.35 of the duration on one core for
    2 and 3 sources in pieces of 64 ms. Latency: that of the transform, 64 ms with its hop; no frame of the future is waited for.
    Not differentiable.

    Raises: ShapeError for a network that is not causal, and without a response.

    Reference: as of `OnlineWiener` and `Refined`.
    """

    block: int
    reference: int

    def __init__(self, wiener: OnlineWiener | None = None, network: SceneNet | None = None, *, strength: float = 1.0) -> None:
        super().__init__()
        wiener = OnlineWiener() if wiener is None else wiener
        network = load_scene_net(causal=True) if network is None else network
        check_kind("OnlineRefined", wiener, OnlineWiener, "an OnlineWiener")
        check_kind("OnlineRefined: network", network, SceneNet, "a SceneNet, such as load_scene_net(path) gives,")
        if not network.causal:
            raise ShapeError(
                "OnlineRefined: a network came that sees frames of the future; take one that was trained with causal=true"
            )
        self.wiener, self.network, self.strength = wiener, network, strength
        self.block, self.reference = wiener.block, wiener.reference

    def init(
        self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None
    ) -> OnlineRefinedState:
        """State before the first frame; `y` gives axes and device."""
        return OnlineRefinedState(self.wiener.init(y, response, generator=generator), SceneNetState())

    def step(self, y: Tensor, state: OnlineRefinedState) -> tuple[Estimate, OnlineRefinedState]:
        """Separate the next frames, and learn from them."""
        found, wiener = self.wiener.found(y, state.wiener)
        evidence = Evidence(y[..., self.reference, :, :], *found)
        refined, network = self.network.step(evidence, state.network)
        x = torch.lerp(0.5 * (found.linear + found.filtered), refined, self.strength)
        response = MatrixResponse(wiener.response.matrix().to(y.dtype), wiener.response.frequencies)
        stats = Figures(condition=lambda: condition(response.matrix()))
        return Estimate(x, response, stats), OnlineRefinedState(wiener, network)
