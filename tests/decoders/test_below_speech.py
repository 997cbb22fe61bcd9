"""Rumble and offsets go to the source from whose direction they come."""

import math

import pytest
import torch

from arrayscene import MicrophoneArray, ShapeError
from arrayscene.decoders import BelowSpeech, Decoder, Estimate, OnlineAuxIVA, PseudoInverse
from arrayscene.response import Response, far_field
from arrayscene.stft import STFT

RATE, SHORT = 16000, STFT(1024)
ARRAY = MicrophoneArray.circular(4, 0.032)


class Told(Decoder):
    """What a separation came out with."""

    def __init__(self, x: torch.Tensor) -> None:
        super().__init__()
        self.x = x

    def init(self, y: torch.Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> None:
        """Nothing to learn."""

    def step(self, y: torch.Tensor, state: None) -> tuple[Estimate, None]:
        return Estimate(self.x, None, {}), None


def directions(*degrees: float) -> Response:
    azimuths = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return far_field(ARRAY, azimuths, torch.zeros_like(azimuths), frequencies=SHORT.frequencies(RATE))


def noise(low: float, high: float, seed: int, n_channels: int = 1) -> torch.Tensor:
    """(channel, freq, frame) of four seconds of noise in a band."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.fft.rfft(torch.randn(n_channels, 4 * RATE, dtype=torch.float64, generator=generator))
    hertz = torch.arange(spectrum.shape[-1]) / 4
    return SHORT(torch.fft.irfft(spectrum * ((hertz >= low) & (hertz <= high)), n=4 * RATE))


def scene(rumbler: int) -> tuple[torch.Tensor, torch.Tensor, Response]:
    """y, x and A of two sources, of which one also rumbles, much louder than it speaks."""
    A = directions(20, -110)
    x = torch.cat([noise(100, 4000, 1), noise(100, 4000, 2)])
    x[rumbler] += 100 * noise(20, 45, 3)[0]
    return A(x) + 1e-3 * noise(0, 8000, 4, 4), x, A


def inside(x: torch.Tensor) -> torch.Tensor:
    return x[..., 8:-8]


@pytest.mark.parametrize("rumbler", [0, 1])
@pytest.mark.parametrize("wrong", [lambda low: low.flip(0), lambda low: 0.5 * low.sum(0, keepdim=True).expand_as(low)])
def test_rumble_goes_to_whom_it_belongs(rumbler: int, wrong: object) -> None:
    y, x, A = scene(rumbler)
    told = x.clone()
    told[:, :4] = wrong(x[:, :4])  # type: ignore[operator]
    found = BelowSpeech(Told(told), SHORT)(y, A).x
    error = inside(found - x).abs().square().sum() / inside(x).abs().square().sum()
    assert 10 * math.log10(error) < -25
    assert torch.equal(found[:, 8:], told[:, 8:])


@pytest.mark.parametrize("elsewhere", [-45.0, 135.0, None])
def test_what_is_nobodys_stays(elsewhere: float | None) -> None:
    _, x, A = scene(0)
    x[:, :6] = 0
    # From between the two, from behind both, and from everywhere at once.
    hum = noise(20, 45, 5, 4) if elsewhere is None else directions(elsewhere)(noise(20, 45, 5))
    found = BelowSpeech(Told(x), SHORT)(A(x) + 100 * hum, A).x
    torch.testing.assert_close(found, x, rtol=0, atol=1e-9 * float(hum.abs().max()))


def test_parts_are_those_of_the_whole() -> None:
    y, _, A = scene(1)
    decoder = BelowSpeech(PseudoInverse(0.1), SHORT)
    whole, state = decoder(y, A).x, decoder.init(y, A)
    parts = []
    for part in y.split(50, -1):  # type: ignore[no-untyped-call]
        estimate, state = decoder.step(part, state)
        parts.append(estimate.x)
    assert torch.equal(torch.cat(parts, -1), whole)
    with pytest.raises(ShapeError, match="whole recording"):
        decoder.step(y[..., :1], state)


def test_what_it_cannot_work_with_is_refused() -> None:
    y, x, _ = scene(0)
    with pytest.raises(ShapeError, match="513"):
        BelowSpeech(Told(x), SHORT)(y[:, :200], None)
    with pytest.raises(ShapeError, match="block by block"):
        BelowSpeech(OnlineAuxIVA(), SHORT)
