"""Progress on stderr: bars for a person at a terminal, now and then a line for a file or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, float], None]
"""Called with the name of a step and the fraction of it that is done, 0 to 1."""

LINE_SECONDS = 30.0
"""From line to line where stderr is no terminal; what takes less long says nothing."""


@contextmanager
def progress_bar(quiet: bool = False, *, line_seconds: float = LINE_SECONDS) -> Iterator[Progress | None]:
    """A callback that draws one bar a step, or where stderr is no terminal writes lines; None where nobody looks.

    Args:
        quiet: nobody looks.
        line_seconds: at least so long from line to line; 0 writes all.
    """
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _lines(line_seconds)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def update(step: str, done: float) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
            bars.update(tasks[step], completed=done)

        yield update


def say_if_compiling(quiet: bool = False) -> None:
    """Tell who waits for a first recovery what for."""
    from arrayscene.kernels.evidence import compiled_before

    if not quiet and not compiled_before():
        print("compiling kernels: half a minute to a minute more, this once", file=sys.stderr, flush=True)


def _lines(seconds: float) -> Progress:
    last = time.monotonic()

    def update(step: str, done: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= seconds:
            last = now
            print(f"{step}: {100 * done:.0f} %", file=sys.stderr, flush=True)

    return update
