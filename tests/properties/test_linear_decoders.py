"""What holds for the linear decoders with any well-posed array and directions."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arrayscene.decoders import MVDR, DelayAndSum, LinearDecoder, PseudoInverse
from arrayscene.response import PlaneWave, Response, SphericalWave, unit_vectors

FREQUENCIES = torch.tensor([400.0, 1100.0, 2300.0], dtype=torch.float64)
WELL_CONDITIONED = 30.0


@st.composite
def responses(draw: st.DrawFn, more_mics: bool | None = None) -> Response:
    """Plane waves or nearby points around microphones at random places in a ball of 15 cm."""
    n_mics, n_sources = draw(st.integers(2, 6)), draw(st.integers(1, 6))
    assume(more_mics is None or (n_mics >= n_sources if more_mics else n_mics <= n_sources))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    positions = torch.tensor(0.15 * generator.uniform(-1, 1, (n_mics, 3)))
    azimuth = torch.tensor(generator.uniform(-np.pi, np.pi, n_sources))
    elevation = torch.tensor(generator.uniform(-1.2, 1.2, n_sources))
    if draw(st.booleans()):
        return PlaneWave(positions, azimuth, elevation, frequencies=FREQUENCIES)
    return SphericalWave(positions, 0.6 * unit_vectors(azimuth, elevation), frequencies=FREQUENCIES)


def frames(n_mics: int, dtype: torch.dtype = torch.complex128) -> torch.Tensor:
    return torch.randn(n_mics, len(FREQUENCIES), 20, dtype=dtype, generator=torch.Generator().manual_seed(0))


def demixing(decoder: LinearDecoder, response: Response, dtype: torch.dtype = torch.complex128) -> torch.Tensor:
    """D (freq, source, mic), found by decoding one unit impulse for each microphone."""
    n_mics = response.matrix().shape[-2]
    impulses = torch.eye(n_mics, dtype=dtype)[:, None].expand(n_mics, len(FREQUENCIES), n_mics)
    state = decoder.init(frames(n_mics, dtype), response)
    return decoder.step(impulses, state)[0].x.movedim(0, 1)


@settings(deadline=None, max_examples=50)
@given(st.booleans().flatmap(lambda more_mics: responses(more_mics)))
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-9), (torch.complex64, 1e-4)])
def test_pseudo_inverse_inverts(dtype: torch.dtype, allowed: float, response: Response) -> None:
    A = response.matrix()
    n_freqs, n_mics, n_sources = A.shape
    assume(float(torch.linalg.cond(A).max()) < WELL_CONDITIONED)
    D = demixing(PseudoInverse(0.0, reference=None), response, dtype).to(A.dtype)
    product = D @ A if n_mics >= n_sources else A @ D
    wanted = torch.eye(min(n_mics, n_sources), dtype=A.dtype).expand(n_freqs, -1, -1)
    torch.testing.assert_close(product, wanted, rtol=0, atol=allowed)


@settings(deadline=None, max_examples=50)
@given(responses(), st.floats(1e-4, 1.0))
def test_more_loading_amplifies_noise_less(response: Response, loading: float) -> None:
    assume(float(torch.linalg.cond(response.matrix()).max()) < WELL_CONDITIONED)
    exact, loaded = (demixing(PseudoInverse(mu, reference=None), response) for mu in (0.0, loading))
    assert (torch.linalg.matrix_norm(loaded) < torch.linalg.matrix_norm(exact)).all()


@settings(deadline=None, max_examples=50)
@given(responses(), st.sampled_from([DelayAndSum(None), MVDR(reference=None), MVDR(frames(6)[:, :, :4], reference=None)]))
def test_beamformers_are_distortionless(response: Response, decoder: LinearDecoder) -> None:
    A = response.matrix()
    if getattr(decoder, "noise", None) is not None:
        assume(A.shape[-2] == 6)
    kept = (demixing(decoder, response).mT * A).sum(-2)
    torch.testing.assert_close(kept, torch.ones_like(kept), rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(responses())
def test_sources_come_out_as_the_reference_microphone_hears_them(response: Response) -> None:
    A = response.matrix()
    kept = (demixing(DelayAndSum(reference=1), response).mT * A).sum(-2)
    torch.testing.assert_close(kept, A[:, 1], rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(responses(more_mics=True))
def test_no_distortionless_decoder_amplifies_sensor_noise_less_than_delay_and_sum(response: Response) -> None:
    assume(float(torch.linalg.cond(response.matrix()).max()) < WELL_CONDITIONED)
    y = frames(response.matrix().shape[-2])
    least = DelayAndSum(None)(y, response).stats["noise_gain"]
    for other in (MVDR(reference=None), PseudoInverse(0.0, reference=None)):
        assert (other(y, response).stats["noise_gain"] >= least * (1 - 1e-9)).all()


@settings(deadline=None, max_examples=50)
@given(responses(), st.integers(0, 5))
def test_mvdr_lets_the_least_power_through(response: Response, source: int) -> None:
    A = response.matrix()
    source %= A.shape[-1]
    y = frames(A.shape[-2])
    least = MVDR(loading=0.0, reference=None)(y, response).x[source].abs().square().sum(-1)
    other = DelayAndSum(None)(y, response).x[source].abs().square().sum(-1)
    assert (least <= other * (1 + 1e-9)).all()
