"""The loop that every recipe is trained by: any number of devices, and the same result whether it was interrupted or not."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import torch
from torch import Tensor, nn

from arrayscene.errors import ConvergenceError, RecordingError, ShapeError
from arrayscene.folder import missing_folders, take_away
from arrayscene.interruption import Interruption
from arrayscene.naming import counted
from arrayscene.training.checkpoint import TrainingWarning, load_checkpoint, save_checkpoint
from arrayscene.training.config import TrainingConfig
from arrayscene.training.health import what_is_wrong
from arrayscene.training.place import check_place, settings_restored
from arrayscene.training.processes import Run, from_first, start, together
from arrayscene.training.recipe import AnyRecipe
from arrayscene.training.record import WEIGHTS, Record
from arrayscene.training.stream import Part, stream, usable

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Ending = Literal["step", "time", "interruption"]

_WINDOW: Final = 50
"""Steps over which their rate is measured."""


class Progress(NamedTuple):
    """How far a training is; told by its first process alone.

    Attributes:
        doing: "examples" and the like while data is prepared, "training" afterwards.
        done: share of it, 0 to 1.
        step, n_steps: steps done, and wanted.
        loss: of the last step.
        rate: steps a second.
        left: seconds to the end of what it does, at this rate; NaN: not known yet.
        row: of the curve, where a validation has just been made.
    """

    doing: str
    done: float
    step: int = 0
    n_steps: int = 0
    loss: float = math.nan
    rate: float = math.nan
    left: float = math.nan
    row: Mapping[str, float] | None = None


class Outcome(NamedTuple):
    """What became of a training.

    Attributes:
        step: steps done.
        ended_by: the last "step", the "time" allowed, or an "interruption".
        weights: file with the averaged weights.
        skipped: steps that were skipped because something in them was not finite.
        first: whether this is the first process, the one that writes and speaks.
    """

    step: int
    ended_by: Ending
    weights: Path
    skipped: tuple[int, ...]
    first: bool


@dataclass
class _State:
    """Besides networks and optimizer, all that a training goes on from.

    An overflow in 16 bits, from which a scaler learns, is no step to warn of, but too many in a row are as bad as others.
    """

    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    overflows: int = 0
    in_a_row: int = 0


class _Step(NamedTuple):
    """What all processes know after a step: mean loss, what was wrong with it if anything, and whether to stop or to save."""

    loss: float
    wrong: str | None
    interrupted: bool
    late: bool
    due: bool


def train(recipe: AnyRecipe, run: Run | None = None, report: Callable[[Progress], None] = lambda progress: None) -> Outcome:
    """Train a recipe, or go on where an earlier training in its folder was when it ended, by whatever end.

    Writes `config.toml`, `checkpoint.pt` and the one before it, `curve.csv`, `curve.png`, `weights.safetensors` (the averaged
    weights) and `card.md` into the recipe's folder.

    Args:
        recipe: what to train.
        run: where and how long; None: in this process.
        report: called after every step, in the first process.

    Raises:
        RecordingError: data, a configuration or a checkpoint that cannot be used.
        DeviceError: a device or package that is not there.
        ConvergenceError: too many steps in a row with NaN or infinite values; the checkpoint is from before them.
        ArraySceneError: the folder cannot be written to.

    Warns:
        TrainingWarning: a step that was skipped and why, a checkpoint that was damaged.

    Cost: on one core about 2 ms a step above that of the recipe.
    """
    run, config = run or Run(), recipe.config
    fabric = start(run, config.precision)
    with settings_restored(fabric, config.threads):
        missing = missing_folders(recipe.folder)
        together(fabric, lambda: check_place(fabric, recipe))
        content = from_first(fabric, lambda: load_checkpoint(recipe.folder, recipe.name, config))
        try:
            together(fabric, lambda: _prepare(fabric, recipe, report))
        except BaseException:
            take_away(missing)
            raise
        # Time is that of steps: an end before the first one would leave nothing to use or to judge.
        begun = time.monotonic()
        with Interruption() as interruption:
            training = _Training(fabric, recipe, run, content)
            ended_by = training.go(interruption, begun, report)
            training.finish()
    return Outcome(
        training.state.step, ended_by, recipe.folder / WEIGHTS, tuple(training.state.skipped), bool(fabric.is_global_zero)
    )


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Rises over the warm-up, stays, and falls to nothing along a quarter of a cosine."""
    rising = min(1.0, (step + 1) / config.warmup)
    left = (config.n_steps - step) / max(config.cooling * config.n_steps, 1)
    return config.learning_rate * rising * math.sin(0.5 * math.pi * min(1.0, left))


class _Training:
    """One training in one process."""

    def __init__(self, fabric: Fabric, recipe: AnyRecipe, run: Run, content: Mapping[str, Any] | None) -> None:
        config = recipe.config
        self.fabric, self.recipe, self.config, self.folder = fabric, recipe, config, recipe.folder
        torch.manual_seed(config.seed)
        self.network: nn.Module = recipe.network()
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval().to(fabric.device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        if content:
            together(fabric, lambda: self._load(content))
        self.wrapped, self.stepper = fabric.setup(self.network, self.optimizer)
        self.state = _State()
        if content:
            self.optimizer.load_state_dict(content["optimizer"])
            fabric.strategy.precision.load_state_dict(content["precision"])
            self.state = _State(**content["state"])
        self.record = together(
            fabric, lambda: Record(recipe, self.state.step, tensorboard=run.tensorboard) if fabric.is_global_zero else None
        )
        self.minutes = run.minutes
        self.saved = time.monotonic()

    def go(self, interruption: Interruption, begun: float, report: Callable[[Progress], None]) -> Ending:
        """All steps, or as many as may be; returns what ended them."""
        times: deque[float] = deque([time.monotonic()], maxlen=_WINDOW)
        parts = stream(
            self.recipe,
            self.state.step,
            self.fabric.global_rank,
            self.fabric.world_size,
            pinned=self.fabric.device.type == "cuda",
        )
        while self.state.step < self.config.n_steps:
            part = together(self.fabric, lambda: usable(next(parts)))
            done = self._step(part, interruption, begun)
            row = None
            if self.state.step % self.config.every == 0 or self.state.step == self.config.n_steps:
                row = self._validate()
            ending = done.interrupted or done.late
            if row or done.due or ending or self.state.step == self.config.n_steps:
                self._save()
            times.append(time.monotonic())
            if self.record is not None:
                rate = (len(times) - 1) / max(times[-1] - times[0], 1e-9)
                left = (self.config.n_steps - self.state.step) / rate
                share = self.state.step / self.config.n_steps
                report(Progress("training", share, self.state.step, self.config.n_steps, done.loss, rate, left, row))
            if ending and self.state.step < self.config.n_steps:
                return "interruption" if done.interrupted else "time"
        return "step"

    def finish(self) -> None:
        """Write weights, card and curve."""
        self._write(lambda record: record.finish(self.average, self.state.step, self.state.rows, self.state.skipped))

    def _step(self, part: Part, interruption: Interruption, begun: float) -> _Step:
        step, config = self.state.step, self.config
        # What a network draws by itself, such as dropout, follows from the step too.
        torch.manual_seed((config.seed * 1_000_003 + step) * 1009 + self.fabric.global_rank)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        losses = self._backward(part)
        norm = self.fabric.clip_gradients(self.wrapped, self.stepper, max_norm=config.clip, error_if_nonfinite=False)
        now = time.monotonic()
        late = self.minutes is not None and now - begun > 60 * self.minutes
        due = self.record is not None and now - self.saved > 60 * config.checkpoint_minutes
        done = self._shared(losses, part.finite, norm, (interruption.came is not None, late, due))  # type: ignore[arg-type]
        # A scaler must see every step: it leaves out those that are not finite by itself, and learns from them.
        scaled = getattr(self.fabric.strategy.precision, "scaler", None) is not None
        if done.wrong is None or scaled:
            self.stepper.step()
        self.state.step += 1
        if done.wrong is None:
            self._average(step)
            self.state.losses.append(done.loss)
            self.state.in_a_row = 0
        else:
            self._skip(step, done.wrong, overflow=scaled and math.isfinite(done.loss))
        return done

    def _backward(self, part: Part) -> Tensor:
        """Gradients of the mean over the whole batch; (example,) losses of this process's part."""
        self.stepper.zero_grad()
        # Processes take the mean of their gradients, whatever their numbers of examples.
        share = self.fabric.world_size / self.config.batch
        # Not a number where an example is not: then its gradients are not either, in any process.
        usable = torch.tensor([1.0 if finite else math.nan for finite in part.finite], device=self.fabric.device)
        found: list[Tensor] = []
        at = 0
        for number, batch in enumerate(part.batches, start=1):
            with self.fabric.no_backward_sync(self.wrapped, enabled=number < len(part.batches)):
                losses = self.recipe.loss(self.wrapped, self.fabric.to_device(batch))
                if losses.ndim != 1 or at + len(losses) > len(usable):
                    raise ShapeError(
                        f"recipe {self.recipe.name}: losses {tuple(losses.shape)} came; one of each example was wanted"
                    )
                losses = losses * usable[at : at + len(losses)]
                self.fabric.backward(losses.sum() * share)
            found.append(losses.detach().float())
            at += len(losses)
        if at != len(usable):
            raise ShapeError(f"recipe {self.recipe.name}: losses of {at} examples came; of {len(usable)} were wanted")
        return torch.cat(found)

    def _shared(self, losses: Tensor, finite: list[bool], norm: Tensor, wishes: tuple[bool, bool, bool]) -> _Step:
        """What every process knows, put together so that all decide alike."""
        batch, rank, n_ranks = self.config.batch, self.fabric.global_rank, self.fabric.world_size
        known = torch.zeros(2 * batch + len(wishes), device=self.fabric.device)
        known[rank:batch:n_ranks] = losses
        known[batch + rank : 2 * batch : n_ranks] = torch.tensor([float(not f) for f in finite], device=known.device)
        known[2 * batch :] = torch.tensor(wishes, dtype=known.dtype, device=known.device)
        if n_ranks > 1:
            self.fabric.all_reduce(known, reduce_op="sum")
        values = torch.cat([known, norm.detach().float().reshape(1)]).tolist()
        each, broken, (interrupted, late, due, size) = values[:batch], values[batch : 2 * batch], values[2 * batch :]
        wrong = what_is_wrong(self.state.step * batch, each, broken, size)
        return _Step(
            math.fsum(each) / batch if all(map(math.isfinite, each)) else math.nan, wrong, interrupted > 0, late > 0, due > 0
        )

    def _skip(self, step: int, wrong: str, overflow: bool) -> None:
        """Count it, say it, and give up where it does not end."""
        self.state.in_a_row += 1
        seed, in_a_row = self.config.seed, self.state.in_a_row
        if overflow:
            self.state.overflows += 1
        else:
            self.state.skipped.append(step)
        if self.record is not None and not overflow:
            count = f"{len(self.state.skipped)} so far"
            warnings.warn(f"step {step} (seed {seed}) skipped, {count}: {wrong}", TrainingWarning, stacklevel=4)
        if in_a_row >= self.config.most_skipped:
            error = ConvergenceError(
                f"training: {counted(in_a_row, 'step')} in a row could not be used, the last one {step} (seed {seed}): "
                f"{wrong}; the weights have not changed since step {step - in_a_row + 1}, the checkpoint in {self.folder} is "
                "from there or before: "
                "mend the data, or train anew with a lower learning_rate"
            )
            together(self.fabric, lambda: _raise(error))

    def _average(self, step: int) -> None:
        keep = min(self.config.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(value.detach(), 1 - keep)
            for kept, now in zip(self.average.buffers(), self.network.buffers(), strict=True):
                kept.copy_(now)

    def _validate(self) -> dict[str, float]:
        """Mean figures of the averaged network, each process scoring its part of the held-out examples, as a row of the curve."""
        names, rank, n_ranks = self.recipe.figures, self.fabric.global_rank, self.fabric.world_size
        network = _Evaluated(self.fabric, self.average)
        with torch.no_grad():
            scores = [row for n in range(rank, self.recipe.n_validation, n_ranks) for row in self.recipe.validate(network, n)]
        sums = torch.zeros(1 + len(names), dtype=torch.float64, device=self.fabric.device)
        if scores:
            sums[0], sums[1:] = len(scores), torch.tensor(scores, dtype=torch.float64).sum(0)
        self.fabric.all_reduce(sums, reduce_op="sum")
        count, *totals = sums.tolist()
        losses, step = self.state.losses, self.state.step
        row = {
            "step": float(step),
            "loss": math.fsum(losses) / len(losses) if losses else math.nan,
            **{name: total / count if count else math.nan for name, total in zip(names, totals, strict=True)},
            "learning_rate": learning_rate(step - 1, self.config),
            "skipped": float(len(self.state.skipped)),
        }
        self.state.rows.append(row)
        losses.clear()
        self._write(lambda record: record.add(self.state.rows))
        return row

    def _save(self) -> None:
        self.saved = time.monotonic()
        content = {
            "recipe": self.recipe.name,
            "config": self.config.to_dict(),
            "devices": self.fabric.world_size,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "state": vars(self.state),
        }
        self._write(lambda record: save_checkpoint(self.folder, content))

    def _write(self, work: Callable[[Record], None]) -> None:
        """In the first process; where that fails, all end."""
        together(self.fabric, lambda: work(self.record) if self.record is not None else None)

    def _load(self, content: Mapping[str, Any]) -> None:
        try:
            self.network.load_state_dict(content["network"])
            self.average.load_state_dict(content["average"])
        except RuntimeError as error:
            raise RecordingError(
                f"{self.folder}: the checkpoint is of another network ({str(error).splitlines()[0]}); take another folder"
            ) from error
        if content["devices"] != self.fabric.world_size and self.fabric.is_global_zero:
            warnings.warn(
                f"{self.folder}: begun on {counted(content['devices'], 'device')}, going on with {self.fabric.world_size}: "
                "the result is the same but for rounding",
                TrainingWarning,
                stacklevel=4,
            )


class _Evaluated(nn.Module):
    """The averaged network, computing as in training: perhaps in 16 bits, with results in 32."""

    def __init__(self, fabric: Fabric, network: nn.Module) -> None:
        super().__init__()
        self.fabric, self.network = fabric, network

    def forward(self, *args: Any, **options: Any) -> Any:
        with self.fabric.autocast():
            found = self.network(*args, **options)
        return self.fabric.strategy.precision.convert_output(found)


def _prepare(fabric: Fabric, recipe: AnyRecipe, report: Callable[[Progress], None]) -> None:
    begun: dict[str, tuple[float, float]] = {}

    def tell(doing: str, done: float) -> None:
        if not fabric.is_global_zero:
            return
        now = time.monotonic()
        # What an earlier run has made took no time of this one.
        first, before = begun.setdefault(doing, (now, done))
        left = (now - first) * (1 - done) / (done - before) if done > before else math.nan
        report(Progress(doing, done, left=left))

    recipe.prepare((fabric.global_rank, fabric.world_size), tell)


def _raise(error: Exception) -> None:
    raise error
