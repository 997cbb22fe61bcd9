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

_FEATURES: Final = 12
_PARTS: Final = 4
_LEAST: Final = 1e-5
"""Power of what is silent, relative to the recording's mean at the frequency."""


class Evidence(NamedTuple):
    """What a multichannel Wiener filter knows of the sources, at the reference microphone.

    Attributes:
        mixture: (freq, frame) complex recording.
        linear: (source, freq, frame) complex sources of the linear pilot.
        filtered: (source, freq, frame) complex sources of the filter.
        variances: (source + 1, freq, frame) real, of each source and of the rest of the recording.
    """

    mixture: Tensor
    linear: Tensor
    filtered: Tensor
    variances: Tensor


class SceneNet(nn.Module):
    """From a Wiener filter's evidence to better sources.

    x_k = a_k linear_k + b_k filtered_k + c_k sum_{j != k} linear_j + d_k rest

    with real weights a, b, c, d in every bin. They come from powers and phase agreements at the reference microphone, of the
    source, of all others together and of the rest, so that neither the number of microphones, nor their layout, nor the number
    and order of sources matters; every source goes through the same layers. Convolutions over bands of 62.5 Hz and frames, most
    of them at half that rate, see 0.5 s and 500 Hz around a bin; means over frequency tell whether anybody speaks at all.

    Args:
        width: channels of the bands.
        deep: channels at half the rate.
        n_blocks: residual blocks at half the rate.

    Cost: about 12 000 multiplications a bin, frame and source.

    Reference: the idea of a network inside a separation is that of N. Makishima et al., "Independent deeply learned matrix
    analysis for determined audio source separation", IEEE/ACM TASLP 2019.
    """

    def __init__(self, width: int = 32, deep: int = 48, n_blocks: int = 4) -> None:
        super().__init__()
        self.width, self.deep, self.n_blocks = width, deep, n_blocks
        self.stem = nn.Conv2d(_FEATURES * BAND, width, 3, padding=1)
        self.before = _Block(width, 1)
        self.down = nn.Conv2d(width, deep, 2, 2)
        self.blocks = nn.ModuleList(_Block(deep, 1 << n % 4) for n in range(n_blocks))
        self.levels = nn.ModuleList(nn.Conv2d(2 * deep, deep, 1) for _ in range(n_blocks))
        self.others = nn.Conv2d(deep, deep, 1)
        self.up = nn.Conv2d(deep, 4 * width, 1)
        self.after = _Block(width, 1)
        self.mixed = nn.Conv2d(width + _FEATURES * BAND, 64, 1)
        self.weights = nn.Conv2d(64, _PARTS * BAND, 1)
        # Untrained, it gives the mean of pilot and filter.
        nn.init.zeros_(self.weights.weight)
        with torch.no_grad():
            start = torch.tensor([0.5, 0.5, 0.0, 0.0]).repeat_interleave(BAND)
            self.weights.bias.copy_(start)  # type: ignore[union-attr]

    def forward(self, evidence: Evidence) -> Tensor:
        """(source, freq, frame) better sources.

        Raises: ShapeError for parts that do not belong together.
        """
        _check(evidence)
        n = min(evidence.mixture.shape[0] // (2 * BAND) * 2 * BAND, N_BINS)
        mean = 0.5 * (evidence.linear + evidence.filtered)
        if n == 0:
            return mean
        seen = Evidence(*(part[..., :n, :] for part in evidence))
        fast = seen.variances.dtype == torch.float32 and bfloat16_is_fast(seen.variances, self.weights.weight)
        features = _features(seen, torch.bfloat16 if fast else self.weights.weight.dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            a = self.gains(features).to(evidence.variances.dtype)
        # (part, source, freq, frame)
        a = a.reshape(len(a), _PARTS, BAND, -1, a.shape[-1]).permute(1, 0, 3, 2, 4).flatten(2, 3)
        total = seen.linear.sum(0)
        below = a[0] * seen.linear + a[1] * seen.filtered + a[2] * (total - seen.linear) + a[3] * (seen.mixture - total)
        return torch.cat([below, mean[:, n:]], dim=1)

    def gains(self, features: Tensor) -> Tensor:
        """(source, part bin, band, frame) weights of (source, feature bin, band, frame), an even number of bands."""
        odd = features.shape[-1] % 2
        features = functional.pad(features, (0, odd)).contiguous(memory_format=torch.channels_last)
        wide = self.before(self.stem(features))
        h = self.down(wide)
        h = h + _mean_of_others(self.others(h))
        for block, levels in zip(self.blocks, self.levels, strict=True):
            level = h.mean(-2, keepdim=True)
            h = block(h + levels(torch.cat([level, _mean_of_others(level)], dim=1)))
        wide = self.after(wide + functional.pixel_shuffle(self.up(h), 2))
        # One layer over both, without putting them side by side first.
        late, early = self.mixed.weight[:, : self.width], self.mixed.weight[:, self.width :]
        mixed = functional.conv2d(wide, late, self.mixed.bias) + functional.conv2d(features, early)
        a: Tensor = self.weights(functional.silu(mixed))
        return a[..., : a.shape[-1] - odd]


def bfloat16_is_fast(*tensors: Tensor) -> bool:
    """Whether the processor has products of bfloat16 matrices: four times as fast, and their rounding is lost in the noise."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return compiled(*tensors) and bool(capabilities.get("amx_bf16", False))


def _mean_of_others(h: Tensor) -> Tensor:
    """For every source the mean over all others, 0 where there are none."""
    return (h.sum(0, keepdim=True) - h) / max(len(h) - 1, 1)


class _Block(nn.Module):
    """x + what convolutions, the first one dilated in time, make of it."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=(1, dilation), dilation=(1, dilation))
        self.second = nn.Conv2d(channels, channels, 1)
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(functional.silu(self.first(functional.silu(x))))
        return y


def _features(evidence: Evidence, dtype: torch.dtype) -> Tensor:
    """(source, feature bin, band, frame) what the network sees, of about unit variance: the bins of a band side by side.

    Powers are relative to the recording's mean at each frequency, and logarithmic.
    """
    mixture, linear, filtered, v = evidence
    total = linear.sum(0)
    rest = total - linear
    y, own, taken, left = (squared_abs(part) for part in (mixture, linear, filtered, rest))
    mean = y.mean(-1, keepdim=True)
    mean = mean + 1e-3 * mean.mean() + torch.finfo(y.dtype).tiny * 1e6
    scale = (mean * _LEAST).sqrt()
    share = 1 / mean

    def level(power: Tensor) -> Tensor:
        return (power * share + _LEAST).log() / 2.4 + 1.25

    def others(power: Tensor) -> Tensor:
        return power.sum(0, keepdim=True) - power

    def agreement(a: Tensor, b: Tensor, size: Tensor) -> Tensor:
        return 2 * (a.real * b.real + a.imag * b.imag) / size - 1

    sizes = [power.sqrt() + scale for power in (y, own, taken, left)]
    features = [
        *(level(own), level(taken), level(v[:-1])),
        *(level(others(own)), level(others(taken)), level(others(v[:-1]))),
        *(level(y), level(squared_abs(mixture - total)), level(v[-1])),
        agreement(linear, mixture, sizes[1] * sizes[0]),
        agreement(filtered, linear, sizes[2] * sizes[1]),
        agreement(filtered, rest, sizes[2] * sizes[3]),
    ]
    # Rounded before they are brought into the order in which convolutions read: (source, band, frame, feature, bin).
    seen = torch.stack([feature.expand_as(own).mT for feature in features], dim=1).to(dtype)
    bands = seen.reshape(*seen.shape[:-1], -1, BAND)
    return bands.permute(0, 3, 2, 1, 4).flatten(3).movedim(3, 1)


def _check(evidence: Evidence) -> None:
    mixture, linear, filtered, variances = evidence
    n_sources = linear.shape[0] if linear.ndim == 3 else 0
    wanted = (n_sources, *mixture.shape)
    if not n_sources or linear.shape != wanted or filtered.shape != wanted or variances.shape != (n_sources + 1, *mixture.shape):
        raise ShapeError(
            f"SceneNet: a mixture {tuple(mixture.shape)}, linear {tuple(linear.shape)}, filtered {tuple(filtered.shape)} and "
            f"variances {tuple(variances.shape)} came; (freq, frame), twice (source, freq, frame), (source + 1, freq, frame) "
            "were wanted"
        )
