"""The early part of a room's response: every image source, at its exact fractional delay."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.kernels import HALF_WIDTH, add_pulses

__all__ = ["HALF_WIDTH", "image_sources", "lay_pulses"]


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
    """Add a pulse at a fractional delay to a row, by a windowed sinc of 81 samples; what does not fit is left out.

    Args:
        out: (row, sample) float32, changed in place; sample n stands for time n - HALF_WIDTH.
        rows: (pulse,) to which row each pulse goes.
        delays: (pulse,) float64, in samples.
        strengths: (pulse,).

    Cost: as `add_pulses`.
    """
    n_samples = out.shape[-1]
    whole = torch.round(delays)
    fits = (whole >= 0) & (whole + 2 * HALF_WIDTH < n_samples)
    rows, whole, delays, strengths = rows[fits], whole[fits], delays[fits], strengths[fits]
    start = rows * n_samples + whole.long()
    add_pulses(out.view(-1), start, (delays - whole).to(out.dtype), strengths.to(out.dtype))
