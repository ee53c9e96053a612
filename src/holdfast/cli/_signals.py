"""Ctrl-C, SIGTERM and a terminal that closes, for a command that must put things down in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopping:
    """What happens when someone asks this process to end. Until `by` says how, its main task is cancelled."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        """`task` is the command's own."""
        self._task = task
        self._stop: Callable[[], None] | None = None
        self.asked = False

    def by(self, stop: Callable[[], None]) -> None:
        """From now on end by calling this; each further request calls it again."""
        self._stop = stop
        if self.asked:
            stop()

    def ask(self) -> None:
        """Someone asks."""
        first, self.asked = not self.asked, True
        if self._stop is not None:
            self._stop()
        elif first:
            self._task.cancel()


@contextmanager
def stopping() -> Iterator[Stopping]:
    """Take the signals while the block runs."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("signals are taken within a task")
    state = Stopping(task)
    loop = asyncio.get_running_loop()
    for number in _STOP:
        loop.add_signal_handler(number, state.ask)
    try:
        yield state
    finally:
        for number in _STOP:
            loop.remove_signal_handler(number)
