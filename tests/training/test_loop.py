"""The loop: the same weights whether it was killed or not and on however many devices, and nothing trained on NaN."""

import csv
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("lightning_fabric", reason="training needs Lightning Fabric: pip install arrayscene[train]")

from tiny import DroppingRecipe, Pair, TinyConfig, TinyRecipe

from arrayscene.errors import ConvergenceError, DeviceError, RecordingError, ShapeError
from arrayscene.networks.tensor_file import from_bytes
from arrayscene.training import Outcome, Progress, Run, TrainingConfig, TrainingWarning, learning_rate, record, train

SCRIPT = Path(__file__).with_name("tiny.py")

CPU = Run(accelerator="cpu")


DRAW = record.draw


@pytest.fixture(autouse=True)
def not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time of so small a training."""
    monkeypatch.setattr(record, "draw", lambda *args, **options: None)


def trained(folder: Path, recipe: type[TinyRecipe] = TinyRecipe, run: Run = CPU, **values: Any) -> Outcome:
    return train(recipe(TinyConfig(**values), folder), run)


def weights(folder: Path) -> dict[str, Tensor]:
    return from_bytes((folder / "weights.safetensors").read_bytes(), "weights")[0]


def equal(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return all(torch.equal(one[name], other[name]) for name in {*one, *other})


def curve(folder: Path) -> list[dict[str, float]]:
    rows = csv.DictReader((folder / "curve.csv").read_text().splitlines())
    return [{name: float(value) for name, value in row.items()} for row in rows]


def script(folder: Path, **values: float) -> subprocess.Popen[str]:
    words = [sys.executable, str(SCRIPT), str(folder), *(f"{name}={value}" for name, value in values.items())]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_training_learns_and_leaves_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "draw", DRAW)
    told: list[Progress] = []
    before = torch.get_rng_state(), torch.get_num_threads(), float(torch.tensor(1e-38) * 1e-3)
    outcome = train(TinyRecipe(TinyConfig(n_steps=300, every=100, ema=0.9), tmp_path), CPU, told.append)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    # Numbers below the least normal one, too.
    assert float(torch.tensor(1e-38) * 1e-3) == before[2]
    assert outcome == (300, "step", tmp_path / "weights.safetensors", (), True)
    rows = curve(tmp_path)
    assert [row["step"] for row in rows] == [100, 200, 300]
    assert rows[-1]["after"] > 0.5 * rows[-1]["before"]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert TinyConfig.load(tmp_path / "config.toml") == TinyConfig(n_steps=300, every=100, ema=0.9)
    card = (tmp_path / "card.md").read_text()
    assert "300 steps" in card
    assert f"{rows[-1]['after']:.4g}" in card
    assert [progress.step for progress in told] == list(range(1, 301))
    assert [progress.step for progress in told if progress.row] == [100, 200, 300]
    assert told[-1].left == 0


def test_the_result_is_the_average_of_the_steps(tmp_path: Path) -> None:
    trained(tmp_path, n_steps=2, ema=0.5)
    steps: list[nn.Module] = []

    class Watched(TinyRecipe):
        def network(self) -> nn.Module:
            steps.append(super().network())
            return steps[0]

    seen = []
    train(
        Watched(TinyConfig(n_steps=2, ema=0.5), tmp_path / "again"), CPU, lambda _: seen.append(steps[0][0].bias.detach().clone())
    )
    torch.manual_seed(0)
    start = TinyRecipe(TinyConfig(), tmp_path).network()[0].bias.detach()
    # Early on an average keeps less than it does later: 1/10 after the first step, 2/11 after the second.
    expected = torch.lerp(torch.lerp(start, seen[0], 9 / 10), seen[1], 9 / 11)
    torch.testing.assert_close(weights(tmp_path / "again")["0.bias"], expected)


@pytest.mark.parametrize("recipe", [TinyRecipe, DroppingRecipe])
def test_a_training_that_stops_and_goes_on_ends_at_the_same_weights(recipe: type[TinyRecipe], tmp_path: Path) -> None:
    trained(tmp_path / "whole", recipe)

    class StoppedError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.step == 17:
            raise StoppedError

    broken = recipe(TinyConfig(), tmp_path / "stopped")
    with pytest.raises(StoppedError):
        train(broken, CPU, stop)
    told: list[Progress] = []
    train(recipe(TinyConfig(), tmp_path / "stopped"), CPU, told.append)
    # From the checkpoint of the last validation.
    assert told[0].step == 11
    assert equal(tmp_path / "whole", tmp_path / "stopped")
    assert curve(tmp_path / "whole") == curve(tmp_path / "stopped")
    # Once more changes nothing.
    content = (tmp_path / "whole" / "weights.safetensors").read_bytes()
    assert trained(tmp_path / "whole", recipe).step == 40
    assert (tmp_path / "whole" / "weights.safetensors").read_bytes() == content


@pytest.mark.slow
def test_kill_9_in_the_middle_ends_at_the_same_weights(tmp_path: Path) -> None:
    values = {"n_steps": 60, "checkpoint_minutes": 0, "dropping": 1}
    killed = script(tmp_path / "killed", pause=0.01, **values)
    assert killed.stdout is not None
    while (line := killed.stdout.readline()) and int(line) < 13:
        pass
    time.sleep(0.03)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed" / "checkpoint.pt").exists()
    again = script(tmp_path / "killed", pause=0.01, **values)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert 13 <= int(out.split()[0]) < 60
    trained(tmp_path / "whole", DroppingRecipe, n_steps=60)
    assert equal(tmp_path / "whole", tmp_path / "killed")
    assert curve(tmp_path / "whole") == curve(tmp_path / "killed")


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one(tmp_path: Path) -> None:
    # An odd batch: one process takes three examples, the other two, and in odd steps one at a time.
    values = {"n_steps": 30, "every": 1, "batch": 5}
    trained(tmp_path / "one", **values)
    two = script(tmp_path / "two", devices=2, **values)
    out, err = two.communicate(timeout=240)
    assert two.returncode == 0, err
    assert out.split() == [str(step) for step in range(1, 31)]
    for one, other in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert other == pytest.approx(one, rel=2e-5)
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name in first:
        torch.testing.assert_close(second[name], first[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_example_that_cannot_be_made_ends_it_with_one_sentence(workers: int, tmp_path: Path) -> None:
    class Failing(TinyRecipe):
        def example(self, number: int) -> Pair:
            if number == 20:
                raise RecordingError("a.wav: broken; replace it")
            return super().example(number)

    with pytest.raises(RecordingError, match=r"^a.wav: broken; replace it$"):
        trained(tmp_path, Failing, workers=workers)


def test_workers_prepare_the_same_examples(tmp_path: Path) -> None:
    trained(tmp_path / "none", n_steps=10)
    trained(tmp_path / "two", n_steps=10, workers=2)
    assert equal(tmp_path / "none", tmp_path / "two")


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_writes_a_checkpoint(number: int, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), number)

    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    recipe = TinyRecipe(TinyConfig(), tmp_path / "interrupted")
    outcome = train(recipe, CPU, interrupt)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert (outcome.step, outcome.ended_by) == (4, "interruption")
    assert "4 steps of 40: the training was stopped" in (tmp_path / "interrupted" / "card.md").read_text()
    assert weights(tmp_path / "interrupted")
    trained(tmp_path / "interrupted")
    trained(tmp_path / "whole")
    assert equal(tmp_path / "whole", tmp_path / "interrupted")


def test_the_time_ends_a_training(tmp_path: Path) -> None:
    outcome = trained(tmp_path, run=Run(accelerator="cpu", minutes=1e-6))
    assert (outcome.step, outcome.ended_by) == (1, "time")
    assert weights(tmp_path)


def test_what_is_prepared_takes_none_of_the_time(tmp_path: Path) -> None:
    class Slow(TinyRecipe):
        def prepare(self, share: tuple[int, int], report: Callable[[str, float], None]) -> None:
            for done in (0.5, 0.75, 1.0):
                report("examples", done)
                time.sleep(0.1)

    seen: list[Progress] = []
    outcome = train(Slow(TinyConfig(), tmp_path), Run(accelerator="cpu", minutes=0.2 / 60), seen.append)
    assert outcome.step > 1
    assert [math.isnan(progress.left) for progress in seen[:3]] == [True, False, False]
    # A quarter in a tenth of a second: the last one takes as long.
    assert 0.09 < seen[1].left < 1


def test_a_folder_for_nothing_is_taken_away(tmp_path: Path) -> None:
    class Nothing(TinyRecipe):
        def prepare(self, share: tuple[int, int], report: Callable[[str, float], None]) -> None:
            raise RecordingError("no speech")

    (tmp_path / "there").mkdir()
    for folder in ("new/training", "there"):
        with pytest.raises(RecordingError, match="no speech"):
            train(Nothing(TinyConfig(), tmp_path / folder), CPU)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_steps_with_nan_are_skipped_and_named(tmp_path: Path) -> None:
    with pytest.warns(TrainingWarning) as warned:
        outcome = trained(tmp_path, n_steps=20, broken=33)
    messages = [str(warning.message) for warning in warned]
    assert outcome.skipped == (0, 5, 11, 16)
    assert messages[1] == "step 5 (seed 0) skipped, 2 so far: NaN or infinite values in example 33"
    assert all(bool(torch.isfinite(value).all()) for value in weights(tmp_path).values())
    assert [row["skipped"] for row in curve(tmp_path)] == [2, 4]
    assert "4 steps were skipped" in (tmp_path / "card.md").read_text()


class Exploding(TinyRecipe):
    """From step 4 on, its loss is infinite."""

    def example(self, number: int) -> Pair:
        x, y = super().example(number)
        return (x, y) if number < 4 * self.config.batch else (x, torch.full_like(y, 1e30))


def test_too_many_such_steps_end_it_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.warns(TrainingWarning) as warned, pytest.raises(ConvergenceError, match=r"3 steps in a row.*since step 4"):
        trained(tmp_path / "bad", Exploding, every=2, most_skipped=3)
    assert "the loss of example 24, 25, 26, 27, 28 and 1 more is not finite" in str(warned[0].message)
    state, network = (torch.load(tmp_path / "bad" / "checkpoint.pt", weights_only=True)[name] for name in ("state", "network"))
    assert state["step"] == 6

    def stop(progress: Progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TinyRecipe(TinyConfig(every=2), tmp_path / "good"), CPU, stop)
    good = torch.load(tmp_path / "good" / "checkpoint.pt", weights_only=True)["network"]
    assert all(torch.equal(network[name], good[name]) for name in good)


def test_an_infinite_gradient_is_skipped_too(tmp_path: Path) -> None:
    class Steep(TinyRecipe):
        def loss(self, network: nn.Module, batch: Pair) -> Tensor:
            # The root has an infinite slope at 0, where the first example is put.
            losses = super().loss(network, batch)
            return losses + (network(batch[0] * 0) * 0).square().sqrt().mean(-1)

    with pytest.warns(TrainingWarning, match="gradient of examples 0 to 5 is not finite"):
        assert trained(tmp_path, Steep, n_steps=1).skipped == (0,)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_rounds_inside_the_network_alone(precision: str, tmp_path: Path) -> None:
    seen: set[tuple[torch.dtype, ...]] = set()

    class Looking(TinyRecipe):
        def network(self) -> nn.Module:
            network = super().network()
            network[1].register_forward_hook(lambda _, inputs, __: seen.add((inputs[0].dtype,)))
            return network

        def loss(self, network: nn.Module, batch: Pair) -> Tensor:
            found = network(batch[0])
            assert (batch[0].dtype, found.dtype) == (torch.float32, torch.float32)
            return (found - batch[1]).square().mean(-1)

    trained(tmp_path / "half", Looking, precision=precision)
    assert seen == {(torch.bfloat16 if precision == "bf16-mixed" else torch.float16,)}
    trained(tmp_path / "full")
    assert curve(tmp_path / "half")[-1]["after"] == pytest.approx(curve(tmp_path / "full")[-1]["after"], rel=0.02)
    # A scale that grows and falls is part of what goes on.
    assert trained(tmp_path / "half", Looking, precision=precision).step == 40


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["32", "bf16-mixed", "16-mixed"])
def test_a_gpu_gives_the_same_weights_again_and_the_curve_of_the_cpu(precision: str, tmp_path: Path) -> None:
    gpu = Run(accelerator="gpu")
    trained(tmp_path / "once", run=gpu, precision=precision)

    def interrupt(progress: Progress) -> None:
        if progress.step == 15:
            os.kill(os.getpid(), signal.SIGINT)

    train(TinyRecipe(TinyConfig(precision=precision), tmp_path / "again"), gpu, interrupt)
    assert trained(tmp_path / "again", run=gpu, precision=precision).step == 40
    assert equal(tmp_path / "once", tmp_path / "again")
    trained(tmp_path / "cpu")
    found, expected = curve(tmp_path / "once")[-1], curve(tmp_path / "cpu")[-1]
    assert found["after"] == pytest.approx(expected["after"], rel=1e-3 if precision == "32" else 0.02)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, n_steps=2)
    with pytest.raises(RecordingError, match=r"checkpoint.pt: .*learning_rate = 0.02, not 1.0; take another folder"):
        trained(tmp_path, n_steps=2, learning_rate=1.0)

    class Other(TinyRecipe):
        name = "other"

    with pytest.raises(RecordingError, match="of a training 'tiny', not 'other'"):
        trained(tmp_path, Other, n_steps=2)
    # What the weights do not depend on may change.
    assert trained(tmp_path, n_steps=2, every=1, workers=1).step == 2


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    trained(tmp_path / "whole")
    trained(tmp_path / "damaged")
    last = tmp_path / "damaged" / "checkpoint.pt"
    content = last.read_bytes()
    for damaged in (content[:1000], b"", b"RIFF" * 300):
        last.write_bytes(damaged)
        with pytest.warns(TrainingWarning, match=r"checkpoint.pt cannot be read.*going on from step 30"):
            trained(tmp_path / "damaged")
        assert equal(tmp_path / "whole", tmp_path / "damaged")
    for name in ("checkpoint.pt", "checkpoint-previous.pt"):
        (tmp_path / "damaged" / name).write_bytes(b"nothing")
    with pytest.raises(RecordingError, match="remove it to start anew"):
        trained(tmp_path / "damaged")


def test_more_devices_than_there_are_and_folders_that_cannot_be_made_are_refused(tmp_path: Path) -> None:
    for values in ({"accelerator": "tpu"}, {"devices": 0}, {"minutes": 0.0}):
        with pytest.raises(DeviceError, match="came"):
            Run(**values)
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="no CUDA device"):
            trained(tmp_path, run=Run(accelerator="gpu"))
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match="choose a folder"):
        trained(tmp_path / "file" / "training")


def test_a_recipe_that_loses_an_example_is_refused(tmp_path: Path) -> None:
    class Losing(TinyRecipe):
        def loss(self, network: nn.Module, batch: Pair) -> Tensor:
            return super().loss(network, batch)[:-1]

    with pytest.raises(ShapeError, match="of 6 were wanted"):
        trained(tmp_path, Losing)


def test_curves_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trained(tmp_path, n_steps=4, every=2, run=Run(accelerator="cpu", tensorboard=True))
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_tensorboard_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DeviceError, match="pip install tensorboard"):
        trained(tmp_path, run=Run(accelerator="cpu", tensorboard=True))


def test_fabric_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(DeviceError, match=r"pip install 'arrayscene\[train\]'"):
        trained(tmp_path)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainingConfig(n_steps=1000, warmup=100)
    rates = [learning_rate(step, config) for step in range(1000)]
    assert rates[0] == config.learning_rate / 100
    assert rates[300] == config.learning_rate
    assert 0 < rates[-1] < 0.02 * config.learning_rate
    assert rates[600:] == sorted(rates[600:], reverse=True)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mixture.wav").write_bytes(b"kept")
    with pytest.raises(RecordingError, match="holds files that are not a training"):
        train(TinyRecipe(TinyConfig(), tmp_path), CPU)
    assert [path.name for path in tmp_path.iterdir()] == ["mixture.wav"]
