"""Relative transfer functions from data against the true ratios."""

import pytest
import torch

from arrayscene.errors import ShapeError
from arrayscene.response import least_squares_transfer, relative_transfer, whitened_transfer
from drawn import randn

N_FREQS, N_MICS, REFERENCE = 6, 4, 2
FREQUENCIES = torch.arange(N_FREQS) * 400.0


def true_ratio() -> torch.Tensor:
    """(freq, mic)."""
    a = randn(N_FREQS, N_MICS, seed=3)
    return a / a[:, REFERENCE : REFERENCE + 1]


def recording(n_frames: int = 4000, noise: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames of a source that comes and goes in noise from another direction, and as many frames of that noise."""
    level = torch.rand(n_frames // 8, generator=torch.Generator().manual_seed(1)).repeat_interleave(8) ** 2
    x = randn(1, N_FREQS, n_frames, seed=4) * level
    mixing = randn(N_FREQS, N_MICS, N_MICS, seed=5)
    noises = [noise * torch.einsum("fmn,nft->mft", mixing, randn(N_MICS, N_FREQS, n_frames, seed=seed)) for seed in (6, 7)]
    return torch.einsum("fm,sft->mft", true_ratio(), x) + noises[0], noises[1]


def error(found: torch.Tensor) -> float:
    """Squared distance from the true ratio, relative."""
    wanted = true_ratio()
    return float((found - wanted).abs().square().sum() / wanted.abs().square().sum())


def test_exact_covariances_give_the_exact_ratio() -> None:
    a, noise = true_ratio(), randn(N_FREQS, N_MICS, 9, seed=8)
    R_nn = noise @ noise.mH
    R_ss = a[..., None] @ a[:, None].conj()
    for R_yy in (R_ss, R_ss + R_nn, 1e3 * R_ss + R_nn):
        torch.testing.assert_close(whitened_transfer(R_yy, R_nn, reference=REFERENCE, loading=0.0), a, rtol=1e-9, atol=1e-9)


def test_whitening_finds_the_ratio_in_strong_directional_noise() -> None:
    y, noise = recording()
    found = relative_transfer(y, noise, frequencies=FREQUENCIES, reference=REFERENCE)
    assert error(found.matrix()[..., 0]) < 0.02
    # Without the noise's covariance, the noise is taken for the source.
    assert error(whitened_transfer(torch.einsum("mft,nft->fmn", y, y.conj()), torch.eye(N_MICS), reference=REFERENCE)) > 0.2


def test_least_squares_needs_no_noise_to_itself() -> None:
    y, _ = recording(noise=0.2)
    found = relative_transfer(y, frequencies=FREQUENCIES, reference=REFERENCE)
    assert error(found.matrix()[..., 0]) < 0.02


def test_least_squares_is_the_straight_line_through_the_segments() -> None:
    y, _ = recording(40)
    found = least_squares_transfer(y, reference=REFERENCE, segment=8)
    for f in range(N_FREQS):
        for m in range(N_MICS):
            parts = [slice(start, start + 8) for start in range(0, 40, 8)]
            auto = torch.stack([y[REFERENCE, f, part].abs().square().mean() for part in parts]).to(torch.complex128)
            cross = torch.stack([(y[m, f, part] * y[REFERENCE, f, part].conj()).mean() for part in parts])
            line = torch.linalg.lstsq(torch.stack([auto, torch.ones_like(auto)], dim=1), cross[:, None]).solution
            torch.testing.assert_close(found[f, m], line[0, 0])


@pytest.mark.parametrize("n_frames", [1, 7, 9])
def test_silence_and_few_frames_stay_finite(n_frames: int) -> None:
    y, noise = (part[..., :n_frames] for part in recording(16))
    for frames in (y, 0 * y, y.to(torch.complex64)):
        for known in (None, noise, 0 * noise):
            A = relative_transfer(frames, known, frequencies=FREQUENCIES, reference=REFERENCE).matrix()
            assert bool(torch.isfinite(A.abs()).all())
            torch.testing.assert_close(A[:, REFERENCE], torch.ones_like(A[:, REFERENCE]))


def test_a_reference_that_hears_nothing_does_not_blow_up() -> None:
    y, noise = recording(64)
    y, noise = y.clone(), noise.clone()
    y[REFERENCE] = noise[REFERENCE] = 0
    A = relative_transfer(y, noise, frequencies=FREQUENCIES, reference=REFERENCE).matrix()
    assert bool(torch.isfinite(A.abs()).all())


def test_both_ways_are_differentiable() -> None:
    y = recording(16)[0][:3, :1].clone().requires_grad_()
    noise = recording(16)[1][:3, :1]
    torch.autograd.gradcheck(lambda frames: relative_transfer(frames, noise, frequencies=FREQUENCIES[:1]).matrix(), (y,))
    torch.autograd.gradcheck(lambda frames: least_squares_transfer(frames), (y,))


def test_frames_that_do_not_fit_are_refused() -> None:
    y, noise = recording(16)
    for call in (
        lambda: relative_transfer(y.real, frequencies=FREQUENCIES),
        lambda: relative_transfer(y, noise[:3], frequencies=FREQUENCIES),
        lambda: relative_transfer(y, noise[:, 1:], frequencies=FREQUENCIES),
        lambda: relative_transfer(y, frequencies=FREQUENCIES, reference=4),
        lambda: relative_transfer(y, frequencies=FREQUENCIES, segment=0),
        lambda: relative_transfer(y, frequencies=FREQUENCIES[1:]),
    ):
        with pytest.raises(ShapeError):
            call()
