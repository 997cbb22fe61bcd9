"""The checks find what they are for: every broken promise below is caught by its name."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import Decoder, DelayAndSum, Estimate
from arrayscene.response import MatrixResponse, PlaneWave, Response
from arrayscene.testing import check_decoder, check_response

FREQUENCIES = torch.linspace(100, 3000, 7, dtype=torch.float64)
ARRAY = MicrophoneArray.circular(3, 0.05)


def honest() -> PlaneWave:
    return PlaneWave(ARRAY, torch.tensor([0.4, 2.3]), frequencies=FREQUENCIES)


def recording() -> Tensor:
    return torch.randn(3, 7, 12, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))


class WrongAdjoint(PlaneWave):
    def adjoint(self, y: Tensor) -> Tensor:
        return torch.einsum("fms,mft->sft", self.matrix().to(y.dtype), y)


class SinglePrecision(PlaneWave):
    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        return super().matrix(frequencies).to(torch.complex64)


class SmoothedOverFrequency(PlaneWave):
    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        A = super().matrix(frequencies)
        return A + 0.1 * A.mean(0)


class StaysBehind(Response):
    def __init__(self) -> None:
        super().__init__(FREQUENCIES)
        self.gains = torch.ones(3, 1, dtype=torch.complex128)

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        frequencies = self.frequencies if frequencies is None else frequencies
        return self.gains.expand(len(frequencies), 3, 1)


class HearsNoiseAsAlike(PlaneWave):
    def diffuse(self, frequencies: Tensor | None = None) -> Tensor:
        return torch.eye(3, dtype=torch.complex128, device=self.frequencies.device).expand(7, 3, 3)


class HearsLessThanNothing(PlaneWave):
    def diffuse(self, frequencies: Tensor | None = None) -> Tensor:
        return super().diffuse(frequencies) - torch.eye(3, device=self.frequencies.device)


class ForgetsItsField(PlaneWave):
    def select(self, sources: Sequence[int] | None = None, mics: Sequence[int] | None = None) -> Response:
        return MatrixResponse(super().select(sources, mics).matrix(), self.frequencies)


class Forgets(Decoder):
    """A flawless decoder, a channel picker, for others to break."""

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Any:
        return 0

    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        return Estimate(y[..., :1, :, :].clone(), None, {}), state


class Remembers(Forgets):
    seen = 0.0

    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        self.seen += 1e-3
        return Estimate(y[..., :1, :, :] * (1 + self.seen), None, {}), state


class SpoilsTheRecording(Forgets):
    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Any:
        y[..., 0, 0] = 0


class LooksAtTheBlock(Forgets):
    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        return Estimate(y[..., :1, :, :] - y[..., :1, :, :].mean(-1, keepdim=True), None, {}), state


class MixesTheBatch(Forgets):
    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Any:
        return y.abs().mean(dim=(-3, -2, -1), keepdim=True) / y.abs().max().clamp_min(1e-30)

    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        return Estimate(y[..., :1, :, :] * state, None, {}), state


class HasAThreshold(Forgets):
    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        x = y[..., :1, :, :]
        return Estimate(torch.where(x.abs() > 1, x, 0), None, {}), state


class AnswersInSinglePrecision(Forgets):
    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        return Estimate(y[..., :1, :, :].to(torch.complex64), None, {}), state


class DividesBySilence(Forgets):
    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        x = y[..., :1, :, :]
        return Estimate(x * (x.abs() / x.abs()), None, {}), state


class ThrowsDice(Forgets):
    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        torch.rand(1)
        return super().step(y, state)


class CountsMicrophones(Forgets):
    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        return Estimate(y[..., 1:2, :, :], None, {}), state


class TakesAnything(DelayAndSum):
    def forward(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Estimate:
        return self.step(y, self.init(y, response))[0]


class CutsTheGraph(Forgets):
    def step(self, y: Tensor, state: Any) -> tuple[Estimate, Any]:
        x = y[..., :1, :, :]
        size = x.abs().clamp_min(torch.finfo(x.real.dtype).tiny)
        return Estimate(x * (size / size.detach()), None, {}), state


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (WrongAdjoint(ARRAY, torch.tensor([0.4, 2.3]), frequencies=FREQUENCIES), "adjoint"),
        (SinglePrecision(ARRAY, 0.4, frequencies=FREQUENCIES), "complex128 is promised"),
        (SmoothedOverFrequency(ARRAY, 0.4, frequencies=FREQUENCIES), "order of the frequencies|depends on the others"),
        (StaysBehind(), "register its tensors"),
        (HearsNoiseAsAlike(ARRAY, 0.4, frequencies=FREQUENCIES), "mean over plane waves"),
        (HearsLessThanNothing(ARRAY, 0.4, frequencies=FREQUENCIES), "not positive semidefinite"),
        (ForgetsItsField(ARRAY, 0.4, frequencies=FREQUENCIES), "diffuse field is known of the whole or of the part only"),
    ],
)
def test_a_broken_response_is_caught(broken: Response, words: str) -> None:
    known = words == "mean over plane waves"
    with pytest.raises(AssertionError, match=words):
        check_response(broken, plane_waves=(lambda a, e: PlaneWave(ARRAY, a, e, frequencies=FREQUENCIES)) if known else None)


def test_geometries_that_spoil_each_other_are_caught() -> None:
    def build(azimuth: Tensor) -> Response:
        return PlaneWave(ARRAY, azimuth - azimuth.mean(), frequencies=FREQUENCIES)

    with pytest.raises(AssertionError, match="batch: item 0"):
        check_response(honest(), build=build, inputs=[torch.tensor([0.4, 2.3], dtype=torch.float64, requires_grad=True)])


def test_an_unclaimed_frequency_must_be_refused() -> None:
    with pytest.raises(AssertionError, match="unknown frequencies: accepted"):
        check_response(honest(), any_frequency=False)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Remembers(), "the second time"),
        (SpoilsTheRecording(), "recording was changed"),
        (LooksAtTheBlock(), "step: blocks"),
        (MixesTheBatch(), "batch: item"),
        (HasAThreshold(), "scale"),
        (AnswersInSinglePrecision(), "complex64 went out"),
        (DividesBySilence(), "NaN or infinite values in x"),
        (ThrowsDice(), "without the generator"),
        (CountsMicrophones(), "permutation"),
        (TakesAnything(), "a recording with nan"),
        (CutsTheGraph(), "gradients: the slope"),
    ],
)
def test_a_broken_decoder_is_caught(broken: Decoder, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_decoder(broken, recording(), honest(), permutation=words == "permutation")


def test_a_decoder_that_keeps_its_word_passes() -> None:
    keeper = Forgets()
    keeper.reference = 0
    check_decoder(keeper, recording(), honest())
