"""Matching pursuit tells apart what steered power cannot: one signal from several places."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.array_points import fibonacci_sphere
from arrayscene.errors import ShapeError
from arrayscene.localize import OMP, localization_stft
from arrayscene.metrics import angular_error
from arrayscene.response import far_field

RATE = 16000
FREQUENCIES = localization_stft(RATE).frequencies(RATE)
BALL = replace(MicrophoneArray.from_positions(0.06 * fibonacci_sphere(20)), body_radius=0.06)
PLACES = np.radians([[20.0, 0.0], [-40.0, 10.0], [110.0, 35.0]])


@cache
def pursuit() -> OMP:
    return OMP(BALL, FREQUENCIES)


def waves(places: np.ndarray, coherent: bool, noise: float = 0.05) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(len(places), len(FREQUENCIES), 20, dtype=torch.complex64, generator=generator)
    if coherent:
        x = x[:1] * torch.tensor([1.0, -0.8, 0.9])[: len(places), None, None]
    azimuth, elevation = torch.tensor(places).T
    y = far_field(BALL, azimuth, elevation, frequencies=FREQUENCIES)(x)
    return y + noise * torch.randn(y.shape, dtype=y.dtype, generator=generator)


@pytest.mark.parametrize("coherent", [False, True])
@pytest.mark.parametrize("n_sources", [1, 2, 3])
def test_sources_are_counted_and_found_to_a_degree(n_sources: int, coherent: bool) -> None:
    places = PLACES[:n_sources]
    y = waves(places, coherent)
    found = pursuit()(y)
    assert len(found.azimuth) == n_sources
    for azimuth, elevation in places:
        assert np.degrees(angular_error(found.azimuth, found.elevation, azimuth, elevation)).min() < 1.5
    assert found.support[0] == 1
    assert (np.diff(found.support) <= 0).all()
    assert pursuit().unexplained(y, found) < 0.2


def test_a_given_count_is_kept_and_too_few_leave_more_unexplained() -> None:
    y = waves(PLACES, coherent=False)
    left = [pursuit().unexplained(y, pursuit()(y, n)) for n in (1, 2, 3)]
    assert left == sorted(left, reverse=True)
    assert [len(pursuit()(y, n).azimuth) for n in (1, 2, 3)] == [1, 2, 3]


def test_noise_and_silence_hold_nobody() -> None:
    y = waves(PLACES[:1], coherent=False, noise=100.0)
    assert len(pursuit()(y).azimuth) == 0
    assert len(pursuit()(torch.zeros_like(y)).azimuth) == 0


def test_wrong_frames_and_too_low_a_rate_are_refused() -> None:
    with pytest.raises(ShapeError, match="20"):
        pursuit()(torch.zeros(4, len(FREQUENCIES), 3, dtype=torch.complex64))
    with pytest.raises(ShapeError, match="fewer than 3"):
        OMP(BALL, FREQUENCIES[:6])
