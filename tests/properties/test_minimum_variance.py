"""What holds for MVDR, MPDR and LCMV, and for the canceller that learns LCMV."""

import math

import pytest
import torch
from any_array import FREQUENCIES, WELL_CONDITIONED, demixing, frames, responses
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import GSC, LCMV, MPDR, MVDR, Decoder, Masks, PseudoInverse, steering_uncertainty
from arrayscene.decoders.sidelobe_canceller import CancellerState
from arrayscene.errors import ArraySceneError, GeometryError, ShapeError
from arrayscene.linalg import covariance
from arrayscene.response import PlaneWave, Response

ARRAY = MicrophoneArray.circular(4, 0.05)


def plane_waves(*azimuth: float, array: MicrophoneArray = ARRAY, frequencies: torch.Tensor = FREQUENCIES) -> PlaneWave:
    return PlaneWave(array, torch.tensor(azimuth, dtype=torch.float64), frequencies=frequencies)


@settings(deadline=None, max_examples=50)
@given(responses(more_mics=True), st.booleans())
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-9), (torch.complex64, 1e-4)])
def test_lcmv_keeps_its_source_and_nulls_the_others(
    dtype: torch.dtype, allowed: float, response: Response, from_recording: bool
) -> None:
    A = response.matrix()
    assume(float(torch.linalg.cond(A).max()) < WELL_CONDITIONED)
    D = demixing(LCMV(None if from_recording else frames(A.shape[-2])[..., :3], reference=None), response, dtype)
    identity = torch.eye(A.shape[-1], dtype=A.dtype).expand(len(A), -1, -1)
    torch.testing.assert_close(D.to(A.dtype) @ A, identity, rtol=0, atol=allowed)


def test_further_nulls_are_not_heard() -> None:
    response, unwanted = plane_waves(0.3, 2.0), plane_waves(-1.5)
    D = demixing(LCMV(nulls=unwanted), response)
    torch.testing.assert_close(D @ unwanted.matrix(), torch.zeros(3, 2, 1, dtype=D.dtype), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(responses(more_mics=True))
def test_the_canceller_at_its_optimum_is_lcmv(response: Response) -> None:
    """U = A^+ R B (B R B)^+ is where the adaptation comes to rest."""
    A = response.matrix()
    assume(A.shape[-2] > A.shape[-1] and float(torch.linalg.cond(A).max()) < WELL_CONDITIONED)
    y = frames(A.shape[-2])
    R = covariance(y)
    state: CancellerState = GSC(reference=None).init(y, response)
    B = state.blocking
    U = state.fixed @ R @ B @ torch.linalg.pinv(B @ R @ B, rtol=1e-10, hermitian=True)
    wanted = demixing(LCMV(loading=0.0, reference=None), response)
    torch.testing.assert_close(state.fixed - U @ B, wanted, rtol=0, atol=1e-6 * float(wanted.abs().max()))


def test_the_canceller_learns_to_cancel() -> None:
    frequencies = torch.linspace(500, 4000, 8, dtype=torch.float64)
    every = plane_waves(0.3, 2.0, -1.5, frequencies=frequencies)
    response = plane_waves(0.3, frequencies=frequencies)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 8, 1500, dtype=torch.complex128, generator=generator)
    y = every(x) + 0.1 * torch.randn(4, 8, 1500, dtype=torch.complex128, generator=generator)
    noise = y - plane_waves(0.3, frequencies=frequencies)(x[:1])

    def error(decoder: Decoder) -> float:
        estimate = decoder(y, response).x - x[:1] * every.matrix()[:, 0, 0, None]
        return 10 * math.log10(float(estimate[..., 1000:].abs().square().mean()))

    fixed, best = error(PseudoInverse(0.0)), error(LCMV(noise))
    assert fixed > best + 18
    assert error(GSC(0.02, white_noise_gain=0.0)) < best + 4
    # No room to adapt: |d|^2 may not exceed that of delay-and-sum, 1 / 4.
    assert error(GSC(white_noise_gain=4.0)) == pytest.approx(fixed, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(responses(more_mics=True), st.floats(0.05, 2.0))
def test_the_canceller_keeps_its_white_noise_gain(response: Response, floor: float) -> None:
    assume(float(torch.linalg.cond(response.matrix()).max()) < WELL_CONDITIONED)
    y = frames(response.matrix().shape[-2])
    fixed = PseudoInverse(0.0, reference=None)(y, response).stats["white_noise_gain"]
    reached = GSC(1.0, white_noise_gain=floor, reference=None)(y, response).stats["white_noise_gain"]
    assert (reached >= fixed.clamp(max=floor) * (1 - 1e-9)).all()


@settings(deadline=None, max_examples=30)
@given(responses(), st.floats(1e-4, 0.9), st.integers(0, 99))
def test_robust_capon_is_the_best_of_the_worst_case(response: Response, uncertainty: float, seed: int) -> None:
    """Of all w that keep every steering vector in the ball above 1, none lets less power through."""
    A = response.matrix()
    R = covariance(frames(A.shape[-2]))
    radius = math.sqrt(uncertainty) * A.abs().square().sum(-2).sqrt()

    def power(D: torch.Tensor) -> torch.Tensor:
        worst = (D * A.mT).sum(-1).abs() - radius * D.abs().square().sum(-1).sqrt()
        return torch.where(worst > 0, (D @ R * D.conj()).sum(-1).real / worst.clamp_min(1e-9).square(), torch.inf)

    D = demixing(MPDR(uncertainty, loading=0.0, reference=None), response)
    generator = torch.Generator().manual_seed(seed)
    for size in (1e-3, 1e-1):
        other = D + size * D.abs().mean() * torch.randn(D.shape, dtype=D.dtype, generator=generator)
        assert (power(other) >= power(D) * (1 - 1e-6)).all()


def test_no_uncertainty_is_minimum_power() -> None:
    response, y = plane_waves(0.3, 2.0), frames(4)
    wanted = MVDR(loading=1e-3)(y, response).x
    torch.testing.assert_close(MPDR(0.0)(y, response).x, wanted, rtol=0, atol=0)
    torch.testing.assert_close(MPDR(torch.tensor([1e-12, 0.0, 0.0]))(y, response).x, wanted, rtol=0, atol=1e-5)


def test_robust_capon_does_not_cancel_a_source_that_is_off() -> None:
    """One loud source, five degrees from where it is looked for, and one at the side."""
    frequencies = torch.linspace(500, 3000, 6, dtype=torch.float64)
    array = MicrophoneArray.circular(6, 0.08)
    true, looked = (plane_waves(azimuth, 2.5, array=array, frequencies=frequencies) for azimuth in (0.0, math.radians(5)))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 6, 400, dtype=torch.complex128, generator=generator)
    y = true(x) + 0.01 * torch.randn(6, 6, 400, dtype=torch.complex128, generator=generator)
    allowance = steering_uncertainty(array, frequencies, direction=math.radians(5))

    def kept(decoder: Decoder) -> float:
        found = decoder(y, looked).x[0]
        return float(((found * x[0].conj()).mean(-1).abs() / x[0].abs().square().mean(-1)).min())

    assert kept(MPDR(0.0, loading=0.0, reference=None)) < 0.1
    assert kept(MPDR(allowance, loading=0.0, reference=None)) > 0.7


def test_uncertainty_grows_with_frequency_and_with_what_is_not_known() -> None:
    frequencies = torch.tensor([0.0, 100.0, 1000.0, 20000.0], dtype=torch.float64)
    small = steering_uncertainty(ARRAY, frequencies, direction=0.05, position=0.001, gain=0.1)
    large = steering_uncertainty(ARRAY, frequencies, direction=0.1, position=0.002, gain=0.2)
    assert float(small[0]) == pytest.approx(0.01)
    assert (small[1:] > small[:-1]).all()
    assert (large > small)[:3].all()
    assert float(large[-1]) < 1
    # Small errors of position: the phase error's variance, (k s)^2.
    alone = steering_uncertainty(ARRAY, frequencies, position=1e-4)
    assert float(alone[2]) == pytest.approx((2 * math.pi * 1000 * 1e-4 / 343) ** 2, rel=0.02)
    with pytest.raises(ShapeError):
        steering_uncertainty(ARRAY, frequencies, gain=-0.1)


def test_statistics_tell_mvdr_what_is_not_the_source() -> None:
    response = plane_waves(0.3, 2.0)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 200, dtype=torch.complex128, generator=generator)
    x[0, :, 100:], x[1, :, :100] = 0, 0
    y = response(x) + 0.01 * torch.randn(4, 3, 200, dtype=torch.complex128, generator=generator)
    active = (x.abs() > 0).any(1, keepdim=True)
    D = demixing(MVDR(y[..., 100:], reference=None), response)[:, 0]
    found = MVDR(Masks(active), reference=None).init(y, response).D[:, 0]
    torch.testing.assert_close(found, D, rtol=1e-9, atol=1e-9)


def refused(kind: type[ArraySceneError], decoder: Decoder, response: Response, y: torch.Tensor | None = None) -> str:
    with pytest.raises(kind) as caught:
        decoder(frames(response.matrix().shape[-2]) if y is None else y, response)
    return str(caught.value)


@pytest.mark.parametrize("make", [LCMV, GSC])
def test_what_no_constraint_can_do_is_refused(make: type[Decoder]) -> None:
    message = refused(ShapeError, make(), plane_waves(0.0, 1.0, 2.0, 3.0, 4.0))
    assert "5 sources" in message
    assert "MVDR" in message
    assert "PseudoInverse" in message
    assert "sources 1 and 3" in refused(GeometryError, make(), plane_waves(0.3, 2.0, 0.3))
    # Mirrored at the line.
    line = MicrophoneArray.linear(4, 0.03)
    assert "mirrored" in refused(GeometryError, make(), plane_waves(0.3, math.pi - 0.3, array=line))


def test_inputs_of_other_shapes_are_refused() -> None:
    response, y = plane_waves(0.3, 2.0), frames(4)
    refused(ShapeError, LCMV(nulls=plane_waves(1.0, 2.5, 4.0)), response)
    refused(ShapeError, LCMV(nulls=plane_waves(1.0, array=MicrophoneArray.circular(5, 0.05))), response)
    refused(ShapeError, MVDR(frames(5)), response)
    refused(ShapeError, MVDR(Masks(torch.ones(1, 1, y.shape[-1]))), response)
    refused(ShapeError, MPDR(torch.tensor([0.1, 0.1])), response)
    for arguments in ({"uncertainty": 1.0}, {"uncertainty": -0.1}, {"loading": -1.0}):
        with pytest.raises(ShapeError):
            MPDR(**arguments)
    for arguments in ({"step": 0.0}, {"step": 2.0}, {"memory": 1.0}, {"white_noise_gain": -1.0}):
        with pytest.raises(ShapeError):
            GSC(**arguments)


@pytest.mark.parametrize("decoder", [MVDR(loading=0.0), MPDR(loading=0.0), LCMV(loading=0.0), GSC()])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_covariances_that_are_singular(decoder: Decoder, dtype: torch.dtype) -> None:
    """One frame, a dead microphone, frequency 0 and Nyquist: bounded, and silence where there is nothing."""
    response = plane_waves(0.3, 2.0, frequencies=torch.linspace(0, 8000, 9, dtype=torch.float64))
    y = torch.randn(4, 9, 20, dtype=dtype, generator=torch.Generator().manual_seed(0))
    y[2] = 0
    for part in (y, y[..., :1]):
        x = decoder(part, response).x
        assert torch.isfinite(x.abs()).all()
        assert float(x.abs().max()) < 100 * float(y.abs().max())
