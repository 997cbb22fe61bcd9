"""The recipe of the prior: speech that follows from a number, a loss of 1 for who knows nothing, weights that can be used."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning_fabric", reason="training needs Lightning Fabric: pip install arrayscene[train]")

from arrayscene.networks import SpeechPrior, load_speech_prior
from arrayscene.stft import STFT
from arrayscene.training import Run, train
from arrayscene.training.clean_speech import CleanSpeech, load_clips, long_term_spectrum, whitened
from arrayscene.training.prior import LEVELS, NoisySpeech, PriorConfig, PriorRecipe
from arrayscene.worlds import Speech

CONFIG = PriorConfig(seconds=0.3, n_steps=3, every=3, batch=2, n_validation=1, width=4, n_blocks=1, precision="32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that has been made."""
    folder = tmp_path_factory.mktemp("training")
    train(PriorRecipe(CONFIG, folder), Run(accelerator="cpu"))
    return folder


@pytest.fixture(scope="module")
def recipe(folder: Path) -> PriorRecipe:
    recipe = PriorRecipe(CONFIG, folder)
    recipe.prepare((0, 1), lambda step, fraction: None)
    return recipe


def test_the_weights_can_be_loaded_and_know_the_spectrum(folder: Path, recipe: PriorRecipe) -> None:
    prior = load_speech_prior(folder / "weights.safetensors")
    torch.testing.assert_close(prior.spectrum, recipe.spectrum)
    # Speech is loudest between 100 and 1000 Hz.
    assert 100 < float(prior.spectrum.argmax()) * 15.625 < 1000
    assert "CC BY" in (folder / "card.md").read_text(encoding="utf-8")


def test_an_example_follows_from_its_number(recipe: PriorRecipe) -> None:
    first, again, other = recipe.example(5), recipe.example(5), recipe.example(6)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.speech, other.speech)
    assert first.speech.shape == first.noise.shape == (4800,)


def test_the_untrained_network_has_a_loss_of_one(recipe: PriorRecipe) -> None:
    # Of white Gaussian signals, which are all that the spectrum says.
    generator = torch.Generator().manual_seed(0)
    speech, noise = torch.randn(2, 4, 16000, generator=generator)
    sigma = torch.tensor([0.1, 0.3, 1.0, 3.0])
    loss = recipe.loss(SpeechPrior(4, 1).requires_grad_(False), NoisySpeech(speech, noise, sigma))
    torch.testing.assert_close(loss, torch.ones(4), rtol=0.05, atol=0)
    untrained = SpeechPrior(4, 1).requires_grad_(False)
    gains = recipe.validate(untrained, 0)[0]
    assert len(gains) == len(LEVELS)
    assert all(abs(gain) < 0.2 for gain in gains)


def test_augmented_speech_is_finite_loud_and_about_as_long() -> None:
    clips = load_clips(Speech.shipped(), 16000)
    assert all(abs(float(clip.square().mean()) - 1) < 1e-3 for clip in clips)
    spectrum = long_term_spectrum(clips, STFT(1024))
    power = torch.stack([whitened(clip, spectrum).square().mean() for clip in clips]).mean()
    assert abs(float(power) - 1) < 1e-3
    batch = CleanSpeech(clips, 16000, spectrum, n_samples=8000).batch(40, torch.Generator().manual_seed(1))
    assert batch.shape == (40, 8000)
    assert bool(torch.isfinite(batch).all())
    loudness = batch.square().mean(-1)
    assert 0.2 < float(loudness.mean()) < 5
    # Stretches that hold a pause, or lie in one, are few.
    assert float((loudness < 0.01).float().mean()) < 0.2
