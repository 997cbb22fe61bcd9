"""SceneNet: a small network that makes sources which a decoder found better, for any array and any number of sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from arrayscene.errors import ShapeError
from arrayscene.kernels.dispatch import compiled
from arrayscene.linalg import squared_abs

HERTZ: Final = 15.625
"""Width of a bin that the network was trained on: windows of 64 ms."""

N_BINS: Final = 512
"""Bins that it sees, up to 8 kHz; above, the filter's own result passes."""

BAND: Final = 4
"""Bins of a band."""

_FEATURES: Final = 17
_PARTS: Final = 4
_MIXED: Final = 16
"""Channels in which bands of all frequencies are mixed."""

_LEAST: Final = 1e-5
"""Power of what is silent, relative to the recording's mean at the frequency."""


class Evidence(NamedTuple):
    """What a multichannel Wiener filter knows of the sources, at the reference microphone.

    Attributes:
        mixture: (..., freq, frame) complex recording.
        linear: (..., source, freq, frame) complex sources of the linear pilot.
        filtered: (..., source, freq, frame) complex sources of the filter.
        variances: (..., source + 1, freq, frame) real, of each source and of the rest of the recording.
    """

    mixture: Tensor
    linear: Tensor
    filtered: Tensor
    variances: Tensor


class SceneNet(nn.Module):
    """From a Wiener filter's evidence to better sources.

    x_k = a_k linear_k + b_k filtered_k + c_k sum_{j != k} linear_j + d_k rest

    with complex weights a, b, c, d in every bin. They come from powers and phases at the reference microphone, of the source, of
    all others together and of the rest, so that neither the number of microphones, nor their layout, nor the number and order of
    sources matters; every source goes through the same layers, and sees the sum of all between them. A U-Net of convolutions
    over bands of 62.5 Hz and frames, at the full, half and quarter rate, sees two seconds around a bin; at the quarter rate
    layers mix all frequencies, so that harmonics and onsets speak for one another.

    Args:
        width: channels of the bands at the full rate.
        middle: at half the rate.
        deep: at a quarter of it.
        n_blocks: residual blocks at a quarter of the rate.

    Cost: about 15 width^2 + 3 middle^2 + 0.2 n_blocks deep^2 multiplications a bin, frame and source; on a processor with
    products of 16-bit matrices the layers between them take longer.

    Reference: the idea of a network inside a separation is that of N. Makishima et al., "Independent deeply learned matrix
    analysis for determined audio source separation", IEEE/ACM TASLP 2019; layers across all frequencies between others that stay
    in their band, that of C. Quan and X. Li, "SpatialNet: extensively learning spatial information for multichannel joint speech
    separation, denoising and dereverberation", IEEE/ACM TASLP 2024.
    """

    def __init__(self, width: int = 32, middle: int = 48, deep: int = 64, n_blocks: int = 4) -> None:
        super().__init__()
        self.width, self.middle, self.deep, self.n_blocks = width, middle, deep, n_blocks
        self.stem = nn.Conv2d(_FEATURES * BAND, width, 3, padding=1)
        self.before = _Block(width, 1)
        self.down = nn.Conv2d(width, middle, 2, 2)
        self.falling = nn.ModuleList(_Block(middle, 1 << n) for n in range(2))
        self.lower = nn.Conv2d(middle, deep, 2, 2)
        self.surroundings = nn.ModuleList(_Surroundings(deep) for _ in range(n_blocks))
        self.blocks = nn.ModuleList(_Block(deep, 1 << n % 3) for n in range(n_blocks))
        self.raised = nn.Conv2d(deep, 4 * middle, 1)
        self.rising = nn.ModuleList(_Block(middle, 1 << n) for n in range(2))
        self.up = nn.Conv2d(middle, 4 * width, 1)
        self.after = _Block(width, 1)
        self.mixed = nn.Conv2d(width + _FEATURES * BAND, 64, 1)
        self.weights = nn.Conv2d(64, 2 * _PARTS * BAND, 1)
        # Untrained, it gives the mean of pilot and filter.
        nn.init.zeros_(self.weights.weight)
        with torch.no_grad():
            start = torch.tensor([0.5, 0.5, *[0.0] * (2 * _PARTS - 2)]).repeat_interleave(BAND)
            self.weights.bias.copy_(start)  # type: ignore[union-attr]

    def forward(self, evidence: Evidence) -> Tensor:
        """(..., source, freq, frame) better sources.

        Raises: ShapeError for parts that do not belong together.
        """
        _check(evidence)
        n = min(evidence.mixture.shape[-2] // BAND * BAND, N_BINS)
        mean = 0.5 * (evidence.linear + evidence.filtered)
        if n == 0:
            return mean
        seen = Evidence(*(part[..., :n, :] for part in evidence))
        fast = seen.variances.dtype == torch.float32 and bfloat16_is_fast(seen.variances, self.weights.weight)
        features = _features(seen, torch.bfloat16 if fast else self.weights.weight.dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            a = self.gains(features.flatten(0, -4), seen.linear.shape[-3]).to(evidence.variances.dtype)
        # (part, ..., source, freq, frame), real parts of all before imaginary ones.
        bands, frames = a.shape[-2:]
        a = a.reshape(-1, 2 * _PARTS, BAND, bands, frames).permute(1, 0, 3, 2, 4).reshape(-1, *seen.linear.shape)
        a = torch.complex(a[:_PARTS], a[_PARTS:])
        mixture, total = seen.mixture[..., None, :, :], seen.linear.sum(-3, keepdim=True)
        found = a[0] * seen.linear + a[1] * seen.filtered + a[2] * (total - seen.linear) + a[3] * (mixture - total)
        return torch.cat([found, mean[..., n:, :]], dim=-2)

    def gains(self, features: Tensor, n_sources: int) -> Tensor:
        """(recording source, part bin, band, frame) weights of (recording source, feature bin, band, frame)."""
        n_bands, n_frames = features.shape[-2:]
        features = functional.pad(features, (0, -n_frames % 4, 0, -n_bands % 4)).contiguous(memory_format=torch.channels_last)
        wide = self.before(self.stem(features))
        h = self.down(wide)
        for block in self.falling:
            h = block(h)
        low = self.lower(h)
        for surroundings, block in zip(self.surroundings, self.blocks, strict=True):
            low = block(surroundings(low, n_sources))
        h = h + functional.pixel_shuffle(self.raised(low), 2)
        for block in self.rising:
            h = block(h)
        wide = self.after(wide + functional.pixel_shuffle(self.up(h), 2))
        # One layer over both, without putting them side by side first.
        late, early = self.mixed.weight[:, : self.width], self.mixed.weight[:, self.width :]
        mixed = functional.conv2d(wide, late, self.mixed.bias) + functional.conv2d(features, early)
        a: Tensor = self.weights(functional.silu(mixed))
        return a[..., :n_bands, :n_frames]


def bfloat16_is_fast(*tensors: Tensor) -> bool:
    """Whether the processor has products of bfloat16 matrices: four times as fast, and their rounding is lost in the noise."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return compiled(*tensors) and bool(capabilities.get("amx_bf16", False))


class _Block(nn.Module):
    """x + what convolutions, the first one dilated in time, make of it."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=(1, dilation), dilation=(1, dilation))
        self.second = nn.Conv2d(channels, channels, 1)
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(functional.silu(self.first(x)))
        return y


class _Surroundings(nn.Module):
    """x + what all sources do in the bin and in the frame, and the source at all other frequencies."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.together = nn.Conv2d(channels, channels, 1)
        self.levels = nn.Conv2d(2 * channels, channels, 1)
        self.squeezed = nn.Conv2d(channels, _MIXED, 1)
        n_bands = N_BINS // BAND // 4
        self.across = nn.Parameter(torch.randn(_MIXED, n_bands, n_bands) / n_bands**0.5)
        self.spread = nn.Conv2d(_MIXED, channels, 1)
        with torch.no_grad():
            for layer in (self.together, self.levels, self.spread):
                layer.weight.mul_(0.3)

    def forward(self, x: Tensor, n_sources: int) -> Tensor:
        # Per other source, so that two talkers and four look alike.
        each = x.reshape(-1, n_sources, *x.shape[1:])
        together = each.sum(1) / max(n_sources - 1, 1)
        level = x.mean(-2, keepdim=True)
        levels = together.mean(-2, keepdim=True).repeat_interleave(n_sources, 0)
        n_bands = x.shape[-2]
        across = self.across[:, :n_bands, :n_bands].to(x.dtype)
        mixed = torch.einsum("scft,cgf->scgt", self.squeezed(x), across)
        own = x + self.levels(torch.cat([level, levels], dim=1)) + self.spread(functional.silu(mixed))
        y: Tensor = (own.reshape(each.shape) + self.together(together)[:, None]).flatten(0, 1)
        return y


def _features(evidence: Evidence, dtype: torch.dtype) -> Tensor:
    """(..., source, feature bin, band, frame) what the network sees, of about unit variance: the bins of a band side by side.

    Powers are relative to the recording's mean at each frequency, and logarithmic.
    """
    mixture, linear, filtered, v = evidence
    mixture = mixture[..., None, :, :]
    total = linear.sum(-3, keepdim=True)
    rest, noise = total - linear, mixture - total
    y, own, taken, left, quiet = (squared_abs(part) for part in (mixture, linear, filtered, rest, noise))
    mean = y.mean(-1, keepdim=True)
    mean = mean + 1e-3 * mean.mean((-2, -1), keepdim=True) + torch.finfo(y.dtype).tiny * 1e6
    scale = (mean * _LEAST).sqrt()
    share = 1 / mean
    sources, noises = v[..., :-1, :, :], v[..., -1:, :, :]

    def level(power: Tensor) -> Tensor:
        return (power * share + _LEAST).log() / 2.4 + 1.25

    def others(power: Tensor) -> Tensor:
        return power.sum(-3, keepdim=True) - power

    def phase(a: Tensor, b: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        share = 2 / size
        return (a.real * b.real + a.imag * b.imag) * share - 1, (a.imag * b.real - a.real * b.imag) * share

    sizes = [power.sqrt() + scale for power in (y, own, taken, left, quiet)]
    features = [
        *(level(own), level(taken), level(sources)),
        *(level(others(own)), level(others(taken)), level(others(sources))),
        *(level(y), level(quiet), level(noises)),
        *phase(linear, mixture, sizes[1] * sizes[0]),
        *phase(filtered, linear, sizes[2] * sizes[1]),
        *phase(filtered, rest, sizes[2] * sizes[3]),
        *phase(linear, noise, sizes[1] * sizes[4]),
    ]
    # Rounded before they are brought into the order in which convolutions read: (source, band, frame, feature, bin).
    seen = torch.stack([feature.expand_as(own).mT for feature in features], dim=-3).to(dtype)
    bands = seen.reshape(*seen.shape[:-1], -1, BAND)
    n = bands.ndim
    return bands.permute(*range(n - 4), n - 2, n - 3, n - 4, n - 1).flatten(-2).movedim(-1, -3)


def _check(evidence: Evidence) -> None:
    mixture, linear, filtered, variances = evidence
    n_sources = linear.shape[-3] if linear.ndim >= 3 else 0
    batch, bins = mixture.shape[:-2], mixture.shape[-2:]
    wanted = (*batch, n_sources, *bins)
    if not n_sources or linear.shape != wanted or filtered.shape != wanted or variances.shape != (*batch, n_sources + 1, *bins):
        raise ShapeError(
            f"SceneNet: a mixture {tuple(mixture.shape)}, linear {tuple(linear.shape)}, filtered {tuple(filtered.shape)} and "
            f"variances {tuple(variances.shape)} came; (..., freq, frame), twice (..., source, freq, frame), "
            "(..., source + 1, freq, frame) were wanted"
        )
