"""Ctrl-C and the end of the time: a training finishes its step, writes a checkpoint and leaves."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_AGAIN: Final = 1.0
"""Seconds after which a second signal means that nobody wants to wait; sooner it is the first one, passed on by a launcher."""


class Interruption:
    """Notes the first SIGINT or SIGTERM while it is entered; a later one interrupts at once."""

    def __init__(self) -> None:
        self.came: float | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Only the main thread may say what a signal does.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.came is not None and time.monotonic() - self.came > _AGAIN:
            raise KeyboardInterrupt
        self.came = self.came or time.monotonic()


def ignore_interrupts(worker: int) -> None:
    """For processes that prepare data: the training itself ends them, after the step that it has begun."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
