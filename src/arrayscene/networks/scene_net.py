"""SceneNet: a small network that makes sources which a decoder found better, for any array and any number of sources."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from arrayscene.errors import ShapeError

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
        variances: (freq, frame, source + 1) real, of each source and of the rest of the recording.
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
        parts = _parts(evidence)
        n = min(evidence.mixture.shape[0] // (2 * BAND) * 2 * BAND, N_BINS)
        mean = 0.5 * (evidence.linear + evidence.filtered)
        if n == 0:
            return mean
        a = self.gains(_in_bands(_features(evidence, n)).to(self.weights.weight.dtype)).to(evidence.variances.dtype)
        a = a.reshape(len(a), _PARTS, BAND, -1, a.shape[-1]).movedim(2, 3).flatten(2, 3)
        below = (a * parts[:, :, :n]).sum(1)
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
        mixed = torch.cat([wide, features.to(wide.dtype)], dim=1)
        a: Tensor = self.weights(functional.silu(self.mixed(mixed)))
        return a[..., : a.shape[-1] - odd]


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


def _parts(evidence: Evidence) -> Tensor:
    """(source, part, freq, frame) what the sources are put together from."""
    linear = evidence.linear
    total = linear.sum(0, keepdim=True)
    rest = (evidence.mixture - total).expand_as(linear)
    return torch.stack([linear, evidence.filtered, total - linear, rest], dim=1)


def _in_bands(features: Tensor) -> Tensor:
    """(source, feature bin, band, frame) of (source, feature, freq, frame): the bins of a band side by side."""
    n_sources, n_features, _, n_frames = features.shape
    bands = features.reshape(n_sources, n_features, -1, BAND, n_frames)
    return bands.movedim(3, 2).flatten(1, 2)


def _features(evidence: Evidence, n_freqs: int) -> Tensor:
    """(source, feature, freq, frame) what the network sees of the first frequencies, of about unit variance.

    Powers are relative to the recording's mean at each frequency, and logarithmic.
    """
    mixture, linear, filtered, variances = (part.narrow(-2 if part.is_complex() else 0, 0, n_freqs) for part in evidence)
    y = mixture.abs().square()
    mean = y.mean(-1, keepdim=True)
    mean = mean + 1e-3 * mean.mean() + torch.finfo(y.dtype).tiny * 1e6

    def level(power: Tensor) -> Tensor:
        return (power / mean + _LEAST).log() / 2.4 + 1.25

    def others(power: Tensor) -> Tensor:
        return power.sum(0, keepdim=True) - power

    total = linear.sum(0)
    own, taken = linear.abs().square(), filtered.abs().square()
    v = variances.movedim(-1, 0)
    scale = (mean * _LEAST).sqrt()

    def agreement(a: Tensor, b: Tensor) -> Tensor:
        return 2 * (a * b.conj()).real / ((a.abs() + scale) * (b.abs() + scale)) - 1

    features = [
        *(level(own), level(taken), level(v[:-1])),
        *(level(others(own)), level(others(taken)), level(others(v[:-1]))),
        *(level(y), level((mixture - total).abs().square()), level(v[-1])),
        *(agreement(linear, mixture), agreement(filtered, linear), agreement(filtered, total - linear)),
    ]
    return torch.stack([feature.expand_as(own) for feature in features], dim=-1).movedim(-1, 1)


def _check(evidence: Evidence) -> None:
    mixture, linear, filtered, variances = evidence
    n_sources = linear.shape[0] if linear.ndim == 3 else 0
    wanted = (n_sources, *mixture.shape)
    if not n_sources or linear.shape != wanted or filtered.shape != wanted or variances.shape != (*mixture.shape, n_sources + 1):
        raise ShapeError(
            f"SceneNet: a mixture {tuple(mixture.shape)}, linear {tuple(linear.shape)}, filtered {tuple(filtered.shape)} and "
            f"variances {tuple(variances.shape)} came; (freq, frame), twice (source, freq, frame), (freq, frame, source + 1) "
            "were wanted"
        )
