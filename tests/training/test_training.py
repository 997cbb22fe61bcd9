"""Training: examples from scenes, a loss that falls, and the same weights whether it was killed or not."""

import csv
from pathlib import Path

import pytest
import torch

from arrayscene.errors import RecordingError
from arrayscene.networks import SceneNet, load_scene_net
from arrayscene.training import TrainingConfig, make_examples, train
from arrayscene.training import __main__ as command
from arrayscene.training.examples import load_example
from arrayscene.training.loop import learning_rate, objective

# The shipped voices are fewer than a scene may have talkers.
pytestmark = pytest.mark.filterwarnings("ignore::arrayscene.worlds.SpeechWarning")

CONFIG = TrainingConfig(n_examples=2, n_validation=1, duration=1.0, n_steps=4, every=2, crop=24, narrowband=0.5)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    folder = tmp_path_factory.mktemp("examples")
    return make_examples(folder, CONFIG, None), make_examples(folder, CONFIG, None, validation=True)


def test_an_example_is_a_scene_as_the_chain_sees_it(examples: tuple[list[Path], list[Path]]) -> None:
    frequencies = set()
    for path in [*examples[0], *examples[1]]:
        found = load_example(path)
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


def test_examples_that_exist_are_left_alone(examples: tuple[list[Path], list[Path]]) -> None:
    before = [path.stat().st_mtime_ns for path in examples[0]]
    again = make_examples(examples[0][0].parent, CONFIG, None)
    assert [path.stat().st_mtime_ns for path in again] == before


def test_a_killed_training_ends_at_the_same_weights(examples: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", *examples, CONFIG)

    class Killed(Exception):
        pass

    def kill(row: dict[str, float]) -> None:
        raise Killed

    with pytest.raises(Killed):
        train(tmp_path / "killed", *examples, CONFIG, kill)
    resumed = train(tmp_path / "killed", *examples, CONFIG)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    curves = [(tmp_path / name / "curve.csv").read_text() for name in ("whole", "killed")]
    assert curves[0] == curves[1]
    rows = list(csv.DictReader(curves[0].splitlines()))
    assert [row["step"] for row in rows] == ["2", "4"]


def test_the_loss_falls(examples: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    config = CONFIG.with_changes(n_steps=24, every=8, warmup=5, learning_rate=3e-3)
    rows: list[dict[str, float]] = []
    train(tmp_path, examples[0], examples[0], config, rows.append)
    assert rows[-1]["network_db"] > rows[-1]["chain_db"] + 0.1


def test_a_state_that_does_not_fit_is_refused(examples: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    config = CONFIG.with_changes(n_steps=2)
    train(tmp_path, *examples, config)
    with pytest.raises(RecordingError, match=r"state.pt.*learning_rate"):
        train(tmp_path, *examples, config.with_changes(learning_rate=1.0))
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(RecordingError, match=r"state.pt: not a state"):
        train(tmp_path, *examples, config)
    with pytest.raises(RecordingError, match="no example"):
        train(tmp_path / "new", [], [], config)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainingConfig(n_steps=1000, warmup=100)
    rates = [learning_rate(step, config) for step in range(1000)]
    assert rates[0] == config.learning_rate / 100
    assert rates[300] == config.learning_rate
    assert 0 < rates[-1] < 0.02 * config.learning_rate
    assert rates[600:] == sorted(rates[600:], reverse=True)


def test_the_objective_is_the_error_in_db() -> None:
    generator = torch.Generator().manual_seed(0)
    target, error = (torch.randn(2, 30, 20, dtype=torch.complex64, generator=generator) for _ in range(2))
    found = objective(target + 0.1 * error, target, target.sum(0), 0.0)
    # -20 dB, of which 1.1 is what counts as good enough.
    assert abs(float(found) + 18.9) < 0.3
    # Where nobody speaks, what is left over counts.
    silent = torch.zeros_like(target)
    assert objective(0.1 * error, silent, target.sum(0), 0.0) > objective(0.01 * error, silent, target.sum(0), 0.0) + 5


def test_the_command_writes_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tmp_path), "--examples", "1", "--validation", "1", "--steps", "1", "--every", "1"]
    assert command.main(words) == 0
    assert "step 1: loss" in capsys.readouterr().out
    assert isinstance(load_scene_net(tmp_path / "scene-net.safetensors"), SceneNet)
    assert command.main([*words[:-1], "2"]) == 2
    assert "every" in capsys.readouterr().err
