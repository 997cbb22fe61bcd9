"""What decoders share that filter past frames: how many taps a recording bears, and the frames carried from step to step."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.kernels import filter_past

FRAMES_PER_COEFFICIENT = 4
"""With fewer frames of a recording, a filter would fit that recording itself and leave nothing of it."""


def usable_taps(taps: int, n_mics: int, n_frames: int) -> int:
    """Taps, or as many fewer as so many frames can tell apart."""
    return min(taps, n_frames // (FRAMES_PER_COEFFICIENT * n_mics))


def silent_past(y: Tensor, G: Tensor, delay: int) -> Tensor:
    """The past (..., mic, freq, delay + taps - 1) before the first frame of y (..., mic, freq, frame): silence."""
    return y.new_zeros((*y.shape[:-1], delay + G.shape[-1] // y.shape[-3] - 1))


def from_past(y: Tensor, past: Tensor, G: Tensor, delay: int) -> tuple[Tensor, Tensor]:
    """What G makes of the frames before each, G [y(t - delay); ...; y(t - delay - taps + 1)], and the past of the next frames.

    Args:
        y: (..., mic, freq, frame).
        past: (..., mic, freq, delay + taps - 1) frames before them.
        G: (..., freq, source, tap mic), the latest tap first, its microphones together.
        delay: frames from the present to the first of the past.

    Returns: (..., freq, source, frame) in the precision of G, and (..., mic, freq, delay + taps - 1).
    """
    seen = torch.cat([past, y], dim=-1).movedim(-3, -2).contiguous()
    return filter_past(seen, G, delay), seen[..., y.shape[-1] :].movedim(-2, -3)
