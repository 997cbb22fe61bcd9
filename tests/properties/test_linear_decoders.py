"""What holds for the distortionless decoders with any array and directions."""

import torch
from any_array import WELL_CONDITIONED, demixing, frames, responses
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arrayscene.decoders import MPDR, MVDR, DelayAndSum, LinearDecoder, PseudoInverse, Superdirective
from arrayscene.response import Response

DISTORTIONLESS: list[LinearDecoder] = [
    DelayAndSum(None),
    MVDR(reference=None),
    MVDR(frames(6)[:, :, :4], reference=None),
    MPDR(reference=None),
    Superdirective(reference=None),
]


@settings(deadline=None, max_examples=50)
@given(responses(), st.sampled_from(DISTORTIONLESS))
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
