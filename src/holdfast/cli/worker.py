"""`holdfast worker`: does the background jobs, alone or beside a server."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from holdfast.cli._output import progress
from holdfast.cli._running import run
from holdfast.cli._serve import log_to
from holdfast.cli._signals import stopping
from holdfast.runtime.serving import open_log
from holdfast.runtime.settings import Settings, load_settings


def worker(
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
    log: Annotated[bool, typer.Option("--log", hidden=True)] = False,
) -> None:
    """Do the background jobs until Ctrl-C or SIGTERM. Any number of workers may run beside one another.

    What runs when it ends is finished within seconds or handed back, to be taken up where it was.
    """
    settings = load_settings()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log:
        handlers.append(logging.StreamHandler(os.fdopen(open_log(settings.home), "a", encoding="utf-8")))
    log_to(*handlers)
    run(_work(settings, beside=beside))


async def _work(settings: Settings, *, beside: bool) -> None:
    """`beside`: as the child of a server, which keeps the database up, and holds the other end of standard input."""
    from holdfast.runtime.assembly import open_platform
    from holdfast.runtime.jobs.rules import Timing
    from holdfast.runtime.jobs.watchdog import Watchdog
    from holdfast.runtime.jobs.worker import Worker

    timing, stop = Timing(settings.worker_silence), asyncio.Event()
    with stopping() as asked, progress() as steps:
        orphaned = asyncio.create_task(_parent_ends()) if beside else None
        async with open_platform(settings, guest=beside, tell=steps) as platform:
            steps.done()
            asked.by(stop.set)
            working = asyncio.create_task(
                Worker(platform, platform.jobs.values(), timing, watchdog=Watchdog(timing)).run(stop)
            )
            await asyncio.wait(
                {working, *({orphaned} if orphaned else ())}, return_when=asyncio.FIRST_COMPLETED
            )
            if not working.done():
                working.cancel()  # nobody waits any more: what runs is handed back at once
            with suppress(asyncio.CancelledError):
                await working


async def _parent_ends() -> None:
    """Standard input ends with the process at its other end, however that ends."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        continue
