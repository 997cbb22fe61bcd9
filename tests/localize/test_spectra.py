"""Maps over directions: their values beside slow sums, their peaks beside the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from waves import RATE, heard, noise

from arrayscene.array import MicrophoneArray
from arrayscene.array_points import fibonacci_sphere
from arrayscene.errors import ShapeError
from arrayscene.localize import MUSIC, Grid, NormMUSIC, Spectrum, SRPMap, reliable_bins
from arrayscene.localize.grid import to_angles
from arrayscene.metrics import angular_error
from arrayscene.response import MatrixResponse, RigidSphere, far_field
from arrayscene.stft import STFT

STFT_ = STFT(256, 64)
FREQUENCIES = STFT_.frequencies(RATE)
RING = MicrophoneArray.circular(6, 0.04)
BALL = MicrophoneArray.spherical(8, 0.05)
POINTS = fibonacci_sphere(2562)
SPHERE = Grid(*to_angles(POINTS), POINTS)
KINDS = (SRPMap, MUSIC, NormMUSIC)


def frames(array: MicrophoneArray, *places: tuple[float, float], snr_db: float = 20.0) -> torch.Tensor:
    sources = [(noise(0.5, seed), place) for seed, place in enumerate(places)]
    return STFT_(torch.from_numpy(heard(array, *sources, snr_db=snr_db).samples))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [(40.0, 0.0), (-130.0, 35.0)])
def test_a_wave_is_found_off_the_grid(kind: type[Spectrum], place: tuple[float, float]) -> None:
    found = kind(BALL, FREQUENCIES, grid=SPHERE)(frames(BALL, place))
    assert np.degrees(angular_error(found.azimuth[0], found.elevation[0], *np.radians(place))) < 1


@pytest.mark.parametrize("kind", [MUSIC, NormMUSIC])
def test_two_steady_sources_are_told_apart(kind: type[Spectrum]) -> None:
    found = kind(RING, FREQUENCIES)(frames(RING, (20.0, 0.0), (140.0, 0.0)), 2)
    assert np.sort(np.degrees(found.azimuth)) == pytest.approx([20, 140], abs=3)


def test_srp_is_the_mean_of_steered_phases() -> None:
    y = frames(BALL, (40.0, 0.0))
    srp = SRPMap(BALL, FREQUENCIES, grid=SPHERE, masked=False)
    some = [0, 700, 1900]
    A = far_field(
        BALL, torch.tensor(SPHERE.azimuth[some]), torch.tensor(SPHERE.elevation[some]), frequencies=srp.frequencies
    ).matrix()
    phases = (y / y.abs())[:, srp.bins].to(torch.complex128)
    slow = np.zeros(3)
    for p in range(BALL.n_mics):
        for q in range(p + 1, BALL.n_mics):
            steered = phases[p] * phases[q].conj() * (A[:, p] * A[:, q].conj()).conj().T[:, :, None]
            slow += steered.real.mean(dim=(1, 2)).numpy() / (BALL.n_mics * (BALL.n_mics - 1) / 2)
    np.testing.assert_allclose(srp.power(y)[some].numpy(), slow, atol=1e-4)


def test_music_is_one_over_the_share_of_the_noise_subspace() -> None:
    y = frames(BALL, (40.0, 0.0), (-60.0, 20.0))
    music = MUSIC(BALL, FREQUENCIES, grid=SPHERE, masked=False)
    slow = 0.0
    a = far_field(BALL, SPHERE.azimuth[5], SPHERE.elevation[5], frequencies=music.frequencies).matrix()[:, :, 0].numpy()
    for bin_, steering in zip(music.bins, a, strict=True):
        part = y[:, bin_].numpy().astype(complex)
        vectors = np.linalg.eigh(part @ part.conj().T)[1][:, :-2]
        slow += np.vdot(steering, steering).real / np.square(np.abs(vectors.conj().T @ steering)).sum() / len(music.bins)
    assert float(music.power(y, 2)[5]) == pytest.approx(slow, rel=1e-3)


def test_the_product_and_the_sampled_correlations_are_one_map() -> None:
    y = frames(BALL, (40.0, 0.0))
    sampled = SRPMap(BALL, FREQUENCIES, grid=SPHERE)
    assert sampled.interpolation is not None
    azimuth, elevation = torch.tensor(SPHERE.azimuth), torch.tensor(SPHERE.elevation)
    response = far_field(BALL, azimuth, elevation, frequencies=sampled.frequencies)
    product = SRPMap(BALL, FREQUENCIES, grid=SPHERE, response=response)
    assert product.interpolation is None
    np.testing.assert_allclose(sampled.power(y).numpy(), product.power(y).numpy(), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_rigid_bodies_and_measured_responses_are_taken_into_account(kind: type[Spectrum]) -> None:
    body = replace(BALL, body_radius=0.05)
    y = frames(body, (100.0, -20.0))
    azimuth, elevation = torch.tensor(SPHERE.azimuth), torch.tensor(SPHERE.elevation)
    by_body = kind(body, FREQUENCIES, grid=SPHERE)
    known = RigidSphere(body, azimuth, elevation, frequencies=by_body.frequencies)
    measured = MatrixResponse(known.matrix(), by_body.frequencies)
    free = replace(body, body_radius=None)
    for spectrum in (by_body, kind(free, FREQUENCIES, grid=SPHERE, response=measured)):
        found = spectrum(y)
        assert np.degrees(angular_error(found.azimuth[0], found.elevation[0], *np.radians((100.0, -20.0)))) < 1.2


def test_reliable_bins_are_those_of_one_wave() -> None:
    one = reliable_bins(frames(RING, (30.0, 0.0), snr_db=40)[:, 20:80])
    diffuse = reliable_bins(torch.randn(6, 60, 400, dtype=torch.complex64, generator=torch.Generator().manual_seed(0)))
    assert one.shape == (60, frames(RING, (30.0, 0.0)).shape[-1])
    assert float(one[one > 0].median()) > 0.95
    assert float(diffuse.mean()) < 0.4
    assert float(reliable_bins(torch.zeros(3, 4, 5, dtype=torch.complex64)).abs().sum()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_silence_gives_a_finite_map_and_wrong_input_is_refused(kind: type[Spectrum]) -> None:
    spectrum = kind(RING, FREQUENCIES)
    assert bool(torch.isfinite(spectrum.power(torch.zeros(6, len(FREQUENCIES), 5, dtype=torch.complex64), 2)).all())
    with pytest.raises(ShapeError, match="6"):
        spectrum.power(torch.zeros(4, len(FREQUENCIES), 5, dtype=torch.complex64))
    with pytest.raises(ShapeError, match="n_sources=0"):
        spectrum(torch.zeros(6, len(FREQUENCIES), 5, dtype=torch.complex64), 0)
    with pytest.raises(ShapeError, match="band"):
        kind(RING, FREQUENCIES, band=(9000.0, 9900.0))
    with pytest.raises(ShapeError, match="directions of the grid"):
        kind(RING, FREQUENCIES, response=far_field(RING, 0.0, frequencies=spectrum.frequencies))


def test_music_needs_more_microphones_than_sources() -> None:
    with pytest.raises(ShapeError, match="1 to 5 fit 6"):
        MUSIC(RING, FREQUENCIES).power(torch.zeros(6, len(FREQUENCIES), 5, dtype=torch.complex64), 6)
