"""Kernels for fractional delays against their formula in float64, and against their torch statements."""

import numpy as np
import pytest
import torch

from arrayscene.kernels import HALF_WIDTH, add_pulses, add_pulses_torch, moving_sum, moving_sum_torch

PRECISION = [(torch.float32, 1e-5), (torch.float64, 1e-9)]


@pytest.mark.parametrize("add", [add_pulses, add_pulses_torch])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_pulses_are_windowed_sincs(add, dtype: torch.dtype, allowed: float) -> None:
    generate = np.random.default_rng(0)
    start = generate.integers(0, 400, 300)
    fraction = np.concatenate([[0.0, 0.5, -0.5, 1e-6, -3e-5, 2e-4], generate.uniform(-0.5, 0.5, 294)])
    strength = generate.uniform(-1, 1, 300)
    wanted = np.zeros(500)
    for first, late, height in zip(start, fraction, strength, strict=True):
        away = np.arange(2 * HALF_WIDTH + 1) - HALF_WIDTH - late
        wanted[first : first + 2 * HALF_WIDTH + 1] += height * np.sinc(away) * np.cos(np.pi * away / (2 * HALF_WIDTH + 2)) ** 2
    out = torch.zeros(500, dtype=dtype)
    add(out, torch.from_numpy(start), torch.from_numpy(fraction).to(dtype), torch.from_numpy(strength).to(dtype))
    np.testing.assert_allclose(out.numpy(), wanted, atol=allowed * np.abs(wanted).max() * 10)


@pytest.mark.parametrize("move", [moving_sum, moving_sum_torch])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_a_moving_polynomial_is_read_exactly(move, dtype: torch.dtype, allowed: float) -> None:
    """A cubic goes through cubics exactly; delays and gains are straight between their knots."""
    n_samples, step, lead, oversampling = 60, 16, 4, 2
    dense = torch.linspace(-1, 1, n_samples * oversampling, dtype=torch.float64) ** 3
    knots = torch.arange(0, n_samples + step, step, dtype=torch.float64)
    delays = torch.stack([torch.stack([6 + 0.03 * knots, 9 - 0.05 * knots]), torch.stack([3 + 0 * knots, 3.7 + 0.1 * knots])])
    gains = torch.stack([torch.stack([1 + 0.01 * knots, 2 - 0.02 * knots]), torch.ones(2, len(knots), dtype=torch.float64)])
    found = move(dense.to(dtype), oversampling, delays, gains.to(dtype), step, n_samples, lead)
    times = np.arange(n_samples) - lead
    wanted = np.zeros((2, n_samples))
    for image in range(2):
        for mic in range(2):
            delay = np.interp(np.maximum(times, 0), knots, delays[image, mic])
            gain = np.interp(np.maximum(times, 0), knots, gains[image, mic])
            place = (times - delay) * oversampling
            value = (-1 + 2 * place / (n_samples * oversampling - 1)) ** 3
            inside = (np.floor(place) >= 1) & (np.floor(place) < n_samples * oversampling - 2)
            wanted[mic] += np.where(inside, gain * value, 0)
    np.testing.assert_allclose(found.numpy(), wanted, atol=10 * allowed)


def test_a_delay_beyond_the_signal_is_silent() -> None:
    dense = torch.ones(40)
    for delay in (-100.0, 100.0):
        assert not moving_sum(dense, 1, torch.full((1, 1, 3), delay, dtype=torch.float64), torch.ones(1, 1, 3), 20, 40, 0).any()
