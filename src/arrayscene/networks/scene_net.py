"""SceneNet: a small network that makes sources which a decoder found better, for any array and any number of sources."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from arrayscene.errors import ShapeError
from arrayscene.kernels.dispatch import compiled
from arrayscene.kernels.evidence import BAND, MULTIPLE, N_FEATURES, N_PARTS, band_features, combination
from arrayscene.linalg import squared_abs

N_BINS: Final = 512
"""Bins that it sees, up to 8 kHz in the windows of 64 ms that it was trained on; above, the filter's own result passes."""

_MIXED: Final = 16
"""Channels in which bands of all frequencies are mixed."""

_FORGETTING: Final = 0.99
"""What a frame leaves of the mean power before it, in a causal network: 1.6 s."""


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


class SceneNetState(NamedTuple):
    """What a causal network carries from step to step.

    Attributes:
        level: (..., freq) mean power of the recording; None before the first frame.
        n_frames: (...,) frames that it stands for, silent ones not counted; None likewise.
        past: frames that layers see again, or have ahead, by the layer.
    """

    level: Tensor | None = None
    n_frames: Tensor | None = None
    past: Mapping[str, Tensor] = MappingProxyType({})


class SceneNet(nn.Module):
    """From a Wiener filter's evidence to better sources.

    x_k = a_k linear_k + b_k filtered_k + c_k sum_{j != k} linear_j + d_k rest

    with complex weights a, b, c, d in every bin. They come from powers and phases at the reference microphone, of the source, of
    all others together and of the rest, so that neither the number of microphones, nor their layout, nor the number and order of
    sources matters; every source goes through the same layers, and sees the sum of all between them. A U-Net of convolutions
    over bands of 62.5 Hz and frames, at the full, half and quarter rate, sees two seconds around a bin; at the quarter rate
    layers mix all frequencies, so that harmonics and onsets speak for one another.

    Causal, it has the same layers, which see the present and the past alone: convolutions are padded there, what a lower rate
    found is used from the frame on that completes it, and powers are relative to a running mean. `step` takes frames as they
    come, in pieces of any size.

    Args:
        width: channels of the bands at the full rate.
        middle: at half the rate.
        deep: at a quarter of it.
        n_blocks: residual blocks at a quarter of the rate.
        causal: whether frames of the future are left alone.

    Cost: about 15 width^2 + 3 middle^2 + 0.2 n_blocks deep^2 multiplications a bin, frame and source; on a processor with
    products of 16-bit matrices the layers between them take longer.

    Reference: the idea of a network inside a separation is that of N. Makishima et al., "Independent deeply learned matrix
    analysis for determined audio source separation", IEEE/ACM TASLP 2019; layers across all frequencies between others that stay
    in their band, that of C. Quan and X. Li, "SpatialNet: extensively learning spatial information for multichannel joint speech
    separation, denoising and dereverberation", IEEE/ACM TASLP 2024.
    """

    def __init__(self, width: int = 32, middle: int = 48, deep: int = 64, n_blocks: int = 4, causal: bool = False) -> None:
        super().__init__()
        self.width, self.middle, self.deep, self.n_blocks, self.causal = width, middle, deep, n_blocks, causal
        self.stem = nn.Conv2d(N_FEATURES * BAND, width, 3, padding=(1, 0 if causal else 1))
        self.before = _Block(width, 1, causal)
        self.down = nn.Conv2d(width, middle, 2, 2)
        self.falling = nn.ModuleList(_Block(middle, 1 << n, causal) for n in range(2))
        self.lower = nn.Conv2d(middle, deep, 2, 2)
        self.surroundings = nn.ModuleList(_Surroundings(deep) for _ in range(n_blocks))
        self.blocks = nn.ModuleList(_Block(deep, 1 << n % 3, causal) for n in range(n_blocks))
        self.raised = nn.Conv2d(deep, 4 * middle, 1)
        self.rising = nn.ModuleList(_Block(middle, 1 << n, causal) for n in range(2))
        self.up = nn.Conv2d(middle, 4 * width, 1)
        self.after = _Block(width, 1, causal)
        self.mixed = nn.Conv2d(width + N_FEATURES * BAND, 64, 1)
        self.weights = nn.Conv2d(64, 2 * N_PARTS * BAND, 1)
        # Untrained, it gives the mean of pilot and filter.
        nn.init.zeros_(self.weights.weight)
        with torch.no_grad():
            start = torch.tensor([0.5, 0.5, *[0.0] * (2 * N_PARTS - 2)]).repeat_interleave(BAND)
            self.weights.bias.copy_(start)  # type: ignore[union-attr]

    def forward(self, evidence: Evidence) -> Tensor:
        """(..., source, freq, frame) better sources.

        Raises: ShapeError for parts that do not belong together.
        """
        if self.causal:
            return self.step(evidence, SceneNetState())[0]
        _check(evidence)
        return self._refined(evidence, None, None)

    def step(self, evidence: Evidence, state: SceneNetState) -> tuple[Tensor, SceneNetState]:
        """The next frames, of a causal network; `SceneNetState()` before the first.

        Raises: ShapeError for a network that is not causal, and for parts that do not belong together.
        """
        if not self.causal:
            raise ShapeError("SceneNet.step: a network came that sees frames of the future; SceneNet(causal=True) is needed")
        _check(evidence)
        mean, level, n_frames = _running_mean(evidence.mixture, state)
        past = _Past(state.past)
        return self._refined(evidence, mean, past), SceneNetState(level, n_frames, past.kept)

    def _refined(self, evidence: Evidence, mean: Tensor | None, past: _Past | None) -> Tensor:
        mixture, linear, filtered, variances = evidence
        n_bands = min(mixture.shape[-2], N_BINS) // BAND
        if n_bands == 0:
            return 0.5 * (linear + filtered)
        # For the few frames of a step, layers cost little beside their calls, and strided convolutions of 16 bits to a single
        # frame were seen to read memory that nobody wrote.
        many = past is None and linear.shape[-1] > MULTIPLE
        fast = many and variances.dtype == torch.float32 and bfloat16_is_fast(variances, self.weights.weight)
        features = band_features(*evidence, n_bands, torch.bfloat16 if fast else self.weights.weight.dtype, mean)
        items = features.flatten(0, -4)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            if past is None:
                weights = self.gains(items, linear.shape[-3])
            else:
                weights = self._next_gains(items[..., : linear.shape[-1]], linear.shape[-3], past)
        weights = weights.reshape(*linear.shape[:-2], *weights.shape[1:])[..., :n_bands, :]
        return combination(weights, mixture, linear, filtered)

    def gains(self, features: Tensor, n_sources: int) -> Tensor:
        """(recording source, part bin, band, frame) weights of (recording source, feature bin, band, frame)."""
        # On a processor one source after the other, which its caches hold.
        features = features.contiguous(memory_format=torch.channels_last)
        each = torch.split(features, 1 if compiled(features) else len(features))
        wide, half, low = zip(*map(self._narrowed, each), strict=True)
        deep = torch.cat(low)
        for surroundings, block in zip(self.surroundings, self.blocks, strict=True):
            deep = block(surroundings(deep, n_sources))
        return torch.cat([self._widened(*one) for one in zip(each, wide, half, torch.split(deep, len(each[0])), strict=True)])

    def _next_gains(self, features: Tensor, n_sources: int, past: _Past) -> Tensor:
        """The same for the next frames, and in their number; `past` goes on."""
        features = features.contiguous(memory_format=torch.channels_last)
        wide = past.through("before", self.before, self.stem(past.joined("stem", features, 2)))
        raised = None
        pairs = past.pairs("down", wide)
        if pairs.shape[-1]:
            half = past.along("falling", self.falling, self.down(pairs))
            deeper, pairs = None, past.pairs("lower", half)
            if pairs.shape[-1]:
                deep = self.lower(pairs)
                for n, (surroundings, block) in enumerate(zip(self.surroundings, self.blocks, strict=True)):
                    deep = past.through(f"blocks.{n}", block, surroundings(deep, n_sources))
                deeper = functional.pixel_shuffle(self.raised(deep), 2)
            half = past.along("rising", self.rising, half + past.due("raised", deeper, half.shape[-1]))
            raised = functional.pixel_shuffle(self.up(half), 2)
        wide = past.through("after", self.after, wide + past.due("up", raised, wide.shape[-1]))
        weights: Tensor = self.weights(_silu(self.mixed(torch.cat([wide, features], dim=1))))
        return weights

    def _narrowed(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What layers see at the full, half and quarter rate."""
        wide = self.before(self.stem(features))
        half = self.down(wide)
        for block in self.falling:
            half = block(half)
        return wide, half, self.lower(half)

    def _widened(self, features: Tensor, wide: Tensor, half: Tensor, deep: Tensor) -> Tensor:
        """Weights, from the layers at the quarter rate, and from what was seen on the way there."""
        half = half + functional.pixel_shuffle(self.raised(deep), 2)
        for block in self.rising:
            half = block(half)
        wide = self.after(wide + functional.pixel_shuffle(self.up(half), 2))
        weights: Tensor = self.weights(_silu(self.mixed(torch.cat([wide, features], dim=1))))
        return weights


def _silu(x: Tensor) -> Tensor:
    """In place where no gradient needs what came in."""
    return functional.silu(x, inplace=not torch.is_grad_enabled())


def bfloat16_is_fast(*tensors: Tensor) -> bool:
    """Whether the processor has products of bfloat16 matrices: four times as fast, and their rounding is lost in the noise."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return compiled(*tensors) and bool(capabilities.get("amx_bf16", False))


class _Block(nn.Module):
    """x + what convolutions, the first one dilated in time, make of it."""

    def __init__(self, channels: int, dilation: int, causal: bool = False) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.first = nn.Conv2d(channels, channels, 3, padding=(1, 0 if causal else dilation), dilation=(1, dilation))
        self.second = nn.Conv2d(channels, channels, 1)
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor, joined: Tensor | None = None) -> Tensor:
        """Of a causal block, `joined` is x with the `reach` frames before it."""
        y: Tensor = self.second(_silu(self.first(x if joined is None else joined))).add_(x)
        return y


class _Past:
    """Frames (..., frame) that causal layers see again in the next step, by the layer's name; zeros before the first."""

    def __init__(self, kept: Mapping[str, Tensor]) -> None:
        self.kept = dict(kept)

    def joined(self, name: str, x: Tensor, reach: int) -> Tensor:
        """The last `reach` frames, then x."""
        joined = torch.cat([self.kept[name], x], dim=-1) if name in self.kept else functional.pad(x, (reach, 0))
        self.kept[name] = joined[..., joined.shape[-1] - reach :]
        return joined

    def through(self, name: str, block: nn.Module, x: Tensor) -> Tensor:
        """What a `_Block` makes of x."""
        assert isinstance(block, _Block)
        y: Tensor = block(x, self.joined(name, x, block.reach))
        return y

    def along(self, name: str, blocks: nn.ModuleList, x: Tensor) -> Tensor:
        """What several make of it, one after the other."""
        for n, block in enumerate(blocks):
            x = self.through(f"{name}.{n}", block, x)
        return x

    def pairs(self, name: str, x: Tensor) -> Tensor:
        """Whole pairs of frames for half the rate, each completed by an even one: nothing waits for the frame after it."""
        joined = torch.cat([self.kept[name], x], dim=-1) if name in self.kept else functional.pad(x, (1, 0))
        n = joined.shape[-1] // 2 * 2
        self.kept[name] = joined[..., n:]
        return joined[..., :n]

    def due(self, name: str, x: Tensor | None, n: int) -> Tensor:
        """The next n frames of twice the rate; those of x that go further wait."""
        parts = [part for part in (self.kept.get(name), x) if part is not None]
        joined = torch.cat(parts, dim=-1)
        self.kept[name] = joined[..., n:]
        return joined[..., :n]


def _running_mean(mixture: Tensor, state: SceneNetState) -> tuple[Tensor, Tensor, Tensor]:
    """(..., freq, frame) mean power as it is known in each frame, and the level and count after the last."""
    power = squared_abs(mixture)
    level = torch.zeros_like(power[..., 0]) if state.level is None else state.level
    count = torch.zeros_like(level[..., 0]) if state.n_frames is None else state.n_frames
    means = []
    for now in power.unbind(-1):
        sounds = now.sum(-1) > 0
        count = count + sounds
        gain = sounds * (1 / count.clamp_min(1)).clamp_min(1 - _FORGETTING)
        level = torch.lerp(level, now, gain[..., None])
        means.append(level)
    return torch.stack(means, dim=-1), level, count


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
        each = x.reshape(-1, n_sources, *x.shape[1:])
        # Per other source, so that two talkers and four look alike.
        together = functools.reduce(torch.add, each.unbind(1)) / max(n_sources - 1, 1)
        levels = torch.cat([_level(x), _level(together).repeat_interleave(n_sources, 0)], dim=1)
        n_bands = x.shape[-2]
        across = self.across[:, :n_bands, :n_bands].to(x.dtype)
        mixed = torch.einsum("scft,cgf->scgt", self.squeezed(x), across).contiguous(memory_format=torch.channels_last)
        own = x + self.levels(levels) + self.spread(_silu(mixed))
        y: Tensor = (own.reshape(each.shape) + self.together(together)[:, None]).flatten(0, 1)
        return y


def _level(x: Tensor) -> Tensor:
    """(item, channel, 1, frame) mean over all bands: in the order of memory ten times as fast."""
    channels_last = x.movedim(1, -1)
    mean = channels_last.flatten(-2).sum(1, keepdim=True) / x.shape[-2]
    return mean.reshape(len(x), 1, *channels_last.shape[-2:]).movedim(-1, 1)


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
