"""Recursive weighted prediction error: dereverberation that follows the room, frame by frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.wpe import microphones
from arrayscene.errors import ShapeError
from arrayscene.kernels import recursive_prediction
from arrayscene.response import MatrixResponse, Response

PRIOR = 30.0
"""Frames that the start, no reverberation, counts for; with less, the first seconds sound worse than the recording."""

FLOOR = 1e-6
"""Power of a frame, relative to the mean up to then, below which it is silence and nothing is learnt from it."""


class RecursiveState(NamedTuple):
    """The prediction as it stands, and what renews it.

    Attributes:
        G: (..., freq, mic, tap mic) complex128, the latest tap first, its microphones together.
        inverse: (..., freq, tap mic, tap mic) complex128, that of the weighted correlations of the past frames.
        past: (..., mic, freq, delay + taps - 1) the last frames.
        level: (..., freq) mean power of the frames up to now.
        position: how many there were.
        response: the microphones themselves.
    """

    G: Tensor
    inverse: Tensor
    past: Tensor
    level: Tensor
    position: int
    response: MatrixResponse


class RecursiveWPE(Decoder):
    """Dereverberation by weighted prediction error, by recursive least squares.

    x(t) = y(t) - G(t) y~(t), y~(t) = [y(t - delay), ..., y(t - delay - taps + 1)], with the G(t) that leaves least of all frames
    up to t, each weighted by alpha^age / lambda; lambda is the power of y, the mean over microphones and over the frame and the
    one before it. The "sources" are the microphones, as with `WPE`. Nothing is learnt in digital silence.

    A response that is given is not used; the one that is returned is the identity.

    Args:
        taps: frames of the past.
        delay: frames from the present to the first of the past.
        forgetting: alpha, above 0 and at most 1; the memory is hop / (1 - alpha) long, e.g. 4 s for 0.998 and a hop of 8 ms, and
            should be several times as many frames as taps times microphones.
        loading: diagonal loading of the correlations, relative to frames of unit variance.
        block: frames a step; the result does not depend on it, but the state of several megabytes is written once a step.

    Cost: O(freq frame (taps mic)^2). Differentiable in y through the torch statement. Latency: none beyond the block and the
    transform.

    Raises: ShapeError for parameters outside their range.

    Reference: T. Yoshioka, H. Tachibana, T. Nakatani and M. Miyoshi, "Adaptive dereverberation of speech signals with
    speaker-position change detection", ICASSP 2009; J. Caroselli, I. Shafran, A. Narayanan and R. Rose, "Adaptive multichannel
    dereverberation for automatic speech recognition", Interspeech 2017.
    """

    block: int

    def __init__(
        self, taps: int = 10, *, delay: int = 3, forgetting: float = 0.998, loading: float = 1e-3, block: int = 16
    ) -> None:
        super().__init__()
        if min(taps, delay, block) < 1 or not 0 < forgetting <= 1 or not loading >= 0:
            raise ShapeError(
                f"RecursiveWPE: taps={taps}, delay={delay}, forgetting={forgetting}, loading={loading}, block={block} came; taps,"
                " delay and block >= 1, a forgetting factor above 0 and at most 1, and loading >= 0 are needed"
            )
        self.taps, self.delay, self.forgetting, self.loading, self.block = taps, delay, forgetting, loading, block

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> RecursiveState:
        """State before the first frame; `y` gives axes, dtype and device."""
        n_mics, n_freqs = y.shape[-3:-1]
        leading, n = (*y.shape[:-3], n_freqs), n_mics * self.taps
        eye = torch.eye(n, dtype=torch.complex128, device=y.device)
        return RecursiveState(
            G=eye.new_zeros((*leading, n_mics, n)),
            inverse=(eye / PRIOR).expand(*leading, n, n),
            past=y.new_zeros((*y.shape[:-1], self.delay + self.taps - 1)),
            level=eye.real.new_zeros(leading),
            position=0,
            response=microphones(y, response),
        )

    def step(self, y: Tensor, state: RecursiveState) -> tuple[Estimate, RecursiveState]:
        """Take out of the next frames what those before them predict, and learn from them."""
        n_frames = y.shape[-1]
        seen = torch.cat([state.past, y], dim=-1).movedim(-3, -2)
        power = (seen.real.double().square() + seen.imag.double().square()).mean(-2)[..., -n_frames - 1 :]
        levels = self._levels(power[..., 1:], state)
        before = torch.tensor([state.position == 0] + [False] * (n_frames - 1), device=y.device)
        variance = torch.where(before, power[..., 1:], 0.5 * (power[..., 1:] + power[..., :-1]))
        variance = torch.where(power[..., 1:] > FLOOR * levels, variance, 0)
        x, inverse, G = recursive_prediction(
            seen, variance, state.inverse, state.G, state.position, self.delay, self.forgetting, self.loading * state.G.shape[-1]
        )
        state = state._replace(
            G=G,
            inverse=inverse,
            past=seen[..., n_frames:].movedim(-2, -3),
            level=levels[..., -1],
            position=state.position + n_frames,
        )
        return Estimate(x.movedim(-2, -3), state.response, {}), state

    def _levels(self, power: Tensor, state: RecursiveState) -> Tensor:
        """(..., freq, frame): the mean of the power from the first frame to each."""
        frames = torch.arange(1, power.shape[-1] + 1, device=power.device)
        return (state.level[..., None] * state.position + power.cumsum(-1)) / (state.position + frames)
