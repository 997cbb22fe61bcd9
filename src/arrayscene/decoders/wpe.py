"""Weighted prediction error: late reverberation is what the past of all microphones predicts, and goes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arrayscene.arguments import check_whole
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.convolutive import from_past, silent_past, usable_taps
from arrayscene.decoders.demixing import normalised
from arrayscene.errors import ShapeError
from arrayscene.kernels import prediction_filter
from arrayscene.response import MatrixResponse, Response


class PredictionState(NamedTuple):
    """What `step` takes out, and the frames that it still needs.

    Attributes:
        G: (..., freq, mic, tap mic), the latest tap first, its microphones together.
        past: (..., mic, freq, delay + taps - 1) the last frames.
        response: the microphones themselves.
    """

    G: Tensor
    past: Tensor
    response: MatrixResponse


class WPE(Decoder):
    """Dereverberation by weighted prediction error, of a whole recording.

    x(t) = y(t) - G y~(t), y~(t) = [y(t - delay), ..., y(t - delay - taps + 1)]: the "sources" are the microphones, each as it
    hears the direct sound and the reflections of the first frames. G makes x most likely as a signal of changing power
    lambda(t), the mean of |x|^2 over microphones: G = sum_t y y~^H / lambda (sum_t y~ y~^H / lambda)^-1, found in turn with it.
    Time differences between microphones stay, so that any decoder may follow: see `Dereverberated`. Steady tones are predicted as
    well, and go.

    A response that is given is not used; the one that is returned is the identity.

    Args:
        taps: frames of the past, together about as long as the reverberation; fewer where the recording has less than four frames
            for each coefficient of a filter.
        delay: frames from the present to the first of the past: what arrives later goes. Windows overlap, and delays shorter than
            they do would whiten the source.
        n_iter: updates of G.
        context: frames to either side over which lambda is averaged.
        floor: least lambda, relative to its mean at that frequency.
        loading: diagonal loading, relative to each entry of the diagonal; more where single precision needs it.

    Cost: O(n_iter freq (taps mic)^2 (frame + taps mic)). Differentiable in y. Latency: the whole recording in `init`, none beyond
    the transform in `step`.

    Raises: ShapeError for parameters outside their range.

    Reference: T. Nakatani, T. Yoshioka, K. Kinoshita, M. Miyoshi and B.-H. Juang, "Speech dereverberation based on
    variance-normalized delayed linear prediction", IEEE TASLP 2010; T. Yoshioka and T. Nakatani, "Generalization of
    multi-channel linear prediction methods for blind MIMO impulse response shortening", IEEE TASLP 2012.
    """

    def __init__(
        self,
        taps: int = 10,
        *,
        delay: int = 3,
        n_iter: int = 3,
        context: int = 0,
        floor: float = 1e-4,
        loading: float = 1e-8,
    ) -> None:
        super().__init__()
        for name, number in {"taps": taps, "delay": delay, "n_iter": n_iter}.items():
            check_whole(f"WPE: {name}", number)
        if min(taps, delay, n_iter) < 1 or context < 0 or not floor > 0 or not loading >= 0:
            raise ShapeError(
                f"WPE: taps={taps}, delay={delay}, n_iter={n_iter}, context={context}, floor={floor}, loading={loading} came;"
                " taps, delay and n_iter >= 1, floor > 0 and the others >= 0 are needed"
            )
        self.taps, self.delay, self.n_iter, self.context = taps, delay, n_iter, context
        self.floor, self.loading = floor, loading

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> PredictionState:
        """Learn the prediction from the whole recording."""
        frames = normalised(y)
        n_mics, n_frames = frames.shape[-2:]
        taps = usable_taps(self.taps, n_mics, n_frames)
        G = frames.new_zeros((*frames.shape[:-1], 0))
        if taps:
            G = prediction_filter(frames, taps, self.delay, self.n_iter, self.context, self.floor, self.loading)
        G = nn.functional.pad(G, (0, (self.taps - taps) * n_mics))
        return PredictionState(G, silent_past(y, G, self.delay), microphones(y, response))

    def step(self, y: Tensor, state: PredictionState) -> tuple[Estimate, PredictionState]:
        """Take out of the next frames what those before them predict."""
        predicted, past = from_past(y, state.past, state.G, self.delay)
        return Estimate(y - predicted.movedim(-2, -3), state.response, {}), state._replace(past=past)


def microphones(y: Tensor, response: Response | None) -> MatrixResponse:
    """The identity: every microphone of y is its own source."""
    n_mics, n_freqs = y.shape[-3:-1]
    frequencies = torch.arange(n_freqs, dtype=torch.float64) if response is None else response.frequencies
    return MatrixResponse(torch.eye(n_mics, dtype=torch.complex128, device=y.device).expand(n_freqs, -1, -1), frequencies)
