"""Responses made of others."""

import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import PseudoInverse
from arrayscene.errors import ShapeError
from arrayscene.response import Cascade, Joined, MatrixResponse, PlaneWave, RigidSphere, SphericalWave

ARRAY = MicrophoneArray.circular(4, 0.05)
FREQUENCIES = torch.tensor([500.0, 1500.0, 3000.0], dtype=torch.float64)
PLACES = torch.tensor([[0.3, 0.1, 0.0]], dtype=torch.float64)


def far(n: int = 2) -> PlaneWave:
    return PlaneWave(ARRAY, torch.linspace(0.5, 2.5, n), frequencies=FREQUENCIES)


def sound(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))


def test_near_and_far_sources_sound_together_and_are_decoded_together() -> None:
    near = SphericalWave(ARRAY, PLACES, frequencies=FREQUENCIES)
    both = Joined([near, far()])
    x = sound(3, 3, 5)
    torch.testing.assert_close(both(x), near(x[:1]) + far()(x[1:]))
    torch.testing.assert_close(PseudoInverse(0.0, reference=None)(both(x), both).x, x)


def test_a_sphere_hears_sources_at_several_distances() -> None:
    positions = torch.tensor(ARRAY.positions)
    options = {"frequencies": FREQUENCIES, "body_radius": 0.05}
    both = Joined([RigidSphere(positions, 0.3, distance=0.2, **options), RigidSphere(positions, 0.3, **options)])
    A = both.matrix()
    assert float(A[0, 0, 0].abs()) > 1.2 * float(A[0, 0, 1].abs())


def test_the_diffuse_field_is_that_of_whoever_knows_it() -> None:
    silent = MatrixResponse(far().matrix(), FREQUENCIES)
    assert Joined([silent]).diffuse() is None
    assert Cascade(silent, torch.eye(4)).diffuse() is None
    torch.testing.assert_close(Joined([silent, far()]).diffuse(), far().diffuse())


def test_responses_for_several_recordings_join_one_for_all() -> None:
    several = PlaneWave(torch.tensor(ARRAY.positions) * torch.tensor([1.0, 1.1]).reshape(2, 1, 1), 0.3, frequencies=FREQUENCIES)
    A = Joined([several, far()]).matrix()
    assert A.shape == (2, 3, 4, 3)
    torch.testing.assert_close(A[1, ..., 1:], far().matrix())


def test_a_stage_may_be_gains_a_filter_or_a_response() -> None:
    x, gains = sound(2, 3, 5), torch.tensor([1.0, 0.5, 2.0, 1.0])
    y = gains[:, None, None] * far()(x)
    filters = torch.diag(gains).to(torch.complex128).expand(3, 4, 4)
    for stage in (torch.diag(gains), filters, MatrixResponse(filters, FREQUENCIES)):
        torch.testing.assert_close(Cascade(far(), stage)(x), y)


def test_slices_of_slices_count_from_the_slice() -> None:
    response = far(5)
    part = response.select(sources=[4, 1, 2]).select(sources=[2, 0], mics=[3])
    torch.testing.assert_close(part.matrix(), response.matrix()[:, [3]][..., [2, 4]])


def test_what_does_not_fit_is_refused() -> None:
    other = PlaneWave(ARRAY, 0.0, frequencies=FREQUENCIES[:2])
    with pytest.raises(ShapeError, match="at least one"):
        Joined([])
    with pytest.raises(ShapeError, match="same transform"):
        Joined([far(), other])
    with pytest.raises(ShapeError, match=r"\[4, 3\] microphones"):
        Joined([far(), far().select(mics=[0, 1, 2])])
    with pytest.raises(ShapeError, match="for 3 microphones came after a response of 4"):
        Cascade(far(), torch.eye(3))
    with pytest.raises(ShapeError, match="same transform"):
        Cascade(far(), other)
    with pytest.raises(ShapeError, match="microphones \\[0, 9\\] came; different ones out of 0 to 3"):
        far().select(mics=[0, 9])
