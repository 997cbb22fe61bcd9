"""`arrayscene train`: train a network, or go on with a training."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayscene.cli.exit_codes import INTERRUPTED, USER_ERROR
from arrayscene.errors import RecordingError

if TYPE_CHECKING:
    from arrayscene.training import Outcome, Progress, TrainingConfig

OPTIONS = {"n_steps": "--steps", "learning_rate": "--lr"}
"""Those that are not called as in the configuration."""

_LOGGED = 30.0
"""Seconds between two lines of progress where stderr is no terminal."""


def train(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="What to train: network (SceneNet, used by `recover`) or prior (of diffusion)."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the training; default: RECIPE-training. One that is there goes on."),
    ] = None,
    speech: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Speech to train with, a folder for each speaker; default: the shipped voices."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All values, TOML or JSON (--show-config); other options override it.")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Updates of the weights.")] = None,
    batch: Annotated[int | None, typer.Option(metavar="N", help="Examples an update, on all devices together.")] = None,
    lr: Annotated[float | None, typer.Option(metavar="X", help="Highest learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The same seed gives the same weights.")] = None,
    precision: Annotated[str | None, typer.Option(metavar="NAME", help="32, 16-mixed or bf16-mixed.")] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="Train so long, from the first step on; the same command goes on.")
    ] = None,
    accelerator: Annotated[str, typer.Option(metavar="NAME", help="cpu, gpu, or auto: a GPU where there is one.")] = "auto",
    devices: Annotated[int, typer.Option(metavar="N", help="GPUs, or processes on the CPU, on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(metavar="N", help="Machines; start the command on each, see docs/training.md.")] = 1,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write curves for TensorBoard too.")] = False,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print all values as TOML and stop.")] = False,
) -> None:
    """Train a network. Stopped or killed, the same command goes on where it was, to the same weights."""
    from arrayscene.training import Run, find_recipe
    from arrayscene.training import train as run_training
    from arrayscene.training.processes import ElsewhereError, is_first

    kind = find_recipe(recipe)
    chosen = _chosen(
        kind.config_class, config, speech, n_steps=steps, batch=batch, learning_rate=lr, seed=seed, precision=precision
    )
    if show_config:
        import tomli_w

        sys.stdout.write(tomli_w.dumps(chosen.to_dict()))
        return
    folder = out or Path(f"{recipe}-training")
    first = is_first()
    if first and not chosen.speech:
        _say("no --speech came: the six shipped voices are trained with, enough to see that it works, not for a good result")
    run = Run(accelerator=accelerator, devices=devices, nodes=nodes, minutes=minutes, tensorboard=tensorboard)
    line = _Line()
    if not first:
        warnings.simplefilter("ignore")
    try:
        with line.shown():
            outcome = run_training(kind(chosen, folder), run, line.update)
    except ElsewhereError:
        raise typer.Exit(USER_ERROR if first else 0) from None
    except KeyboardInterrupt:
        if first:
            _say(f"interrupted: what is finished stays in {folder}; the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    if outcome.first:
        _conclude(outcome, folder, chosen.n_steps)


def _chosen(kind: type[TrainingConfig], file: Path | None, speech: Path | None, **options: Any) -> TrainingConfig:
    """The configuration of the file with the options that came; errors name those, not what the file calls them."""
    base = kind() if file is None else kind.load(file)
    given = {name: value for name, value in options.items() if value is not None}
    if speech is not None:
        given["speech"] = str(speech)
    try:
        return base.with_changes(**given)
    except RecordingError as error:
        name = str(error).removeprefix(f"{kind.__name__}: ").partition(" = ")[0]
        if name not in given:
            raise
        option = OPTIONS.get(name, f"--{name}")
        raise RecordingError(str(error).replace(f"{kind.__name__}: {name} =", option, 1)) from None


def _conclude(outcome: Outcome, folder: Path, n_steps: int) -> None:
    print(f"wrote {outcome.weights}, after {outcome.step} of {n_steps} steps, and {folder / 'card.md'}")
    if outcome.ended_by == "step":
        return
    ended = "interrupted" if outcome.ended_by == "interruption" else "the time is over"
    _say(f"{ended}: the checkpoint in {folder} is of step {outcome.step}; the same command goes on from there")
    if outcome.ended_by == "interruption":
        raise typer.Exit(INTERRUPTED)


class _Line:
    """One line of progress that stays in its place on a terminal; now and then a line elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self.last = 0.0
        self.doing = ""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While a training runs; warnings do not mix with the line."""
        show = warnings.showwarning

        def above(*args: Any, **options: Any) -> None:
            self._clear()
            show(*args, **options)

        warnings.showwarning = above
        try:
            yield
        finally:
            warnings.showwarning = show
            self._clear()

    def update(self, progress: Progress) -> None:
        """Say how far it is."""
        if progress.row is not None:
            self._print(_row(progress))
        now = time.monotonic()
        wait = 0.2 if self.terminal else _LOGGED
        if progress.doing == self.doing and progress.done < 1 and now - self.last < wait:
            return
        self.last, self.doing = now, progress.doing
        if self.terminal:
            sys.stderr.write(f"\r\033[K{_state(progress)}")
            sys.stderr.flush()
        elif progress.row is None:
            self._print(_state(progress))

    def _print(self, text: str) -> None:
        self._clear()
        _say(text)

    def _clear(self) -> None:
        if self.terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _state(progress: Progress) -> str:
    if progress.step == 0:
        left = f", {_duration(progress.left)} left; then the training begins" if 0 < progress.left else ""
        return f"{progress.doing}: {progress.done:.0%}{left}"
    return (
        f"step {progress.step} of {progress.n_steps}: loss {progress.loss:.4g}, {progress.rate:.3g} steps/s, "
        f"{_duration(progress.left)} left"
    )


def _row(progress: Progress) -> str:
    assert progress.row is not None
    hidden = ("step", "learning_rate", "skipped")
    figures = ", ".join(f"{name} {value:.4g}" for name, value in progress.row.items() if name not in hidden)
    return f"step {progress.step} of {progress.n_steps}: {figures}; {progress.rate:.3g} steps/s, {_duration(progress.left)} left"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
