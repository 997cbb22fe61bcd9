"""The reliability that every estimate carries says what share of a source is right."""

import math

import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.decoders import Decoder, DelayAndSum, Estimate, PseudoInverse
from arrayscene.decoders.reliability import MISPLACED, SENSOR_NOISE, best_reliability, reliability
from arrayscene.response import PlaneWave, Response

RING = MicrophoneArray.circular(4, 0.035)
FREQUENCIES = torch.tensor([30.0, 250.0, 1000.0, 4000.0, 8000.0], dtype=torch.float64)


def response(*azimuths: float) -> PlaneWave:
    return PlaneWave(RING, torch.tensor(azimuths), frequencies=FREQUENCIES)


def frames(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, len(FREQUENCIES), 40, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("decoder", [PseudoInverse(1e-2), PseudoInverse(1e-5), DelayAndSum()])
def test_it_is_the_share_that_a_trial_finds_right(decoder: Decoder) -> None:
    known = response(0.4, 2.0)
    state = decoder.init(frames(), known)
    said = decoder.step(frames(), state)[0].reliability
    A, D = state.response.matrix(), state.D
    generator = torch.Generator().manual_seed(3)
    n_trials = 20000

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(n_trials, *shape, dtype=torch.complex128, generator=generator)

    x, noise = random(5, 2, 1), SENSOR_NOISE**0.5 * random(5, 4, 1)
    phase_error = (2 * math.pi * MISPLACED / SPEED_OF_SOUND * FREQUENCIES).square()
    error = (1 - torch.exp(-phase_error)).sqrt()[:, None, None] * random(5, 4, 2)
    wrong = (x - D @ ((A + error) @ x + noise)).abs().square().mean(0)[..., 0]
    torch.testing.assert_close(said, (1 - wrong / x.abs().square().mean(0)[..., 0]).clamp(0, 1), rtol=0, atol=0.03)


def test_it_falls_at_low_frequencies_and_where_directions_meet() -> None:
    apart, close = (PseudoInverse(1e-3)(frames(), response(0.4, second)).reliability for second in (2.0, 0.42))
    assert (apart[0] < 0.7).all()
    assert (apart[2] > 0.9).all()
    # Two that cannot be told apart share what there is: half of each is right.
    assert (close < 0.55).all()


def test_geometry_is_trusted_less_at_high_frequencies() -> None:
    A = torch.ones(5, 4, 1, dtype=torch.complex128)
    D = A.mH / 4
    geometric, found = reliability(D, A, FREQUENCIES)[:, 0], reliability(D, A)[:, 0]
    assert (geometric.diff() < 0).all()
    torch.testing.assert_close(found, torch.full_like(found, 1 - SENSOR_NOISE / 4))


def test_no_decoder_is_better_than_the_best() -> None:
    A = response(0.4, 1.0, 2.0).matrix() / response(0.4, 1.0, 2.0).matrix()[:, :1]
    gram = A.mH @ A
    best = torch.linalg.solve(gram + SENSOR_NOISE * torch.eye(3), A.mH)
    torch.testing.assert_close(best_reliability(A), reliability(best, A), rtol=0, atol=1e-9)
    for loading in (0.0, 1e-2, 1.0):
        other = torch.linalg.solve(gram + loading * torch.eye(3), A.mH)
        assert (reliability(other, A) <= best_reliability(A) + 1e-9).all()


def test_nothing_is_said_where_nothing_is_known() -> None:
    class First(Decoder):
        def init(
            self, y: torch.Tensor, response: Response | None = None, *, generator: torch.Generator | None = None
        ) -> tuple[()]:
            return ()

        def step(self, y: torch.Tensor, state: tuple[()]) -> tuple[Estimate, tuple[()]]:
            return Estimate(y[..., :2, :, :], None, {}), state

    trust = First()(frames()).reliability
    assert trust.shape == (5, 2)
    assert trust.isnan().all()
