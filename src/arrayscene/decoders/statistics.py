"""Whose sound is it: the covariance of every source and of the noise, without asking anybody for R_n.

A `Statistics` looks at the frames (and, if it needs them, at the directions) and gives every source and the noise its share of
every bin; the covariances follow. Each decoder that lives on second-order statistics takes one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from arrayscene.arguments import check_kind, check_number
from arrayscene.decoders.base import check_frames
from arrayscene.errors import ShapeError
from arrayscene.linalg import weighted_covariance
from arrayscene.response import Response
from arrayscene.stft import STFT


class Statistics(nn.Module):
    """Second-order statistics of a recording's sources and of its noise (abstract): a subclass gives `shares`.

    R_k(f) = sum_t w_k(f, t) y(f, t) y(f, t)^H / sum_t w_k(f, t): what the microphones hear while k sounds; the last k is the
    noise.
    """

    framewise: bool = True
    """Whether the shares of a frame are known from that frame alone."""

    def shares(self, y: Tensor, response: Response | None = None, start: int = 0) -> Tensor:
        """Every source's part in every bin of y (..., mic, freq, frame), and the noise's.

        Args:
            y: (..., mic, freq, frame) complex.
            response: what is known of A.
            start: number of the first frame of y in the recording.

        Returns: w (..., source + 1, freq, frame) from 0 to 1, real, the noise last; one frequency stands for all.
        """
        raise NotImplementedError

    def forward(self, y: Tensor, response: Response | None = None) -> Tensor:
        """R (..., freq, source + 1, mic, mic), complex128, the noise last."""
        check_frames(y, response, type(self).__name__)
        return weighted_covariance(y, self.shares(y, response)).to(torch.complex128)


def check_statistics(who: str, statistics: object) -> None:
    """Refuse what is no statistics where some are needed."""
    check_kind(who, statistics, Statistics, "statistics, such as FromDirections() or Masks(...),")


def noise_covariance(R: Tensor) -> Tensor:
    """R_nn (..., freq, mic, mic) out of what a `Statistics` returned: what belongs to no source."""
    return R[..., -1, :, :]


def rest_covariance(R: Tensor) -> Tensor:
    """(..., freq, source, mic, mic) out of what a `Statistics` returned: to each source, the other sources and the noise."""
    return R.sum(-3, keepdim=True) - R[..., :-1, :, :]


class Masks(Statistics):
    """Masks from a network, a separation or a person.

    The noise has what the masks leave over; where they add up to more than 1 they are scaled down to it. Who is active when is a
    mask that is alike at all frequencies: `Masks(active[:, None, :])`.

    Args:
        mask: (..., source, freq, frame) real or bool, from 0 to 1; one frequency stands for all.

    Differentiable in the mask and in y.

    Raises: ShapeError for a mask without these axes, outside 0 to 1, or of other frames than the recording.

    Reference: J. Heymann, L. Drude and R. Haeb-Umbach, "Neural network based spectral mask estimation for acoustic beamforming",
    ICASSP 2016.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        check_kind("Masks", mask, Tensor, "a tensor (..., source, freq, frame)")
        mask = mask.double() if not mask.is_floating_point() and not mask.is_complex() else mask
        if mask.is_complex() or mask.ndim < 3 or 0 in mask.shape:
            raise ShapeError(
                f"Masks: a {mask.dtype} mask of shape {tuple(mask.shape)} came; real (..., source, freq, frame) is needed"
            )
        if not bool(((mask >= 0) & (mask <= 1)).all()):
            raise ShapeError("Masks: values outside 0 to 1 came; a mask is the share of a source in each bin")
        self.register_buffer("mask", mask, persistent=False)

    def shares(self, y: Tensor, response: Response | None = None, start: int = 0) -> Tensor:
        """The masks and what they leave over."""
        end = start + y.shape[-1]
        if self.mask.shape[-2] not in (1, y.shape[-2]) or end > self.mask.shape[-1]:
            raise ShapeError(
                f"Masks: frames {start} to {end} of {y.shape[-2]} frequencies came with a mask of {self.mask.shape[-1]} frames"
                f" and {self.mask.shape[-2]} frequencies; make both with the same STFT"
            )
        mask = self.mask[..., start:end]
        total = mask.sum(-3, keepdim=True)
        return torch.cat([mask / total.clamp_min(1), (1 - total).clamp_min(0)], dim=-3)

    def forward(self, y: Tensor, response: Response | None = None) -> Tensor:
        """R of the whole recording, which must be as long as the mask."""
        if y.shape[-1] != self.mask.shape[-1]:
            raise ShapeError(
                f"Masks: {y.shape[-1]} frames came with a mask of {self.mask.shape[-1]}; make both with the same STFT"
            )
        return super().forward(y, response)


class Segments(Statistics):
    """Stretches of time in which each source sounds: from a diarisation, a label track, or a person.

    Where sources overlap they share the frame; best is a stretch of each source alone.

    Args:
        sources: one (segment, 2) list a source: first frame and the frame after the last, from 0.
        noise: (segment, 2) frames in which no source sounds; by default all in which none does.

    Raises: ShapeError for stretches without these axes or that do not run forward.
    """

    def __init__(self, sources: Sequence[ArrayLike], noise: ArrayLike | None = None) -> None:
        super().__init__()
        check_kind("Segments", sources, (Sequence, np.ndarray), "a list with one (segment, 2) list of frames a source")
        if not len(sources):
            raise ShapeError("Segments: no source came; give a (segment, 2) list of frames for each")
        self.sources = [_segments(segments) for segments in sources]
        self.noise = None if noise is None else _segments(noise)

    @classmethod
    def in_seconds(
        cls, sources: Sequence[ArrayLike], noise: ArrayLike | None = None, *, stft: STFT, sample_rate: float
    ) -> Segments:
        """The same from (segment, 2) lists in seconds, such as `Source.active`; frames count that lie wholly inside.

        Args:
            sources: one list a source, start and end in seconds.
            noise: likewise, where no source sounds.
            stft: transform of the frames that will come.
            sample_rate: hertz.
        """
        check_kind("Segments.in_seconds: stft", stft, STFT, "the STFT of the frames that will come")
        check_number("Segments.in_seconds: sample_rate", sample_rate)

        def frames(seconds: ArrayLike) -> np.ndarray:
            samples = _segments(seconds) * sample_rate
            # Frame t covers the samples from (t + 1) hop - n_fft to (t + 1) hop.
            first = np.ceil((samples[:, 0] + stft.n_fft) / stft.hop) - 1
            return np.stack([first, np.maximum(np.floor(samples[:, 1] / stft.hop), first)], axis=1)

        return cls([frames(segments) for segments in sources], None if noise is None else frames(noise))

    def shares(self, y: Tensor, response: Response | None = None, start: int = 0) -> Tensor:
        """An equal share for every source that sounds; the noise's where none does, or where it was said to be alone."""
        active = torch.stack([self._inside(segments, y, start) for segments in self.sources])
        total = active.sum(0)
        noise = (total == 0).to(active) if self.noise is None else self._inside(self.noise, y, start)
        return torch.cat([active / total.clamp_min(1), noise[None]])[:, None, :]

    @staticmethod
    def _inside(segments: np.ndarray, y: Tensor, start: int) -> Tensor:
        """(frame,) 1 inside the segments."""
        frame = np.arange(start, start + y.shape[-1])
        inside = ((frame >= segments[:, :1]) & (frame < segments[:, 1:])).any(0)
        return torch.from_numpy(inside).to(y.real.dtype).to(y.device)


class RecursiveState(NamedTuple):
    """Covariances (..., freq, source + 1, mic, mic) up to now, and frames already seen."""

    R: Tensor
    position: int


class Recursive(Statistics):
    """Statistics that follow the recording: older frames are forgotten, as long as newer ones of the same source come.

    R_k <- (1 - (1 - lambda) w_k) R_k + (1 - lambda) w_k y y^H, frame by frame: a source that pauses keeps its R_k.

    Args:
        statistics: who says whose sound it is, frame by frame; e.g. `FromDirections()`.
        forgetting: lambda, between 0 and 1; the memory is hop / (1 - lambda) long, e.g. 1.6 s for 0.99 and a hop of 16 ms.
        block: frames from update to update.

    Cost: as of the statistics, one covariance product a block.

    Raises: ShapeError for a forgetting factor or block outside their range.

    Reference: M. Souden, J. Chen, J. Benesty and S. Affes, "An integrated solution for online multichannel noise tracking and
    reduction", IEEE TASLP 2011.
    """

    framewise = False

    def __init__(self, statistics: Statistics, forgetting: float = 0.99, block: int = 8) -> None:
        super().__init__()
        check_statistics("Recursive", statistics)
        check_number("Recursive: forgetting", forgetting)
        if not 0 < forgetting < 1 or block < 1 or not statistics.framewise:
            raise ShapeError(
                f"Recursive: forgetting={forgetting}, block={block} came with {type(statistics).__name__}; a factor between 0 and"
                " 1, at least 1 frame, and statistics that go frame by frame (FromDirections, Masks, Segments) are needed"
            )
        self.statistics, self.forgetting, self.block = statistics, forgetting, block

    def shares(self, y: Tensor, response: Response | None = None, start: int = 0) -> Tensor:
        """Those of the statistics that it follows."""
        return self.statistics.shares(y, response, start)

    def forward(self, y: Tensor, response: Response | None = None) -> Tensor:
        """R as it stands after the last frame."""
        state = None
        for start in range(0, y.shape[-1], self.block):
            state = self.step(y[..., start : start + self.block], response, state)
        assert state is not None
        return state.R

    def step(self, y: Tensor, response: Response | None, state: RecursiveState | None) -> RecursiveState:
        """Take in the next frames; None before the first."""
        position = 0 if state is None else state.position
        shares = self.shares(y, response, position)
        if state is None:
            # The first block stands for all before it, so that no R starts from nothing.
            R = weighted_covariance(y, shares + 1e-3).to(torch.complex128)
            return RecursiveState(R, position + y.shape[-1])
        gains = (1 - self.forgetting) * shares.to(torch.float64)
        # What of frame t is left after the frames behind it in the block.
        kept = (1 - gains).flip(-1).cumprod(-1).flip(-1)
        left = torch.cat([kept[..., 1:], torch.ones_like(kept[..., :1])], dim=-1)
        weights = gains * left
        total = weights.sum(-1).mT[..., None, None]
        R = (1 - total) * state.R + total * weighted_covariance(y, weights).to(torch.complex128)
        return RecursiveState(R, position + y.shape[-1])


def _segments(segments: ArrayLike) -> np.ndarray:
    try:
        values = np.asarray(segments, dtype=np.float64).reshape(-1, 2) if np.size(segments) else np.zeros((0, 2))
    except (TypeError, ValueError):
        values = np.full((1, 2), np.nan)
    if np.ndim(segments) > 2 or not np.isfinite(values).all() or (values[:, 0] > values[:, 1]).any() or (values < 0).any():
        raise ShapeError(f"Segments: {segments!r} came; (segment, 2) starts and ends, 0 <= start <= end, is needed")
    return values
