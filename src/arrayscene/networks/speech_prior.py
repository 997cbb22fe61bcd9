"""SpeechPrior: a small network that knows what clean speech is like, as the denoiser of a diffusion."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from arrayscene.errors import ShapeError
from arrayscene.networks.scene_net import bfloat16_is_fast
from arrayscene.stft import STFT

SAMPLE_RATE: Final = 16000

N_FFT: Final = 1024
"""Window of 64 ms."""

_BAND: Final = 4
"""Bins of a band: 62.5 Hz."""

_PER_BIN: Final = 3
"""Numbers in and out of a bin: in, its complex value and its level above the noise; out, a gain and a complex value."""

_EMBEDDING: Final = 32


class SpeechPrior(nn.Module):
    """E[s | s + sigma n] for speech s and Gaussian noise n, in the waveform, with a short-time Fourier transform inside.

    Both signals are whitened by the long-term spectrum of speech, `spectrum`: n has the colour of speech, sigma is its level
    relative to speech, and the preconditioning's sigma_data is `spectrum(f)`, of its own for every frequency. In whitened frames
    Z

        D(Z, sigma) = g Z + c_out R,   g = sigmoid(logit(c_skip) + a),   c_skip = 1 / (1 + sigma^2),   c_out = sigma sqrt(c_skip)

    where a (real) and R (complex) come from a U-Net over bands of 62.5 Hz and frames of 16 ms. Untrained, a = R = 0: the Wiener
    filter for a Gaussian process of the spectrum of speech.

    Args:
        width: channels of the bands; twice as many at half, three times as many at a quarter of the rate.
        n_blocks: residual blocks at a quarter of the rate.

    Shape: see `forward`. Cost: about 1.5 G multiplications a second of each source. Differentiable in x and in the weights.

    Reference: T. Karras, M. Aittala, T. Aila and S. Laine, "Elucidating the design space of diffusion-based generative models",
    NeurIPS 2022, eq. (7); the gain in place of c_skip alone is ours.
    """

    sample_rate: int = SAMPLE_RATE
    spectrum: Tensor

    def __init__(self, width: int = 32, n_blocks: int = 6) -> None:
        super().__init__()
        self.width, self.n_blocks = width, n_blocks
        middle, deep = 2 * width, 3 * width
        # Also where the weights are made without storage, to be loaded: windows are not in the file.
        with torch.device("cpu"):
            self.stft = STFT(N_FFT)
        self.register_buffer("spectrum", torch.ones(N_FFT // 2 + 1))
        self.embedding = nn.Sequential(nn.Linear(_EMBEDDING, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.stem = nn.Conv2d(_PER_BIN * _BAND, width, 3, padding=1)
        self.before = _Block(width, 1)
        self.down = nn.Conv2d(width, middle, 2, 2)
        self.middle = nn.ModuleList(_Block(middle, 1 << n) for n in range(2))
        self.lower = nn.Conv2d(middle, deep, 2, 2)
        self.deep = nn.ModuleList(_Block(deep, 1 << n % 3) for n in range(n_blocks))
        self.levels = nn.ModuleList(nn.Conv2d(deep, deep, 1) for _ in range(n_blocks))
        self.raised = nn.Conv2d(deep, 4 * middle, 1)
        self.last = nn.ModuleList(_Block(middle, 1 << n) for n in range(2))
        self.up = nn.Conv2d(middle, 4 * width, 1)
        self.after = _Block(width, 1)
        self.out = nn.Conv2d(width + _PER_BIN * _BAND, _PER_BIN * _BAND, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Denoise.

        Args:
            x: (..., sample) whitened speech of RMS about 1, and noise.
            sigma: the noise's standard deviation; a number, or one for each signal (...).

        Returns: (..., sample).

        Raises: ShapeError for no samples, or integers.
        """
        if x.ndim == 0 or x.shape[-1] == 0 or not x.is_floating_point():
            raise ShapeError(f"SpeechPrior: {x.dtype} samples of shape {tuple(x.shape)} came; real (..., sample) are needed")
        level = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).expand(x.shape[:-1]).reshape(-1)
        frames = self.stft(x.reshape(-1, x.shape[-1]).float())
        clean = self.denoise_frames(frames, level)
        return self.stft.inverse(clean, x.shape[-1]).reshape(x.shape).to(x.dtype)

    def denoise_frames(self, frames: Tensor, sigma: Tensor) -> Tensor:
        """The same for frames (batch, freq, frame) of the inner transform and sigma (batch,)."""
        s = sigma[:, None, None]
        # Windowed white noise of unit variance has this power in a bin.
        unit = math.sqrt(N_FFT / 2)
        z = frames / unit
        c_skip = 1 / (1 + s.square())
        n = N_FFT // 2
        heard = torch.view_as_real(z[:, :n] * c_skip.sqrt()).movedim(-1, 1)
        above = ((z[:, :n].abs().square() + 1e-5) / s.square()).log() / 4
        features = torch.cat([heard, above[:, None]], dim=1)
        with torch.autocast("cpu", torch.bfloat16) if bfloat16_is_fast(features, self.out.weight) else nullcontext():
            out = self.unet(_in_bands(features), sigma).float()
        a, real, imag = _in_bins(out).unbind(1)
        # sigmoid(logit(c_skip) + a), without the overflow of the logit where sigma is small.
        gain = torch.sigmoid(a - 2 * s.log())
        clean = gain * z[:, :n] + (s * c_skip.sqrt()) * torch.complex(real, imag)
        return torch.cat([clean, c_skip * z[:, n:]], dim=1) * unit

    def unet(self, bands: Tensor, sigma: Tensor) -> Tensor:
        """(batch, number bin, band, frame) of the same shape."""
        n_frames = bands.shape[-1]
        bands = functional.pad(bands, (0, -n_frames % 4)).contiguous(memory_format=torch.channels_last)
        e = self.embedding(_waves(sigma))
        wide = self.before(self.stem(bands), e)
        h = self.down(wide)
        for block in self.middle:
            h = block(h, e)
        low = self.lower(h)
        for block, levels in zip(self.deep, self.levels, strict=True):
            low = block(low + levels(low.mean(-2, keepdim=True)), e)
        h = h + functional.pixel_shuffle(self.raised(low), 2)
        for block in self.last:
            h = block(h, e)
        wide = self.after(wide + functional.pixel_shuffle(self.up(h), 2), e)
        out: Tensor = self.out(torch.cat([functional.silu(wide), bands.to(wide.dtype)], dim=1))
        return out[..., :n_frames]


class _Block(nn.Module):
    """x + what convolutions, the first one dilated in time and scaled by the noise level, make of it."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=(1, dilation), dilation=(1, dilation))
        self.second = nn.Conv2d(channels, channels, 1)
        self.film = nn.Linear(64, 2 * channels)
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        scale, shift = self.film(e)[..., None, None].chunk(2, dim=1)
        h = self.first(functional.silu(x))
        y: Tensor = x + self.second(functional.silu(h * (1 + scale) + shift))
        return y


def _waves(sigma: Tensor) -> Tensor:
    """(batch, _EMBEDDING) sines and cosines of the logarithm of sigma."""
    rates = torch.exp2(torch.linspace(-3, 2, _EMBEDDING // 2, device=sigma.device))
    angles = sigma.log()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _in_bands(bins: Tensor) -> Tensor:
    """(batch, number bin, band, frame) of (batch, number, freq, frame): the bins of a band side by side."""
    n_batch, n, _, n_frames = bins.shape
    return bins.reshape(n_batch, n, -1, _BAND, n_frames).movedim(3, 2).flatten(1, 2)


def _in_bins(bands: Tensor) -> Tensor:
    """The inverse of `_in_bands`."""
    n_batch, _, n_bands, n_frames = bands.shape
    return bands.reshape(n_batch, -1, _BAND, n_bands, n_frames).movedim(2, 3).flatten(2, 3)
