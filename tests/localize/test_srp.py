"""SRP-PHAT points at a plane wave, wherever it comes from."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.errors import ShapeError
from arrayscene.localize import SRPPHAT, localization_stft
from arrayscene.localize.grid import to_vectors
from arrayscene.metrics import angular_error
from arrayscene.response import far_field
from arrayscene.stft import STFT

RATE = 16000
FREQUENCIES = localization_stft(RATE).frequencies(RATE)
RING = MicrophoneArray.circular(6, 0.04)
BODY = replace(RING, body_radius=0.04)
LINE = MicrophoneArray.linear(4, 0.04)
TETRAHEDRON = MicrophoneArray.from_positions(
    [[0.03, 0.03, 0.03], [0.03, -0.03, -0.03], [-0.03, 0.03, -0.03], [-0.03, -0.03, 0.03]]
)


@cache
def scanner(array: MicrophoneArray) -> SRPPHAT:
    return SRPPHAT(array, FREQUENCIES)


def waves(array: MicrophoneArray, *directions: tuple[float, float], n_frames: int = 24, noise: float = 0.01) -> torch.Tensor:
    """(mic, freq, frame): sources in turns, a few frames each, and sensor noise."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(len(directions), len(FREQUENCIES), n_frames, dtype=torch.complex64, generator=generator)
    turn = torch.arange(n_frames) // 8 % len(directions)
    x *= turn[None, None] == torch.arange(len(directions))[:, None, None]
    azimuth, elevation = torch.tensor(directions, dtype=torch.float64).T
    y = far_field(array, azimuth, elevation, frequencies=FREQUENCIES)(x)
    return y + noise * torch.randn(y.shape, dtype=y.dtype, generator=generator)


@settings(deadline=None, max_examples=10)
@given(st.floats(-180, 180), st.floats(0, 45))
@pytest.mark.parametrize("array", [RING, BODY], ids=["free", "rigid body"])
def test_a_ring_finds_every_azimuth(array: MicrophoneArray, azimuth_deg: float, elevation_deg: float) -> None:
    found = scanner(array)(waves(array, (np.radians(azimuth_deg), np.radians(elevation_deg))))
    assert len(found.azimuth) == 1
    assert np.degrees(angular_error(found.azimuth[0], 0.0, np.radians(azimuth_deg), 0.0)) < 2


@settings(deadline=None, max_examples=30)
@given(st.floats(-75, 75), st.booleans())
def test_a_line_finds_every_angle_in_front_or_its_mirror_image_behind(azimuth_deg: float, behind: bool) -> None:
    truth = np.radians(180 - azimuth_deg if behind else azimuth_deg)
    found = scanner(LINE)(waves(LINE, (truth, 0.0)))
    assert np.degrees(found.azimuth) == pytest.approx([azimuth_deg], abs=2)


@settings(deadline=None, max_examples=6)
@given(st.floats(-180, 180), st.floats(-85, 85))
def test_a_tetrahedron_finds_every_direction(azimuth_deg: float, elevation_deg: float) -> None:
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    found = scanner(TETRAHEDRON)(waves(TETRAHEDRON, (azimuth, elevation)))
    assert len(found.azimuth) == 1
    assert np.degrees(angular_error(found.azimuth[0], found.elevation[0], azimuth, elevation)) < 4


def test_most_votes_and_power_of_a_single_wave_lie_in_its_direction() -> None:
    azimuth, elevation = 0.7, 0.3
    survey = scanner(TETRAHEDRON).survey(waves(TETRAHEDRON, (azimuth, elevation)))
    grid = scanner(TETRAHEDRON).grid
    away = np.degrees(np.arccos(np.clip(to_vectors(grid.azimuth, grid.elevation) @ to_vectors(azimuth, elevation), -1, 1)))
    assert survey.votes[away < 8].sum() > 0.9 * survey.votes.sum()
    assert away[survey.power.mean(axis=1).argmax()] < 6
    assert survey.power.max() <= 1 + 1e-6


def test_talkers_in_turns_are_counted() -> None:
    found = scanner(RING)(waves(RING, (0.5, 0.1), (2.5, 0.1), (-1.5, 0.1), n_frames=96))
    assert sorted(found.azimuth) == pytest.approx([-1.5, 0.5, 2.5], abs=0.05)


def test_sensor_noise_alone_holds_nobody() -> None:
    assert len(scanner(RING)(waves(RING, (0.0, 0.0), noise=100.0, n_frames=300)).azimuth) == 0


def test_level_does_not_matter_and_silence_is_nothing() -> None:
    y = waves(RING, (1.0, 0.2))
    votes = scanner(RING).survey(y).votes
    np.testing.assert_allclose(scanner(RING).survey(1e-4 * y).votes, votes, rtol=1e-3, atol=1e-6)
    assert len(scanner(RING)(torch.zeros_like(y)).azimuth) == 0


@pytest.mark.parametrize("n_frames", [1, 3, 5])
def test_a_few_frames_are_enough(n_frames: int) -> None:
    found = scanner(RING)(waves(RING, (1.0, 0.2), n_frames=n_frames), 1)
    assert found.azimuth == pytest.approx([1.0], abs=0.1)


def test_wrong_frames_and_too_low_a_rate_are_refused() -> None:
    with pytest.raises(ShapeError, match="6"):
        scanner(RING).survey(torch.zeros(4, len(FREQUENCIES), 3, dtype=torch.complex64))
    with pytest.raises(ShapeError, match="no band"):
        SRPPHAT(RING, STFT(64).frequencies(300))
