"""A thread that carries out one job after another for an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any] | None", asyncio.AbstractEventLoop]


class Worker:
    """Jobs in the order in which they were given. Its thread ends with `close`, or with the process."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """What the job returns or raises. A future that is cancelled meanwhile does not stop the job."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, future, loop))
        return future

    def leave(self, job: Callable[[], Any]) -> None:
        """Carry it out after all that was given before; nobody waits for it, so it must not fail."""
        self._jobs.put((job, None, asyncio.get_running_loop()))

    def close(self) -> None:
        """End the thread once it has done what it was given."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (taken := self._jobs.get()) is not None:
            job, future, loop = taken
            result, error = None, None
            try:
                result = job()
            except BaseException as raised:  # noqa: BLE001 (it is raised where the job is awaited)
                error = raised
            if future is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                    loop.call_soon_threadsafe(_tell, future, result, error)
            del taken, job, future, result, error  # nothing is held while there is nothing to do


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
