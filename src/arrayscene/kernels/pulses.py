"""Sounds at fractional delays: pulses of a room's images, and a signal whose delay changes all the time."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled

HALF_WIDTH: Final = 40
"""Samples on either side of a windowed sinc."""

_TURN: Final = math.pi / (HALF_WIDTH + 1)
"""Angle of the Hann window from tap to tap."""

_AT_ONCE: Final = 1 << 19
"""Pulses that the torch statement lays down at a time."""


def add_pulses(out: Tensor, start: Tensor, fraction: Tensor, strength: Tensor) -> None:
    """Add strength * sinc(n - 40 - fraction) under a Hann window around its middle to the 81 samples from `start`.

    Args:
        out: (sample,) real, changed in place.
        start: (pulse,) int64, first sample of each pulse; the last must lie inside.
        fraction: (pulse,) from -0.5 to 0.5, in the precision of `out`.
        strength: (pulse,) in the precision of `out`.

    Cost: 81 divisions a pulse and no transcendental function for its taps.
    """
    if not compiled(out, start, fraction, strength):
        add_pulses_torch(out, start, fraction, strength)
        return
    sign, even, odd, tap = (values.numpy() for values in _taps(out))
    _add_items(out.numpy(), start.numpy(), fraction.numpy(), strength.numpy(), sign, even, odd, tap)


def add_pulses_torch(out: Tensor, start: Tensor, fraction: Tensor, strength: Tensor) -> None:
    """The same in plain torch: the readable statement that the kernel is held to."""
    sign, even, odd, tap = _taps(out)
    offsets = torch.arange(2 * HALF_WIDTH + 1, device=out.device)
    # sinc and Hann by angle addition: a sine and a cosine for each pulse instead of for each tap.
    gain = strength * torch.sin(math.pi * fraction) / (2 * math.pi)
    cosine, sine = gain * torch.cos(_TURN * fraction), gain * torch.sin(_TURN * fraction)
    for at in range(0, len(start), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        away = fraction[part, None] - tap
        shape = gain[part, None] * sign + cosine[part, None] * even + sine[part, None] * odd
        # Near its middle both shrink together, and their quotient is the strength.
        taps = torch.where(away.abs() < 1e-4, strength[part, None], shape / away)
        out.index_add_(0, (start[part, None] + offsets).reshape(-1), taps.reshape(-1))


def moving_sum(dense: Tensor, oversampling: int, delays: Tensor, gains: Tensor, step: int, n_samples: int, lead: int) -> Tensor:
    """A signal at delays and gains that change with every sample, summed over images.

    out(n) = sum_i g_i(n - lead) s(n - lead - d_i(n - lead)), d and g linear between their knots, s by the cubic through four
    neighbours (Lagrange) of the oversampled signal and 0 outside of it.

    Args:
        dense: (sample * oversampling,) real.
        oversampling: samples of `dense` for one of the result.
        delays: (image, mic, knot) float64, in samples of the result; knots are `step` samples apart and reach to the end.
        gains: (image, mic, knot) in the precision of `dense`.
        step: samples.
        n_samples: length of the result.
        lead: samples by which all is late; before them, the first knot counts.

    Returns:
        (mic, sample) in the precision of `dense`.

    Cost: O(image mic sample).
    """
    if not compiled(dense, delays, gains):
        return moving_sum_torch(dense, oversampling, delays, gains, step, n_samples, lead)
    out = dense.new_zeros(delays.shape[1], n_samples)
    _move_items(
        dense.contiguous().numpy(),
        oversampling,
        delays.contiguous().numpy(),
        gains.contiguous().numpy(),
        step,
        lead,
        out.numpy(),
    )
    return out


def moving_sum_torch(
    dense: Tensor, oversampling: int, delays: Tensor, gains: Tensor, step: int, n_samples: int, lead: int
) -> Tensor:
    """The same in plain torch."""
    out = dense.new_zeros(delays.shape[1], n_samples)
    times = torch.arange(n_samples, device=dense.device) - lead
    knot = times.clamp(min=0).to(torch.float64) / step
    left = knot.long()
    for delay, gain in zip(delays, gains, strict=True):
        place = (times - torch.lerp(delay[:, left], delay[:, left + 1], knot - left)) * oversampling
        level = torch.lerp(gain[:, left], gain[:, left + 1], (knot - left).to(gain.dtype))
        out += level * _cubic(dense, place)
    return out


def _cubic(dense: Tensor, place: Tensor) -> Tensor:
    whole = place.floor()
    inside = (whole >= 1) & (whole < len(dense) - 2)
    middle = whole.clamp(1, len(dense) - 3).long()
    x = (place - middle).to(dense.dtype)
    before, here, after, beyond = (dense[middle + offset] for offset in (-1, 0, 1, 2))
    linear = after - before / 3 - here / 2 - beyond / 6
    square = (before + after) / 2 - here
    cube = (here - after) / 2 + (beyond - before) / 6
    return torch.where(inside, here + x * (linear + x * (square + x * cube)), 0.0)


def _taps(out: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sign of the sinc at each tap, that times cosine and sine of the window's angle, and the taps themselves."""
    tap = torch.arange(-HALF_WIDTH, HALF_WIDTH + 1, device=out.device, dtype=out.dtype)
    sign = 1 - 2 * (tap.abs() % 2)
    return sign, sign * torch.cos(_TURN * tap), sign * torch.sin(_TURN * tap), tap


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add_items(
    out: NDArray[Any],
    start: NDArray[Any],
    fraction: NDArray[Any],
    strength: NDArray[Any],
    sign: NDArray[Any],
    even: NDArray[Any],
    odd: NDArray[Any],
    tap: NDArray[Any],
) -> None:
    half = len(tap) // 2
    for p in range(len(start)):
        f, s = fraction[p], strength[p]
        gain = s * out.dtype.type(math.sin(math.pi * f) / (2 * math.pi))
        cosine = gain * out.dtype.type(math.cos(_TURN * f))
        sine = gain * out.dtype.type(math.sin(_TURN * f))
        here = out[start[p] : start[p] + len(tap)]
        for k in range(half):
            here[k] += (gain * sign[k] + cosine * even[k] + sine * odd[k]) / (f - tap[k])
        if abs(f) < 1e-4:
            here[half] += s
        else:
            here[half] += (gain + cosine) / f
        for k in range(half + 1, len(tap)):
            here[k] += (gain * sign[k] + cosine * even[k] + sine * odd[k]) / (f - tap[k])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _move_items(
    dense: NDArray[Any],
    oversampling: int,
    delays: NDArray[Any],
    gains: NDArray[Any],
    step: int,
    lead: int,
    out: NDArray[Any],
) -> None:
    n_images, n_mics = delays.shape[:2]
    for i in range(n_images):
        for m in range(n_mics):
            for t in range(out.shape[1]):
                time = max(t - lead, 0)
                knot = time // step
                share = (time - knot * step) / step
                delay = delays[i, m, knot] + share * (delays[i, m, knot + 1] - delays[i, m, knot])
                place = (t - lead - delay) * oversampling
                middle = math.floor(place)
                if middle < 1 or middle >= len(dense) - 2:
                    continue
                x = place - middle
                gain = gains[i, m, knot] + share * (gains[i, m, knot + 1] - gains[i, m, knot])
                before, here, after, beyond = dense[middle - 1], dense[middle], dense[middle + 1], dense[middle + 2]
                linear = after - before / 3 - here / 2 - beyond / 6
                square = (before + after) / 2 - here
                cube = (here - after) / 2 + (beyond - before) / 6
                out[m, t] += gain * (here + x * (linear + x * (square + x * cube)))
