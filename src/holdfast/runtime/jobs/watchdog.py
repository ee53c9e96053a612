"""The last resort: a process that has lost a lease and cannot stop its job is ended, before anybody else takes it over; and
so is one whose job does not stop when it is told to.

A job that blocks the event loop keeps its own heartbeat from going out, and cannot be cancelled either. A thread sees it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from holdfast.runtime.jobs.lease import Lease
from holdfast.runtime.jobs.rules import Timing

EXIT_CODE: Final = 75
"""EX_TEMPFAIL: start it again."""


def _end_process(name: str) -> None:
    sys.stderr.write(f"job {name} does not stop where it must: this process ends\n")
    sys.stderr.flush()
    os._exit(EXIT_CODE)


class Watchdog:
    """Watches the leases of this process. With `bite=None` it only looks on: for a process that does more than jobs."""

    def __init__(self, timing: Timing, bite: Callable[[str], None] | None = _end_process) -> None:
        self._timing = timing
        self._bite = bite
        self._leases: set[Lease] = set()
        self._stubborn: set[Lease] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, lease: Lease) -> Iterator[None]:
        """Watch this lease while the block runs."""
        with self._changed:
            self._leases.add(lease)
            if self._bite is not None and self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="job watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._leases.discard(lease)
                self._stubborn.discard(lease)
                self._changed.notify()

    def give_up(self, lease: Lease) -> None:
        """The job of this lease was told to stop, more than once, and goes on."""
        with self._changed:
            self._stubborn.add(lease)
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while self._leases:
                for lease in filter(self._is_overdue, self._leases):
                    if self._bite is not None:
                        self._bite(lease.name)
                self._changed.wait(self._timing.beat / 2)
            self._thread = None

    def _is_overdue(self, lease: Lease) -> bool:
        too_silent = lease.silent_for >= self._timing.last_resort
        return not lease.ended and (too_silent or lease in self._stubborn)
