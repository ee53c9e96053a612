"""Ctrl-C, SIGTERM and a terminal that closes, for a command that must put things down in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
INTERRUPTED = 130
_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    main: Coroutine[Any, Any, T], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> T:
    """Run a coroutine to its end. Raises KeyboardInterrupt where it was cancelled before that.

    The runner's own handler of Ctrl-C would cancel the task beside ours, and a second time what is being put down.
    """
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """While the block waits for a person, and no loop can hear of signals, each of them ends it at once."""
    before = {number: signal.signal(number, _interrupt) for number in _STOP}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stopping:
    """What happens when someone asks this process to end. Until `by` says how, its main task is cancelled."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
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
