"""`arrayscene train prior`: clean speech plus noise of the colour of speech, towards the speech."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import torch
from torch import Tensor, nn

from arrayscene.networks import SpeechPrior, speech_prior_bytes
from arrayscene.networks.speech_prior import N_FFT
from arrayscene.stft import STFT
from arrayscene.training.clean_speech import CleanSpeech, load_clips, long_term_spectrum, whitened
from arrayscene.training.config import TrainingConfig
from arrayscene.training.data import about_speech, speech_of
from arrayscene.training.recipe import Recipe

LEVELS: Final = (0.03, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Of the noise in held-out speech."""


@dataclass(frozen=True)
class PriorConfig(TrainingConfig):
    """One training of `SpeechPrior`.

    Attributes:
        seconds: of an example.
        sigma, sigma_spread: median of the noise levels, and the standard deviation of their logarithm.
        reverberant: share of the examples that were in a room.
        n_validation: most held-out clips that score the network, 3 s of each.
        width, n_blocks: sizes of the network, as `SpeechPrior` takes them.
    """

    n_steps: int = 10000
    batch: int = 32
    learning_rate: float = 1e-3
    ema: float = 0.999
    precision: str = "bf16-mixed"
    seconds: float = 1.28
    sigma: float = 0.25
    sigma_spread: float = 0.9
    reverberant: float = 0.6
    n_validation: int = 32
    width: int = 64
    n_blocks: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        self._demand(self.seconds >= 0.2, "seconds", "at least 0.2")
        self._demand(self.sigma > 0 and self.sigma_spread >= 0, "sigma", "a level above 0, and a spread of 0 or more")
        self._demand(0 <= self.reverberant <= 1, "reverberant", "a share from 0 to 1")
        for name in ("n_validation", "width", "n_blocks"):
            self._demand(getattr(self, name) >= 1, name, "1 or more")


class NoisySpeech(NamedTuple):
    """Speech (..., sample), noise of unit variance, both whitened, and the noise's level (...)."""

    speech: Tensor
    noise: Tensor
    sigma: Tensor


class PriorRecipe(Recipe[PriorConfig, NoisySpeech, NoisySpeech]):
    """`SpeechPrior` on speech in noise of the colour of speech.

    E |D(s + sigma n, sigma) - s|^2 (1 + sigma^2) / sigma^2: the error relative to that of the Wiener filter which knows no more
    than the spectrum of speech, so that every level counts alike.

    Reference: Karras et al., NeurIPS 2022, eq. (8), lambda of Table 1.
    """

    name = "prior"
    config_class = PriorConfig
    figures = tuple(f"gain_{level:g}" for level in LEVELS)
    unit = "gain over the Wiener filter by noise level, dB"

    def prepare(self, share: tuple[int, int], report: Callable[[str, float], None]) -> None:
        """Read the speech, all of it: 4 bytes a sample."""
        everyone = speech_of(self.config)
        rate = SpeechPrior.sample_rate
        report("speech", 0.0)
        clips = load_clips(everyone.split("train"), rate)
        held = load_clips(everyone.split("test"), rate)
        report("speech", 1.0)
        n_samples = round(self.config.seconds * rate)
        self.spectrum = long_term_spectrum(clips, STFT(N_FFT))
        self.speech = CleanSpeech(clips, rate, self.spectrum, n_samples=n_samples, reverberant=self.config.reverberant)
        longest = 3 * rate
        self.held = [whitened(clip[:longest], self.spectrum) for clip in held[: self.config.n_validation]]

    def network(self) -> SpeechPrior:
        """The prior that knows the spectrum of speech and nothing else."""
        network = SpeechPrior(self.config.width, self.config.n_blocks)
        network.spectrum.copy_(self.spectrum)
        return network

    def example(self, number: int) -> NoisySpeech:
        """A stretch of speech, and noise for it."""
        draws = self.torch_draws(number)
        speech = self.speech.batch(1, draws)[0]
        level = math.log(self.config.sigma) + self.config.sigma_spread * torch.randn((), generator=draws)
        return NoisySpeech(speech, torch.randn(speech.shape, generator=draws), level.exp().clamp(0.01, 4.0))

    def collate(self, examples: Sequence[NoisySpeech]) -> list[NoisySpeech]:
        """One batch of them all."""
        return [NoisySpeech(*(torch.stack(part) for part in zip(*examples, strict=True)))]

    def loss(self, network: nn.Module, batch: NoisySpeech) -> Tensor:
        """(example,) 1 for the untrained network."""
        speech, noise, sigma = batch
        clean = network(speech + sigma[:, None] * noise, sigma)
        loss: Tensor = (clean - speech).square().mean(-1) * (1 + sigma.square()) / sigma.square()
        return loss

    @property
    def n_validation(self) -> int:
        """Held-out clips."""
        return len(self.held)

    def validate(self, network: nn.Module, number: int) -> list[tuple[float, ...]]:
        """Gain in dB over that Wiener filter, by level."""
        device = next(network.parameters()).device
        speech = self.held[number].to(device)
        draws = torch.Generator().manual_seed(number)
        noise = torch.randn(speech.shape, generator=draws).to(device)
        gains = []
        for sigma in LEVELS:
            noisy = speech + sigma * noise
            clean = network(noisy[None], torch.full((1,), sigma, device=device))[0]
            known = noisy / (1 + sigma**2)
            gains.append(10 * math.log10(float((known - speech).square().mean() / (clean - speech).square().mean())))
        return [tuple(gains)]

    def weights(self, network: nn.Module, facts: Mapping[str, str]) -> bytes:
        """A file that `load_speech_prior` reads."""
        return speech_prior_bytes(cast(SpeechPrior, network), **facts)

    def about(self) -> Mapping[str, str]:
        """For the card."""
        return {
            "What for": (
                "Knows what clean speech is like, at 16 kHz (`arrayscene.networks.SpeechPrior`). Use it with "
                "`DiffusionPosterior(stft, start, load_speech_prior(FILE))`."
            ),
            "Data": (
                f"Stretches of {self.config.seconds:g} s at speeds of 0.9 to 1.1, other levels and colours, spliced and with "
                f"pauses, {self.config.reverberant:.0%} of them in synthetic rooms. {about_speech(self.config.speech)}"
            ),
            "Limits": (
                "One talker in each signal, not music or other sounds; noise of the colour of speech at levels from 0.01 to 4; "
                "nothing above 8 kHz."
            ),
        }
