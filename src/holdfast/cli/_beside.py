"""The worker beside a server: a process of its own, because it has logins that the server must not have.

It holds the other end of a pipe, so that it ends with the server, however that ends. One that ends by itself is started
again, later each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from holdfast.engines.port import Capability

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_STOP_SECONDS: Final = 20.0
_log = logging.getLogger("holdfast.jobs")


@asynccontextmanager
async def worker_beside(platform: Platform, *, detached: bool) -> AsyncIterator[None]:
    """A worker while the block runs. A store that forgets lives in this process alone, and so does its worker."""
    durable = Capability.DURABLE in platform.store.engine.capabilities
    working = asyncio.create_task(_tend(detached=detached) if durable else _work_here(platform))
    try:
        yield
    finally:
        working.cancel()
        while not working.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([working])


async def _work_here(platform: Platform) -> None:
    from holdfast.runtime.jobs.rules import Timing
    from holdfast.runtime.jobs.worker import Worker

    timing = Timing(platform.settings.worker_silence)
    await Worker(platform, platform.jobs.values(), timing).run(asyncio.Event())


async def _tend(*, detached: bool) -> None:
    """Keep a worker running, until cancelled; then end it."""
    wait = _FIRST_WAIT
    while True:
        began = time.monotonic()
        code = await _run_one(detached=detached)
        if time.monotonic() - began > _LONGEST_WAIT:
            wait = _FIRST_WAIT
        _log.warning("the worker has ended with exit code %d; starting it again in %.0f s", code, wait)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)


async def _run_one(*, detached: bool) -> int:
    """A worker's life; its exit code. In a session of its own: Ctrl-C is for the server, which passes it on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "holdfast.cli", "worker", "--beside"),
        *(() if detached else ("--log",)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            await asyncio.shield(asyncio.ensure_future(_end(process)))


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
