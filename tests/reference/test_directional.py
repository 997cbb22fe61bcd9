"""Directional decoders against the papers' equations, one frequency and source at a time."""

import math

import directional_by_hand as by_hand
import numpy as np
import pytest
import torch

from arrayscene.array_points import fibonacci_sphere
from arrayscene.decoders import GSC, LCMV, MPDR, AmbisonicsEncoder, MinimumNorm, Superdirective, Tikhonov
from arrayscene.decoders.regularization import cross_validation, discrepancy, l_curve, spectrum
from arrayscene.linalg import covariance
from arrayscene.response import PlaneWave
from arrayscene.response.solid_angles import solid_angles

N_FRAMES = 40
FREQUENCIES = torch.tensor([150.0, 700.0, 2500.0], dtype=torch.float64)
POSITIONS = torch.tensor(0.06 * np.random.default_rng(1).uniform(-1, 1, (4, 3)))


def scene(n_sources: int, noise: float = 0.05) -> tuple[PlaneWave, np.ndarray, torch.Tensor]:
    """The response, its A (freq, mic, source), and y (mic, freq, frame)."""
    azimuth = torch.linspace(0.3, 4.5, n_sources, dtype=torch.float64)
    response = PlaneWave(POSITIONS, azimuth, 0.2, frequencies=FREQUENCIES)
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(n_sources, 3, N_FRAMES, dtype=torch.complex128, generator=generator)
    y = response(x) + noise * torch.randn(4, 3, N_FRAMES, dtype=torch.complex128, generator=generator)
    return response, response.matrix().numpy(), y


@pytest.mark.parametrize("n_sources", [2, 4, 6])
def test_tikhonov(n_sources: int) -> None:
    response, A, y = scene(n_sources)
    found = Tikhonov(0.3, reference=None).init(y, response).D
    for f in range(3):
        np.testing.assert_allclose(found[f], by_hand.tikhonov(A[f], 0.3), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n_sources", [2, 4, 6])
def test_choices_of_the_loading(n_sources: int) -> None:
    _, A, y = scene(n_sources)
    U, s, _ = torch.linalg.svd(torch.from_numpy(A), full_matrices=False)
    seen = spectrum(U, s, covariance(y))
    noise = 0.05**2
    by_noise, by_prediction = discrepancy(seen, torch.full((3,), noise, dtype=torch.float64)), cross_validation(seen)
    for f in range(3):
        frames = y[:, f].numpy()
        assert float(by_noise[f]) == pytest.approx(by_hand.discrepancy(A[f], frames, noise), rel=1e-5)
        assert float(by_prediction[f]) == pytest.approx(by_hand.cross_validation(A[f], frames), rel=0.02, abs=1e-6)


@pytest.mark.parametrize("n_sources", [4, 6])
def test_corner_of_the_l_curve(n_sources: int) -> None:
    """At the two lower frequencies, where the noise blows the solution up; elsewhere the curve has no corner."""
    _, A, y = scene(n_sources)
    U, s, _ = torch.linalg.svd(torch.from_numpy(A), full_matrices=False)
    found = l_curve(spectrum(U, s, covariance(y)))
    for f in range(2):
        assert float(found[f]) == pytest.approx(by_hand.l_curve(A[f], y[:, f].numpy()), rel=0.02)


def test_superdirective() -> None:
    response, A, y = scene(3)
    gamma = response.diffuse().numpy()
    found = Superdirective(0.2, reference=None).init(y, response).D
    for f, frequency in enumerate(FREQUENCIES):
        k = 2 * math.pi * float(frequency) / response.speed_of_sound
        np.testing.assert_allclose(gamma[f], by_hand.diffuse(POSITIONS.numpy(), k, 40), rtol=0, atol=1e-9)
        for n in range(3):
            wanted = by_hand.superdirective(gamma[f], A[f, :, n], 0.2)
            np.testing.assert_allclose(found[f, n], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("uncertainty", [0.01, 0.3])
def test_robust_capon(uncertainty: float) -> None:
    response, A, y = scene(3)
    R = covariance(y).numpy()
    found = MPDR(uncertainty, loading=0.0, reference=None).init(y, response).D
    for f in range(3):
        for n in range(3):
            wanted = by_hand.robust_capon(R[f], A[f, :, n], uncertainty)
            np.testing.assert_allclose(found[f, n], wanted, rtol=1e-5, atol=1e-5)


def test_lcmv() -> None:
    response, A, y = scene(2)
    nulls = PlaneWave(POSITIONS, 2.0, frequencies=FREQUENCIES)
    R = covariance(y).numpy()
    found = LCMV(nulls=nulls, loading=0.0, reference=None).init(y, response).D
    for f in range(3):
        C = np.concatenate([A[f], nulls.matrix()[f].numpy()], axis=1)
        wanted = by_hand.lcmv(R[f], C, 2)
        np.testing.assert_allclose(found[f], wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


def test_sidelobe_canceller() -> None:
    response, A, y = scene(2)
    x = GSC(0.1, memory=0.8, white_noise_gain=0.5, reference=None)(y, response).x
    for f in range(3):
        wanted = by_hand.sidelobe_canceller(A[f], y[:, f].numpy(), 0.1, 0.8, 0.5)
        np.testing.assert_allclose(x[:, f], wanted, rtol=1e-9, atol=1e-9)


def test_weighted_minimum_norm() -> None:
    response, A, y = scene(7)
    found = MinimumNorm(n_iter=3, loading=1e-2, reference=None).init(y, response).D
    for f in range(3):
        np.testing.assert_allclose(
            found[f].resolve_conj(), by_hand.minimum_norm(A[f], y[:, f].numpy(), 3, 1e-2), rtol=1e-7, atol=1e-9
        )


def test_signal_matching() -> None:
    points = fibonacci_sphere(80)
    azimuth, elevation = np.arctan2(points[:, 1], points[:, 0]), np.arcsin(points[:, 2])
    grid = PlaneWave(POSITIONS, torch.tensor(azimuth), torch.tensor(elevation), frequencies=FREQUENCIES)
    encoder = AmbisonicsEncoder(grid, 1, normalization="N3D", magnitude_above=math.inf)
    for f, frequency in enumerate(FREQUENCIES):
        k = 2 * math.pi * float(frequency) / grid.speed_of_sound

        def response(phi: float, theta: float, k: float = k) -> np.ndarray:
            u = np.array([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), np.sin(theta)])
            return np.exp(1j * k * (POSITIONS.numpy() @ u))

        shares = solid_angles(points)[0].tolist()
        wanted = by_hand.signal_matching(response, list(zip(azimuth, elevation, shares, strict=True)), 1)
        np.testing.assert_allclose(encoder.D[f], wanted, rtol=1e-8, atol=1e-8)
