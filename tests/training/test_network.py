"""The recipe of SceneNet: examples from scenes, a loss that falls, weights that can be used."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("lightning_fabric", reason="training needs Lightning Fabric: pip install arrayscene[train]")

from arrayscene.errors import RecordingError
from arrayscene.networks import load_scene_net
from arrayscene.training import Run, train
from arrayscene.training.data import about_speech
from arrayscene.training.examples import example_path, load_example
from arrayscene.training.network import NetworkConfig, NetworkRecipe, objective

# The shipped voices are fewer than a scene may have talkers.
pytestmark = pytest.mark.filterwarnings("ignore::arrayscene.worlds.SpeechWarning")

SIZES = {"width": 16, "middle": 16, "deep": 16, "n_blocks": 2}
CONFIG = NetworkConfig(
    n_examples=2, n_validation=1, duration=1.0, n_steps=3, every=3, crop=24, narrowband=0.5, batch=1, warmup=50, **SIZES
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that has been made."""
    folder = tmp_path_factory.mktemp("training")
    train(NetworkRecipe(CONFIG, folder), Run(accelerator="cpu"))
    return folder


def assert_alike(one: Path, other: Path) -> None:
    """The same example, up to rounding, which depends on where in memory tensors lie."""
    for name, value in load_example(other).items():
        torch.testing.assert_close(load_example(one)[name].float(), value.float(), rtol=4e-3, atol=4e-3)


def test_an_example_is_a_scene_as_the_chain_sees_it(folder: Path) -> None:
    frequencies = set()
    examples = folder / "examples"
    for path in [example_path(examples, 0, validation=True), *(example_path(examples, index) for index in range(2))]:
        stored = load_example(path)
        found = {name: value.float() for name, value in stored.items()}
        found = {name: value if "variances" in name else torch.view_as_complex(value) for name, value in found.items()}
        n_sources, n_freqs, n_frames = found["target"].shape
        frequencies.add(n_freqs)
        assert found["mixture"].shape == (n_freqs, n_frames)
        assert found["linear.0"].shape == found["filtered.0"].shape == found["target"].shape
        assert found["variances.0"].shape == (n_sources + 1, n_freqs, n_frames)
        # The targets are what the mixture is made of.
        left = found["mixture"] - found["target"].sum(0)
        assert left.abs().square().sum() < 0.5 * found["mixture"].abs().square().sum()
        # In the scale of the targets, in their order.
        for stage in (0, 1):
            if f"linear.{stage}" in found:
                likeness = torch.einsum("aft,bft->ab", found[f"linear.{stage}"], found["target"].conj()).abs()
                assert likeness.argmax(1).tolist() == list(range(n_sources))
    assert frequencies == {257, 513}


def test_every_scene_comes_once_before_any_comes_again(folder: Path) -> None:
    recipe = NetworkRecipe(CONFIG, folder)
    lengths = [{recipe.example(2 * epoch + at).target.shape[1] for at in (0, 1)} for epoch in range(4)]
    assert lengths == [{257, 513}] * 4
    first, again = recipe.example(5), NetworkRecipe(CONFIG, folder).example(5)
    assert torch.equal(first.target, again.target)
    assert first.target.shape[-1] == CONFIG.crop
    # The scenes of a step fit into one batch, also where there are not enough of them.
    together = NetworkRecipe(replace(CONFIG, batch=3), folder)
    for step in range(2):
        [batch] = together.collate([together.example(3 * step + at) for at in range(3)])
        assert batch.target.shape[0] == 3


def test_examples_are_made_once_by_all_processes_together(folder: Path, tmp_path: Path) -> None:
    paths = sorted((folder / "examples").glob("*.safetensors"))
    before = [path.stat().st_mtime_ns for path in paths]
    NetworkRecipe(CONFIG, folder).prepare((0, 1), lambda what, done: pytest.fail(f"{what} {done}"))
    assert [path.stat().st_mtime_ns for path in paths] == before
    shares = []
    for rank in (0, 1):
        NetworkRecipe(replace(CONFIG, n_validation=2), tmp_path).prepare((rank, 2), lambda what, done: None)
        shares.append({path.name for path in tmp_path.rglob("*.safetensors")})
    assert len(shares[0]) == 2
    assert_alike(tmp_path / "examples" / paths[1].name, paths[1])
    assert len(shares[1]) == 4


def test_several_processes_make_the_same_examples(folder: Path, tmp_path: Path) -> None:
    NetworkRecipe(replace(CONFIG, workers=2, threads=1), tmp_path).prepare((0, 1), lambda what, done: None)
    made = sorted((tmp_path / "examples").glob("*.safetensors"))
    assert len(made) == 3
    for path in made:
        assert_alike(path, folder / "examples" / path.name)


def test_examples_that_were_made_otherwise_are_refused(folder: Path) -> None:
    with pytest.raises(RecordingError, match=r"made with duration 1.0; take another folder"):
        NetworkRecipe(replace(CONFIG, duration=2.0), folder).prepare((0, 1), lambda what, done: None)


def test_nothing_is_left_where_one_speaker_cannot_be_split(tmp_path: Path) -> None:
    speech, out = tmp_path / "speech", tmp_path / "trainings" / "one"
    (speech / "anna").mkdir(parents=True)
    soundfile.write(speech / "anna" / "1.wav", np.random.default_rng(0).standard_normal(16000) * 0.1, 16000)
    with pytest.raises(RecordingError, match="only one speaker"):
        train(NetworkRecipe(replace(CONFIG, speech=str(speech)), out), Run(accelerator="cpu"))
    assert not out.parent.exists()


def test_the_loss_falls(folder: Path, tmp_path: Path) -> None:
    # Scored on the examples that it is trained on, where it must become better soon.
    shutil.copytree(folder / "examples", tmp_path / "examples")
    for index in (0, 1):
        shutil.copy(example_path(tmp_path / "examples", index), example_path(tmp_path / "examples", index, validation=True))
    config = replace(CONFIG, n_validation=2, n_steps=24, every=8, batch=2, warmup=5, learning_rate=3e-3)
    rows: list[Mapping[str, float]] = []
    recipe = NetworkRecipe(config, tmp_path)
    train(recipe, Run(accelerator="cpu"), lambda progress: rows.append(progress.row) if progress.row else None)
    assert rows[-1]["network_db"] > rows[-1]["chain_db"] + 0.1


def test_a_causal_network_is_trained_on_the_online_chain(folder: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    start.write_bytes((folder / "weights.safetensors").read_bytes())
    config = replace(CONFIG, causal=True, start=str(start), n_steps=2, every=2, n_examples=1)
    recipe = NetworkRecipe(config, tmp_path / "live")
    first = recipe.network().state_dict()
    assert all(torch.equal(value, first[name]) for name, value in load_scene_net(start).state_dict().items())
    train(recipe, Run(accelerator="cpu"))
    stored = load_example(example_path(tmp_path / "live" / "examples", 0))
    assert {"linear.0", "filtered.0", "variances.0"} <= set(stored)
    assert "linear.1" not in stored
    assert load_scene_net(tmp_path / "live" / "weights.safetensors").causal
    card = (tmp_path / "live" / "card.md").read_text()
    assert "online-network" in card
    assert "not causal" not in card
    with pytest.raises(RecordingError, match="made with causal False"):
        NetworkRecipe(config, folder).prepare((0, 1), lambda what, done: None)
    with pytest.raises(RecordingError, match="weights of another size"):
        NetworkRecipe(replace(config, width=8), tmp_path / "other").network()


def test_weights_are_loaded_and_the_card_names_the_voices(folder: Path) -> None:
    network = load_scene_net(folder / "weights.safetensors")
    assert network.weights.weight.any()
    card = (folder / "card.md").read_text()
    assert "CC BY-SA 3.0" in card
    assert "network_db" in card
    assert "Limits" in card


def test_what_is_known_of_the_licence_is_said(tmp_path: Path) -> None:
    for speaker in ("anna", "bert"):
        (tmp_path / speaker).mkdir()
        soundfile.write(tmp_path / speaker / "1.wav", np.random.default_rng(0).standard_normal(16000) * 0.1, 16000)
    assert "2 files of 2 speakers" in about_speech(str(tmp_path))
    assert "Licence of the speech: not known" in about_speech(str(tmp_path))
    (tmp_path / "LICENSE.txt").write_text("CC0")
    assert "see LICENSE.txt" in about_speech(str(tmp_path))


def test_the_objective_is_the_error_in_db() -> None:
    generator = torch.Generator().manual_seed(0)
    target, error = (torch.randn(2, 30, 20, dtype=torch.complex64, generator=generator) for _ in range(2))
    found = objective(target + 0.1 * error, target, target.sum(0), 0.0)
    # -20 dB, of which 1.1 is what counts as good enough.
    assert abs(float(found) + 18.9) < 0.3
    # Where nobody speaks, what is left over counts.
    silent = torch.zeros_like(target)
    assert objective(0.1 * error, silent, target.sum(0), 0.0) > objective(0.01 * error, silent, target.sum(0), 0.0) + 5
