"""The Cramer-Rao bound: against closed forms, a numerically differentiated likelihood, and the estimator that reaches it."""

import numpy as np
import pytest
import torch

from arrayscene import MicrophoneArray
from arrayscene.design.bounds import angle_error, angular_derivatives, direction_error, direction_information
from arrayscene.design.speech import band_widths, speech_density, speech_snr
from arrayscene.design.viewpoint import HORIZON, tangents
from arrayscene.response import PlaneWave, far_field

F = torch.tensor([500.0, 1000.0, 3000.0], dtype=torch.float64)


def bound(array: MicrophoneArray, degrees: list[float], f: torch.Tensor = F, snr: float = 1.0, n: float = 20.0):
    """Information about the azimuth, and about both angles, of sources level with the array."""
    angles = np.radians(degrees)
    toward = HORIZON.circle(angles)
    A = far_field(array, torch.tensor(angles), frequencies=f).matrix()
    ratio, snapshots = torch.full((len(f),), snr).double(), torch.full((len(f),), n).double()
    one = direction_information(A, angular_derivatives(array, toward, HORIZON.along(angles)[None], f), ratio, snapshots)
    both = direction_information(A, angular_derivatives(array, toward, tangents(toward), f), ratio, snapshots)
    return one, both


@pytest.mark.parametrize("snr", [0.1, 1.0, 30.0])
def test_an_even_line_has_the_textbook_bound(snr: float) -> None:
    M, d, f, c, T = 7, 0.04, 2000.0, 343.0, 50.0
    theta = 0.4
    k = 2 * np.pi * f / c
    m = torch.arange(M, dtype=torch.float64)[:, None]
    A = torch.polar(torch.ones(M, 1).double(), k * d * m * np.sin(theta))[None]
    dA = (1j * k * d * m * np.cos(theta) * A)[None]
    found = direction_information(A, dA, torch.tensor([snr], dtype=torch.float64), torch.tensor([T], dtype=torch.float64))
    electrical = 6 / (T * snr * M * (M**2 - 1)) * (1 + 1 / (M * snr))
    assert float(1 / found) == pytest.approx(electrical / (k * d * np.cos(theta)) ** 2, rel=1e-12)


def test_it_is_the_inverse_of_the_whole_information_of_the_likelihood() -> None:
    """Slepian-Bangs with every unknown, powers and noise levels included, differentiated numerically; then the angles' block."""
    generator = np.random.default_rng(1)
    positions = generator.standard_normal((5, 3)) * 0.05
    weights = generator.uniform(0.3, 1.5, 5)
    k = np.array([20.0, 45.0])
    powers, noises, T = np.array([0.7, 2.0]), np.array([0.5, 0.3]), np.array([11.0, 30.0])

    def steering(angles: np.ndarray, k: float) -> np.ndarray:
        azimuth, elevation = angles
        u = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        return weights * np.exp(1j * k * positions @ u)

    def covariance(unknown: np.ndarray, f: int) -> np.ndarray:
        a = steering(unknown[:2], k[f])
        return unknown[2 + f] * np.outer(a, a.conj()) + unknown[4 + f] * np.eye(5)

    at = np.array([0.3, 0.5, *powers, *noises])
    whole = np.zeros((6, 6))
    for f in range(2):
        inverse = np.linalg.inv(covariance(at, f))
        slopes = [(covariance(at + h, f) - covariance(at - h, f)) / 2e-6 for h in 1e-6 * np.eye(6)]
        whole += T[f] * np.array([[np.trace(inverse @ a @ inverse @ b).real for b in slopes] for a in slopes])
    wanted = np.linalg.inv(whole)[:2, :2]

    A = np.stack([steering(at[:2], each) for each in k])[..., None]
    slopes = [
        np.stack([(steering(at[:2] + h, each) - steering(at[:2] - h, each)) / 2e-6 for each in k])[..., None]
        for h in 1e-6 * np.eye(2)
    ]
    J = direction_information(torch.tensor(A), torch.tensor(np.stack(slopes)), torch.tensor(powers / noises), torch.tensor(T))
    np.testing.assert_allclose(np.linalg.inv(J[0].numpy()), wanted, rtol=1e-6)


def test_the_strongest_direction_of_delay_and_sum_reaches_it() -> None:
    """For one source in sensor noise that is the maximum-likelihood estimate."""
    array, f, T, snr = MicrophoneArray.circular(6, 0.05), torch.tensor([2000.0]).double(), 60, 1.0
    error = float(angle_error(bound(array, [20.0], f, snr, T)[0]))
    grid = np.radians(20.0) + np.linspace(-5, 5, 251) * error
    beams = far_field(array, torch.tensor(grid), frequencies=f).matrix()[0].numpy()
    a = far_field(array, np.radians(20.0), frequencies=f).matrix()[0].numpy()
    generator = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray:
        return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)) / np.sqrt(2)

    y = a * noise(300, 1, T) * np.sqrt(snr) + noise(300, 6, T)
    found = grid[(np.abs(beams.conj().T @ y) ** 2).sum(-1).argmax(-1)]
    assert np.sqrt(np.mean((found - np.radians(20.0)) ** 2)) == pytest.approx(error, rel=0.12)


@pytest.mark.parametrize("name", ["circular:5:0.06", "zylia-zm1", "zoom-h3vr"])
def test_derivatives_are_those_of_the_response(name: str) -> None:
    array = MicrophoneArray.resolve(name)
    toward, along = HORIZON.circle(np.array([0.7])), HORIZON.along(np.array([0.7]))[None]
    found = angular_derivatives(array, toward, along, F)[0]

    def parts(azimuth: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(far_field(array, azimuth, frequencies=F).matrix())

    slope = torch.autograd.functional.jacobian(parts, torch.tensor([0.7]).double())[..., 0]  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, torch.view_as_complex(slope.contiguous()), rtol=1e-5, atol=1e-5)


def test_a_line_is_blind_along_itself_and_around_itself() -> None:
    one, both = bound(MicrophoneArray.linear(6, 0.05), [0.0, 60.0, 90.0])
    errors = angle_error(one)
    assert torch.isfinite(errors[:2]).all()
    assert float(errors[1] / errors[0]) == pytest.approx(2.0, rel=1e-6)
    assert torch.isinf(errors[2])
    assert torch.isinf(direction_error(both)).all()


def test_a_level_ring_knows_azimuth_alike_all_around_but_not_the_elevation_of_the_horizon() -> None:
    one, both = bound(MicrophoneArray.circular(6, 0.05), [0.0, 17.0, 100.0])
    errors = angle_error(one)
    torch.testing.assert_close(errors, errors[:1].expand(3))
    assert torch.isinf(direction_error(both)).all()


def test_an_array_in_space_knows_both_angles() -> None:
    one, both = bound(MicrophoneArray.preset("zylia-zm1"), [0.0, 40.0])
    assert torch.isfinite(direction_error(both)).all()
    assert (direction_error(both) > angle_error(one)).all()


def test_errors_shrink_with_the_root_of_time_and_with_the_aperture() -> None:
    small, _ = bound(MicrophoneArray.circular(6, 0.05), [0.0])
    long, _ = bound(MicrophoneArray.circular(6, 0.05), [0.0], n=80.0)
    wide, _ = bound(MicrophoneArray.circular(6, 0.10), [0.0])
    assert float(angle_error(small) / angle_error(long)) == pytest.approx(2.0)
    assert float(angle_error(small) / angle_error(wide)) == pytest.approx(2.0, rel=1e-6)


def test_speech_falls_with_frequency() -> None:
    f = np.array([500.0, 4000.0])
    # 62.1 and 45.6 dB in third octaves, of which the upper one is eight times as wide.
    assert 10 * np.log10(np.divide(*speech_density(f))) == pytest.approx(62.1 - 45.6 + 9.03, abs=0.01)
    octaves = 1000.0 * 2.0 ** (np.arange(-20, 19) / 6)
    assert (speech_snr(octaves) * band_widths(octaves)).sum() == pytest.approx(band_widths(octaves).sum())
    assert band_widths(octaves).sum() == pytest.approx(octaves[-1] * 2 ** (1 / 12) - octaves[0] * 2 ** (-1 / 12), rel=1e-3)


def test_a_microphone_that_hears_nothing_adds_nothing() -> None:
    A = PlaneWave(MicrophoneArray.circular(4, 0.05), 0.3, frequencies=F).matrix()
    dA = angular_derivatives(
        MicrophoneArray.circular(4, 0.05), HORIZON.circle(np.array([0.3])), HORIZON.along(np.array([0.3]))[None], F
    )
    snr, n = torch.ones(3).double(), torch.ones(3).double()
    silent = torch.zeros_like(A[:, :1])
    alone = direction_information(A, dA, snr, n)
    joined = direction_information(torch.cat([A, silent], -2), torch.cat([dA, silent[None]], -2), snr, n)
    torch.testing.assert_close(alone, joined)
