"""Short-time Fourier transform whose whole and block-by-block forms agree sample by sample."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arrayscene.arguments import check_kind, check_number, check_whole
from arrayscene.errors import ShapeError


class STFTState(NamedTuple):
    """What a block-by-block transform carries over: the last `n_fft - hop` samples in, and the unfinished samples out."""

    tail: Tensor
    overlap: Tensor


class STFT(nn.Module):
    """Short-time Fourier transform with a root-Hann window on both sides and exact reconstruction.

    Y(f, t) = sum_n w(n) y(n + t hop - (n_fft - hop)) e^{-j 2 pi f n / n_fft}

    Frame t ends with sample (t + 1) hop, so that nothing looks ahead; the start is padded with zeros. Synthesis uses the dual
    window w / sum_k w(n + k hop)^2.

    Args:
        n_fft: window length in samples, even.
        hop: samples from frame to frame; divides n_fft at least twice.

    Latency: `n_fft - hop` samples from a sample's arrival to its reconstruction, plus the block itself.
    Differentiable in the samples and in the frames.

    Raises: ShapeError for an odd n_fft, or a hop that does not divide it at least twice.

    Reference: D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform", 1984, eq. (6).
    """

    window: Tensor
    dual: Tensor

    def __init__(self, n_fft: int = 1024, hop: int | None = None) -> None:
        super().__init__()
        check_whole("STFT: n_fft", n_fft, 4)
        hop = n_fft // 4 if hop is None else hop
        check_whole("STFT: hop", hop)
        if n_fft % 2 or n_fft % hop or hop > n_fft // 2:
            raise ShapeError(f"STFT: n_fft={n_fft}, hop={hop} came; n_fft must be even and hop must divide it at least twice")
        self.n_fft, self.hop = n_fft, hop
        window = torch.hann_window(n_fft, periodic=True, dtype=torch.float64).sqrt()
        power = (window.square().reshape(-1, hop).sum(0)).repeat(n_fft // hop)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("dual", window / power, persistent=False)

    @property
    def n_freqs(self) -> int:
        """Number of frequency bins, n_fft / 2 + 1."""
        return self.n_fft // 2 + 1

    @property
    def latency(self) -> int:
        """Samples between a sample's arrival and its reconstruction, block not counted."""
        return self.n_fft - self.hop

    def frequencies(self, sample_rate: float) -> Tensor:
        """(freq,) bin centres in hertz, float64."""
        check_number("STFT.frequencies: sample_rate", sample_rate)
        return torch.arange(self.n_freqs, dtype=torch.float64, device=self.window.device) * (sample_rate / self.n_fft)

    def n_frames(self, n_samples: int) -> int:
        """Frames that `forward` makes of `n_samples`: enough to reconstruct every sample."""
        return -(-(n_samples + self.latency) // self.hop)

    def forward(self, samples: Tensor) -> Tensor:
        """Transform samples (..., sample), real, to frames (..., freq, frame), complex.

        Raises: ShapeError for complex or integer samples, and for what is no tensor.
        """
        if not isinstance(samples, Tensor):
            raise ShapeError(f"STFT: a {type(samples).__name__} came; a tensor is needed, e.g. torch.from_numpy(samples)")
        if samples.ndim == 0:
            raise ShapeError(f"STFT: the number {samples.item()} came; samples (..., sample) are needed")
        if not samples.is_floating_point():
            raise ShapeError(f"STFT: samples of {samples.dtype} came; floating point is needed, e.g. samples.float()")
        frames = self.n_frames(samples.shape[-1])
        right = frames * self.hop - samples.shape[-1]
        return self._analyse(nn.functional.pad(samples, (self.latency, right)))

    def inverse(self, frames: Tensor, n_samples: int) -> Tensor:
        """Reconstruct samples (..., sample) from frames (..., freq, frame).

        Raises: ShapeError where the frames have another n_fft or are too few for `n_samples`.
        """
        check_kind("STFT.inverse", frames, Tensor, "a tensor of frames")
        check_whole("STFT.inverse: n_samples", n_samples, 0)
        if frames.ndim < 2 or frames.shape[-2] != self.n_freqs or frames.shape[-1] < self.n_frames(n_samples):
            raise ShapeError(
                f"STFT.inverse: frames of shape {tuple(frames.shape)} came; (..., {self.n_freqs}, at least"
                f" {self.n_frames(n_samples)}) is needed for {n_samples} samples"
            )
        return self._synthesise(frames)[..., self.latency : self.latency + n_samples]

    def init(self, samples: Tensor) -> STFTState:
        """State before the first block; `samples` (..., sample) gives batch axes, dtype and device."""
        zeros = samples.new_zeros((*samples.shape[:-1], self.latency))
        return STFTState(zeros, zeros)

    def step(self, samples: Tensor, state: STFTState) -> tuple[Tensor, STFTState]:
        """Transform the next block (..., k hop) to (..., freq, k); equals the same frames of `forward`.

        Raises: ShapeError for a block that is no multiple of the hop.
        """
        if samples.shape[-1] % self.hop:
            raise ShapeError(f"STFT.step: a block of {samples.shape[-1]} samples came; a multiple of hop={self.hop} is needed")
        padded = torch.cat([state.tail, samples], dim=-1)
        return self._analyse(padded), state._replace(tail=padded[..., padded.shape[-1] - self.latency :])

    def step_inverse(self, frames: Tensor, state: STFTState) -> tuple[Tensor, STFTState]:
        """Reconstruct the next k hop samples from (..., freq, k); they lie `latency` samples behind the input."""
        samples = self._synthesise(frames)
        done = frames.shape[-1] * self.hop
        head = samples[..., : self.latency] + state.overlap[..., : samples.shape[-1]]
        samples = torch.cat([head, samples[..., self.latency :]], dim=-1)
        return samples[..., :done], state._replace(overlap=samples[..., done:])

    def _analyse(self, padded: Tensor) -> Tensor:
        blocks = padded.unfold(-1, self.n_fft, self.hop) * self.window.to(padded.dtype)
        frames: Tensor = torch.fft.rfft(blocks, dim=-1)
        return frames.mT

    def _synthesise(self, frames: Tensor) -> Tensor:
        blocks: Tensor = torch.fft.irfft(frames.mT, n=self.n_fft, dim=-1)
        n_frames, ratio = blocks.shape[-2], self.n_fft // self.hop
        dual = self.dual.to(blocks.dtype).reshape(ratio, self.hop)
        parts = blocks.reshape(*blocks.shape[:-1], ratio, self.hop)
        out = blocks.new_zeros((*blocks.shape[:-2], n_frames + ratio - 1, self.hop))
        for i in range(ratio):
            out[..., i : i + n_frames, :].addcmul_(parts[..., i, :], dual[i])
        return out.flatten(-2)
