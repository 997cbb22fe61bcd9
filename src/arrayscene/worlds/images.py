"""The early part of a room's response: every image source, at its exact fractional delay."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

HALF_WIDTH: Final = 40
"""Samples on either side of the windowed sinc; a response starts so many samples before its first arrival's delay."""

_PAIRS: Final = 1 << 12
"""Image and microphone pairs laid down at a time on a CPU: their taps fit its cache."""

_PAIRS_GPU: Final = 1 << 19


def image_sources(size: Tensor, sources: Tensor, absorption: Tensor, center: Tensor, reach: Tensor) -> tuple[Tensor, ...]:
    """Every image of every source within reach.

    Args:
        size: (scene, 3) metres.
        sources: (scene, source, 3) metres from the corner of the room.
        absorption: (scene,) share of energy that each wall swallows; 1 leaves the source itself.
        center: (scene, 3) metres, from where reach is measured.
        reach: (scene,) metres.

    Returns:
        scene (image,), source (image,), place (image, 3) in metres, reflections (image,) and strength (image,), in the order of
        scenes and sources.

    Cost: a few times the number of images, 4 / 3 pi reach^3 / volume a source.
    """
    most = torch.ceil(reach[:, None] / size).amax(0).long() + 1
    axes = [torch.arange(-int(n), int(n) + 1, device=size.device) for n in most]
    orders = torch.cartesian_prod(*axes)
    # An odd number of reflections along an axis mirrors the source, an even one moves it.
    inside = sources[:, :, None, :]
    mirrored = torch.where(orders % 2 == 0, inside, size[:, None, None, :] - inside)
    places = orders * size[:, None, None, :] + mirrored
    near = (places - center[:, None, None, :]).square().sum(-1) <= reach[:, None, None].square()
    dead = (absorption == 1)[:, None, None] & (orders != 0).any(-1)
    scene, source, image = torch.nonzero(near & ~dead, as_tuple=True)
    count = orders.abs().sum(-1)[image]
    strength = torch.pow((1 - absorption).clamp(min=0).sqrt()[scene], count)
    return scene, source, places[scene, source, image], count, strength


def lay_pulses(out: Tensor, rows: Tensor, delays: Tensor, strengths: Tensor) -> None:
    """Add strength * sinc(n - delay), under a Hann window of 81 samples around the delay, to rows of `out`.

    Args:
        out: (row, sample) float32, changed in place; sample n stands for time n - HALF_WIDTH.
        rows: (pulse,) to which row each pulse goes.
        delays: (pulse,) float64, in samples.
        strengths: (pulse,).

    Cost: 81 taps a pulse, without a transcendental function in them.
    """
    n_samples = out.shape[-1]
    flat = out.view(-1)
    whole = torch.round(delays)
    keep = (whole >= 0) & (whole + 2 * HALF_WIDTH < n_samples)
    rows, whole, delays, strengths = rows[keep], whole[keep], delays[keep], strengths[keep]
    fraction = (delays - whole).to(out.dtype)
    start = rows * n_samples + whole.long()
    offsets = torch.arange(2 * HALF_WIDTH + 1, device=out.device)
    tap = (offsets - HALF_WIDTH).to(out.dtype)
    turn = math.pi / (HALF_WIDTH + 1)
    # sinc and Hann at n - fraction by angle addition: one sine and cosine a pulse instead of one a tap.
    sign = torch.where((offsets - HALF_WIDTH) % 2 == 0, 1.0, -1.0).to(out.dtype)
    even, odd = sign * torch.cos(turn * tap), sign * torch.sin(turn * tap)
    gain = (0.5 / math.pi * strengths.to(out.dtype)) * torch.sin(math.pi * fraction)
    cosine, sine = gain * torch.cos(turn * fraction), gain * torch.sin(turn * fraction)
    size = _PAIRS if out.device.type == "cpu" else _PAIRS_GPU
    for at in range(0, len(start), size):
        part = slice(at, at + size)
        away = fraction[part, None] - tap
        shape = gain[part, None] * sign + cosine[part, None] * even + sine[part, None] * odd
        # At the pulse's own sample both shrink together, and their quotient is the strength.
        taps = torch.where(away.abs() < 1e-4, strengths[part, None].to(out.dtype), shape / away)
        flat.index_add_(0, (start[part, None] + offsets).reshape(-1), taps.reshape(-1))
