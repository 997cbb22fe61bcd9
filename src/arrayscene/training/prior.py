"""`arrayscene train prior`: clean speech plus noise of the colour of speech, towards the speech."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from arrayscene.networks import SpeechPrior, speech_prior_bytes
from arrayscene.training.clean_speech import CleanSpeech, load_clips, long_term_spectrum, whitened
from arrayscene.training.config import TrainingConfig
from arrayscene.training.recipe import Recipe
from arrayscene.worlds import Speech

VALIDATION_SIGMAS = (0.03, 0.1, 0.2, 0.4, 0.8, 1.6)


@dataclass(frozen=True)
class PriorConfig(TrainingConfig):
    """One training of `SpeechPrior`.

    Attributes:
        n_steps, batch, learning_rate, precision: as of `TrainingConfig`.
        seconds: of an example.
        sigma, sigma_spread: median of the noise levels, and the standard deviation of their logarithm.
        reverberant: share of the examples that were in a room.
        n_held: most held-out clips that score the network.
    """

    n_steps: int = 20000
    batch: int = 16
    learning_rate: float = 1.5e-3
    seconds: float = 1.28
    sigma: float = 0.25
    sigma_spread: float = 0.9
    reverberant: float = 0.6
    n_held: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        self._demand(self.seconds >= 0.2, "seconds", "at least 0.2")
        self._demand(self.sigma > 0 and self.sigma_spread >= 0, "sigma", "a level above 0, and a spread of 0 or more")
        self._demand(0 <= self.reverberant <= 1, "reverberant", "a share from 0 to 1")
        self._demand(self.n_held >= 1, "n_held", "1 or more")


class NoisySpeech(NamedTuple):
    """Speech (..., sample), noise of unit variance, both whitened, and the noise's level (...)."""

    speech: Tensor
    noise: Tensor
    sigma: Tensor


class PriorRecipe(Recipe[PriorConfig, NoisySpeech, NoisySpeech]):
    """E |D(s + sigma n, sigma) - s|^2 (1 + sigma^2) / sigma^2: the error relative to that of the Wiener filter that knows no more than
    the spectrum of speech, so that every level counts alike.

    Reference: Karras et al., NeurIPS 2022, eq. (8), lambda of Table 1.
    """

    name = "prior"
    config_class = PriorConfig
    figures = tuple(f"gain at {sigma:g}" for sigma in VALIDATION_SIGMAS)
    unit = "dB"

    def prepare(self, share: tuple[int, int], report: Callable[[str, float], None]) -> None:
        """Read the speech."""
        everyone = Speech.folder(self.config.speech) if self.config.speech else Speech.shipped()
        rate = SpeechPrior.sample_rate
        report("speech", 0.0)
        clips = load_clips(everyone.split("train"), rate)
        held = load_clips(everyone.split("test"), rate)
        report("speech", 1.0)
        n_samples = round(self.config.seconds * rate)
        self.spectrum = long_term_spectrum(clips, SpeechPrior().stft)
        self.speech = CleanSpeech(clips, rate, self.spectrum, n_samples=n_samples, reverberant=self.config.reverberant)
        longest = 3 * rate
        self.held = [whitened(clip[:longest], self.spectrum) for clip in held[: self.config.n_held]]

    def network(self) -> nn.Module:
        """The prior that knows the spectrum of speech and nothing else."""
        network = SpeechPrior()
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
        return (clean - speech).square().mean(-1) * (1 + sigma.square()) / sigma.square()

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
        for sigma in VALIDATION_SIGMAS:
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
            "What for": "The prior of `arrayscene.decoders.DiffusionPosterior`: what clean speech is like, at 16 kHz.",
            "Data": f"Speech of {self.config.speech or 'the shipped voices (CC BY-SA 3.0)'}; the speakers that `Speech.split` keeps "
            "for testing scored it and were not trained with. Augmented: speed 0.9 to 1.1, level, colour, splices, pauses, "
            f"{100 * self.config.reverberant:.0f} % in synthetic rooms.",
            "Limits": "One talker in each signal; noise of the colour of speech; levels outside 0.01 to 4 were not trained.",
        }
