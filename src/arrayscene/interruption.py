"""Ctrl-C and the end of the time: work that is worth keeping comes to an end of its own instead of being cut off."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Notes the first SIGINT or SIGTERM while it is entered; a later one interrupts at once.

    Args:
        again: seconds after which a second signal means that nobody wants to wait; sooner it is the first one, passed on by a
            launcher.
        noting: whether there is anything to keep; while there is not, the first one interrupts at once, too.
        noted: called, within the signal's handler, when the first one is noted.

    Attributes:
        came: when the first one was noted, by the monotonic clock; None: not yet.
    """

    def __init__(self, again: float = 1.0, *, noting: bool = True, noted: Callable[[], None] = lambda: None) -> None:
        self.came: float | None = None
        self.again, self.noting, self.noted = again, noting, noted
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
        if not self.noting or (self.came is not None and time.monotonic() - self.came > self.again):
            raise KeyboardInterrupt
        if self.came is None:
            self.came = time.monotonic()
            self.noted()


def ignore_interrupts(worker: int) -> None:
    """For processes that prepare data: the training itself ends them, after the step that it has begun."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
