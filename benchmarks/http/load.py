"""The load generator: a closed loop of keep-alive connections that send ready-made requests.

It is in Python, and there is no other, because it is not what limits the figures: on a core shared with PostgreSQL it
costs about 15 µs a request and keeps the fastest target's core 99 % busy. `wrk` in its place read as much (16,140
against 16,020 a second, medians of three), and on an empty application both stop at the same 50,000 a second.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.errors import BenchmarkError

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Load:
    """What one run saw. `latencies` are seconds, sorted; `unexpected` counts status codes other than the right one."""

    seconds: float
    latencies: list[float]
    received: int
    unexpected: Counter[int]

    @property
    def operations(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in seconds that `share` (0 to 1) of the requests stayed within, by the nearest rank."""
        return self.latencies[max(0, -int(-share * self.operations // 1) - 1)]


def run_load(
    base_url: str, requests: Iterator[bytes], *, status: int, seconds: float, connections: int
) -> Load:
    """Send `requests` over `connections` for `seconds`, each connection its next as soon as it has its answer."""
    with _no_collector(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_drive(base_url, requests, status, seconds, connections))


async def _drive(
    base_url: str, requests: Iterator[bytes], status: int, seconds: float, connections: int
) -> Load:
    host, _, port = urlsplit(base_url).netloc.partition(":")
    loop = asyncio.get_running_loop()
    started = perf_counter()
    run = _Run(requests, f"HTTP/1.1 {status} ".encode(), started + seconds)
    opened = [
        await loop.create_connection(lambda: _Connection(run), host, int(port)) for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(connection.finished for _, connection in opened))
    return Load(perf_counter() - started, sorted(run.latencies), run.received, run.unexpected)


class _Run:
    """What the connections of one run share."""

    def __init__(self, requests: Iterator[bytes], expected: bytes, deadline: float) -> None:
        self.requests = requests
        self.expected = expected
        self.deadline = deadline
        self.latencies: list[float] = []
        self.received = 0
        self.unexpected: Counter[int] = Counter()


class _Connection(asyncio.Protocol):
    """One request at a time. Answers are cut by Content-Length and judged by their status line alone."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.head = b""
        self.missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self.sent = perf_counter()
        self.transport.write(next(self.run.requests))

    def data_received(self, data: bytes) -> None:
        self.run.received += len(data)
        if self.missing:
            self.missing -= len(data)
        elif not self._begin(self.head + data):
            return
        if self.missing == 0:
            self._answered()
        elif self.missing < 0:
            self._fail("a server sent more than it announced")

    def _begin(self, data: bytes) -> bool:
        """Read the head of an answer, if it is there as a whole, and set how many bytes of the body are missing."""
        end = data.find(HEAD_END)
        if end < 0:
            self.head = data
            return False
        self.head = b""
        if not data.startswith(self.run.expected):
            self.run.unexpected[int(data[9:12])] += 1
        _, found, rest = data[:end].lower().partition(LENGTH)
        if not found:
            self._fail("a server answered without Content-Length")
            return False
        self.missing = end + len(HEAD_END) + int(rest.partition(b"\r\n")[0]) - len(data)
        return True

    def _answered(self) -> None:
        now = perf_counter()
        self.run.latencies.append(now - self.sent)
        if now < self.run.deadline:
            self._send()
        else:
            self._finish()

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)
        self.transport.close()

    def _fail(self, why: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(BenchmarkError(why))
        self.transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._fail("a server closed a connection in mid-run")


@contextmanager
def _no_collector() -> Iterator[None]:
    """The generator makes no cycles; a collection in the middle of a run would be counted as a server's latency."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
