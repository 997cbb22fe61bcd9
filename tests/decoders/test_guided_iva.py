"""A linear separation learnt from another decoder's variances, and the share of a Wiener filter after it."""

import pytest
import torch
from torch import Tensor

from arrayscene.decoders import Decoder, Estimate, GuidedIVA, MultichannelWiener, OnlineAuxIVA, PseudoInverse
from arrayscene.errors import ShapeError
from arrayscene.metrics import si_sdr
from arrayscene.response import MatrixResponse, Response
from arrayscene.stft import STFT

SHORT, LONG = STFT(64), STFT(256)
N_SAMPLES = 12000


class Told(Decoder):
    """A guide that knows the sources, and nothing of their phases."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> None:
        return None

    def step(self, y: Tensor, state: None) -> tuple[Estimate, None]:
        return Estimate(torch.nn.functional.pad(self.x, (0, y.shape[-1] - self.x.shape[-1])), None, {}), None


def mixture() -> tuple[Tensor, Tensor]:
    """(mic, sample) of two sources that come and go, through short filters, and their images at microphone 1."""
    generator = torch.Generator().manual_seed(0)
    loud = torch.rand(2, N_SAMPLES // 300, generator=generator).repeat_interleave(300, dim=1) ** 3
    dry = torch.randn(2, N_SAMPLES, generator=generator) * loud
    taps = torch.randn(3, 2, 12, generator=generator) * torch.exp(-torch.arange(12.0) / 3)
    images = torch.stack([torch.nn.functional.conv1d(dry[n][None, None], taps[:, n][:, None], padding=11)[0] for n in range(2)])
    images = images[..., :N_SAMPLES]
    return images.sum(0), images[:, 0]


def test_sources_come_apart_with_the_variances_of_a_guide() -> None:
    y, images = mixture()
    # The guide hears the other source a tenth as loud, and has lost the phases.
    spoilt = SHORT(images + 0.1 * images.flip(0)).abs() * torch.exp(1j * SHORT(y[:1]).angle())
    x = LONG.inverse(GuidedIVA(Told(spoilt), LONG, SHORT, n_iter=5)(LONG(y)).x, N_SAMPLES)
    assert si_sdr(x, images).min() > 15
    assert si_sdr(SHORT.inverse(spoilt, N_SAMPLES), images).max() < 14


def test_half_a_filter_is_the_mean_of_the_filter_and_its_pilot() -> None:
    y, _ = mixture()
    A = torch.randn(LONG.n_freqs, 3, 2, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    known = MatrixResponse(A[::4], torch.linspace(0, 4000, SHORT.n_freqs))
    none, half, whole = (
        MultichannelWiener(PseudoInverse(0.1), SHORT, SHORT, strength=strength)(SHORT(y), known).x for strength in (0.0, 0.5, 1.0)
    )
    torch.testing.assert_close(half, 0.5 * (none + whole))
    assert not torch.allclose(none, whole, rtol=0.1)


def test_guides_that_learn_block_by_block_are_refused() -> None:
    with pytest.raises(ShapeError, match="learns block by block"):
        GuidedIVA(OnlineAuxIVA(), LONG, SHORT)
    with pytest.raises(ShapeError, match="its STFT makes 129"):
        GuidedIVA(Told(torch.zeros(2, 33, 9)), LONG, SHORT)(SHORT(mixture()[0]))
