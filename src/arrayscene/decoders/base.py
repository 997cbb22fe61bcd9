"""What every decoder D shares: frames in, an Estimate out, with the state in the open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from arrayscene.arguments import check_kind
from arrayscene.decoders.reliability import best_reliability
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.response import Response


class Estimate(NamedTuple):
    """What a decoder recovered.

    Attributes:
        x: (..., source, freq, frame) sources as heard at the reference microphone.
        response: the A that explains the recording, y ~ A x; None where the decoder knows none.
        stats: figures by name, e.g. "condition" (..., freq); most are computed when they are first looked at.
    """

    x: Tensor
    response: Response | None
    stats: Mapping[str, Tensor]

    @property
    def reliability(self) -> Tensor:
        """(..., freq, source) 0 to 1: the share of each source that can be right, see `arrayscene.decoders.reliability`.

        The decoder's own figure where it gives one, else that of the best linear decoder for the response that was found; NaN
        where nothing is known of A.
        """
        if "reliability" in self.stats:
            return self.stats["reliability"]
        if self.response is not None:
            return best_reliability(self.response.matrix())
        return torch.full((*self.x.shape[:-3], self.x.shape[-2], self.x.shape[-3]), torch.nan, device=self.x.device)


class Decoder(nn.Module):
    """The decoder D: from what the microphones heard to what each source sounded like (abstract).

    x = D y

    `init` sees the frames that D may learn from and returns a state; `step` decodes frames with it. `forward` is both. A decoder
    with `block` set also learns in `step`, from that many frames at a time.
    """

    block: int | None = None
    """Frames an update; None: the whole recording."""

    lookahead: int = 0
    """Frames of the future that `step` waits for."""

    reference: int | None = None
    """Microphone, from 0, at which the sources are heard; None: in the scale of A."""

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Any:
        """State before the first frame, learnt from `y` (..., mic, freq, frame) where `block` is None."""
        raise NotImplementedError

    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        """Decode the next frames (..., mic, freq, frame)."""
        raise NotImplementedError

    def forward(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Estimate:
        """Decode a whole recording.

        Args:
            y: (..., mic, freq, frame) complex.
            response: what is known of A; blind decoders do without.
            generator: the only source of randomness, for decoders that draw.

        Raises:
            ShapeError: for frames of other shape or type than the decoder and the response need.
            RecordingError: for NaN or infinite values.
        """
        check_frames(y, response, type(self).__name__)
        state = self.init(y, response, generator=generator)
        if self.block is None:
            return self.step(y, state)[0]
        parts = []
        for start in range(0, y.shape[-1], self.block):
            part, state = self.step(y[..., start : start + self.block], state)
            parts.append(part)
        return parts[-1]._replace(x=torch.cat([part.x for part in parts], dim=-1))


LARGE: Final = 256
"""Microphones, more of which with few frames are taken for frequencies: axes in another order."""


def end_of(y: Tensor, position: int, n_known: int, who: str) -> int:
    """Where the next frames y end, which begin at `position`, for decoders that can decode the frames of their `init` alone.

    Raises: ShapeError beyond the `n_known` of those.
    """
    end = position + y.shape[-1]
    if end > n_known:
        raise ShapeError(
            f"{who}: frames up to {end} came after an init with {n_known}; it knows those only, so init with the whole recording"
        )
    return end


def check_wanted(n_sources: int | None, who: str) -> None:
    """Refuse to be asked for no source, or for something that is no number."""
    if n_sources is not None and (isinstance(n_sources, bool) or not isinstance(n_sources, int) or n_sources < 1):
        raise ShapeError(f"{who}: n_sources={n_sources!r} came; 1 or more is needed, or None for as many as can be told apart")


def check_decoder(who: str, decoder: object) -> None:
    """Refuse what is no decoder where one is needed."""
    check_kind(who, decoder, Decoder, "a decoder, such as DelayAndSum(),")


def check_frames(y: Tensor, response: Response | None, who: str) -> None:
    """Refuse frames that no decoder can use: wrong type, axes, NaN, or other microphones and bins than the response has."""
    if not isinstance(y, Tensor):
        raise ShapeError(f"{who}: a {type(y).__name__} came; a tensor is needed, e.g. STFT(1024)(torch.from_numpy(samples))")
    if y.ndim < 3 or not y.is_complex():
        raise ShapeError(
            f"{who}: {y.dtype} frames of shape {tuple(y.shape)} came; complex (..., mic, freq, frame) is needed, see STFT"
        )
    if 0 in y.shape:
        raise ShapeError(f"{who}: frames of shape {tuple(y.shape)} came; no axis may be empty")
    n_mics, n_freqs, n_frames = y.shape[-3:]
    # Who gives a response says with it how many microphones there are.
    blindly = response is None and n_freqs > 1 and n_mics > max(LARGE // 8, n_freqs)
    if blindly or n_mics > n_freqs * n_frames or n_mics > max(LARGE, LARGE // 32 * n_frames):
        raise ShapeError(
            f"{who}: frames of shape {tuple(y.shape)} have {n_mics} microphones, {n_freqs} frequencies and {n_frames}"
            " frames; the order is (..., mic, freq, frame)"
        )
    parts = torch.view_as_real(y.detach().resolve_conj())
    # The sum is quick to look at; where it overflows, every value decides.
    if not bool(torch.isfinite(parts.sum())) and not bool(torch.isfinite(parts).all()):
        raise RecordingError(
            f"{who}: NaN or infinite values came; leave those channels or stretches out (arrayscene.health.check names them)"
        )
    if response is not None:
        if not isinstance(response, Response):
            raise ShapeError(
                f"{who}: a {type(response).__name__} came as response; an arrayscene Response is needed, such as"
                " MatrixResponse(A, frequencies)"
            )
        n_freqs, n_mics = response.matrix().shape[-3:-1]
        if (n_mics, n_freqs) != tuple(y.shape[-3:-1]):
            raise ShapeError(
                f"{who}: frames of {y.shape[-3]} microphones and {y.shape[-2]} frequencies came with a response for"
                f" {n_mics} and {n_freqs}; make both for the same array and STFT"
            )
