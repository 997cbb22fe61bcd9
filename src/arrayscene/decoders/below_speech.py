"""What sounds below speech goes to the source from whose direction it comes."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.errors import ShapeError
from arrayscene.response import Response
from arrayscene.stft import STFT

TOP_HZ: Final = 60.0
"""Below it a talker's activity does not tell what is his: rumble and offsets of his recording do not follow his words."""

STEADY_HZ: Final = 4.0
"""Below it wavefronts turn by too little within any array; but what is nearer is louder."""

WIDTH_HZ: Final = 2.5
"""Stretches of frequency that go to one source."""

ALIGNED: Final = 0.8
"""Least cosine between a gradient over the microphones and that of the source."""

AHEAD: Final = 0.6
"""Least lead over the next source."""

DOMINANT: Final = 10.0
"""Least power of the strongest wavefront, relative to the next."""


class BelowSpeechState(NamedTuple):
    """All of the estimate, and how far it has been handed out."""

    whole: Estimate
    position: int


class BelowSpeech(Decoder):
    """A decoder, but that sound below 60 Hz that clearly comes from one source's direction goes to that source as a whole.

    A separation tells by activity which part at one frequency belongs to which at another, and small arrays hear all directions
    alike at low frequencies. Rumble and offsets, which do not follow the words, therefore end up with any source, and as they may
    be louder than the speech, one source then seems lost. Over the whole recording even small differences between microphones
    stand out: the phases of the strongest eigenvector lead on the source's side, and below 4 Hz its sizes do.

    Args:
        decoder: of whole recordings, whose sources come in the order of the response.
        stft: transform of the frames; its windows overlap by three quarters or more.
        reference: microphone, from 0, at which the sources are heard.

    Cost: the decoder's, plus little. Without a response the decoder's result passes. Latency: the whole recording in `init`.

    Raises: ShapeError for a decoder that works in blocks, and for frames of another transform.
    """

    reference: int

    def __init__(self, decoder: Decoder, stft: STFT, *, reference: int = 0) -> None:
        super().__init__()
        if decoder.block is not None:
            raise ShapeError(f"BelowSpeech: {type(decoder).__name__} works block by block; take one of whole recordings")
        self.decoder, self.stft, self.reference = decoder, stft, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> BelowSpeechState:
        """Decode the recording, and give what is below speech to whom it belongs."""
        if y.shape[-2] != self.stft.n_freqs:
            raise ShapeError(f"BelowSpeech: frames of {y.shape[-2]} frequencies came; its STFT makes {self.stft.n_freqs}")
        state: Any = self.decoder.init(y, response, generator=generator)
        whole = self.decoder.step(y, state)[0]
        if response is not None and y.shape[-3] > 1:
            whole = whole._replace(x=self._given_back(whole.x, y, response))
        return BelowSpeechState(whole, 0)

    def step(self, y: Tensor, state: BelowSpeechState) -> tuple[Estimate, BelowSpeechState]:
        """The next frames."""
        end = state.position + y.shape[-1]
        if end > state.whole.x.shape[-1]:
            raise ShapeError(
                f"BelowSpeech: frames up to {end} came after an init with {state.whole.x.shape[-1]}; it knows those only, so init"
                " with the whole recording"
            )
        return state.whole._replace(x=state.whole.x[..., state.position : end]), state._replace(position=end)

    def _given_back(self, x: Tensor, y: Tensor, response: Response) -> Tensor:
        """The sources x (..., source, freq, frame) with each stretch of low frequencies where it belongs."""
        spacing = float(response.frequencies[1] - response.frequencies[0])
        rate = spacing * self.stft.n_fft / self.stft.hop
        n_bins = min(math.ceil((TOP_HZ + rate / 2) / spacing), y.shape[-2])
        # How a bin turns from frame to frame tells frequencies within it apart.
        bins = spacing * torch.arange(n_bins, dtype=torch.float64, device=y.device)[:, None]
        turns = rate * torch.fft.fftfreq(y.shape[-1], dtype=torch.float64, device=y.device)
        hertz = turns + rate * ((bins - turns) / rate).round()
        group = (hertz.abs() / WIDTH_HZ).round().long()
        n_groups = round(TOP_HZ / WIDTH_HZ)
        lines = torch.fft.fft(y[..., :n_bins, :].to(torch.complex128))
        owner = self._owners(torch.where(hertz < 0, lines.conj(), lines), group, n_groups, response)
        # Above the last group, and where it is nobody's, the decoder's own.
        owner = functional.pad(owner, (0, 1), value=-1)[..., group.clamp(max=n_groups)][..., None, :, :]
        found = torch.fft.fft(x[..., :n_bins, :].to(torch.complex128))
        sources = torch.arange(x.shape[-3], device=x.device)[:, None, None]
        heard = lines[..., self.reference, None, :, :]
        found = torch.where(owner < 0, found, torch.where(owner == sources, heard, 0))
        return torch.cat([torch.fft.ifft(found).to(x.dtype), x[..., n_bins:, :]], dim=-2)

    def _owners(self, lines: Tensor, group: Tensor, n_groups: int, response: Response) -> Tensor:
        """(..., group) the source to which each stretch of frequencies belongs, -1 for none.

        Args:
            lines: (..., mic, freq, line) spectrum over the whole recording.
            group: (freq, line) that each line belongs to.
            n_groups: to look at.
            response: whose low frequencies show on which side each source is.
        """
        # One more on top, as the neighbour of the last.
        groups = torch.arange(n_groups + 1, device=lines.device)
        of_group = (group == groups[:, None, None]).to(lines.dtype)
        R = torch.einsum("...mfl,...nfl,gfl->...gmn", lines, lines.conj(), of_group)
        power, vectors = torch.linalg.eigh(R)
        strongest = vectors[..., -1]
        # Phases are those to the mean of the microphones.
        strongest = strongest / strongest.mean(-1, keepdim=True)
        turned = functional.pad(_unit(strongest.imag), (0, 0, 1, 1))
        # Noise seldom comes from one direction at three frequencies.
        turned = (turned[..., :-2, :] + turned[..., 1:-1, :] + turned[..., 2:, :]) / 3
        steady = groups * WIDTH_HZ < STEADY_HZ
        alike = torch.where(steady[:, None], _unit(strongest.real), turned) @ _sides(response)
        best, owner = alike.sort(dim=-1, descending=True)
        clear = (best[..., 0] > ALIGNED) & (power[..., -1] > DOMINANT * power[..., -2])
        if best.shape[-1] > 1:
            clear &= best[..., 0] - best[..., 1] > AHEAD
        return torch.where(clear, owner[..., 0], -1)[..., :n_groups]


def _sides(response: Response) -> Tensor:
    """(..., mic, source) unit slopes of the phases that each source's wavefront has over the microphones."""
    bin_ = int((response.frequencies - TOP_HZ).abs().argmin())
    A = response.matrix()[..., bin_, :, :].to(torch.complex128)
    A = A * A.mean(-2, keepdim=True).conj()
    return _unit(A.imag.mT).mT


def _unit(slope: Tensor) -> Tensor:
    """Slopes (..., mic) less their mean, at unit norm; zero where there is none."""
    slope = slope - slope.mean(-1, keepdim=True)
    return functional.normalize(slope, dim=-1)
