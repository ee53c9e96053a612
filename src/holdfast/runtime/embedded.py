"""The embedded server from asynchronous code: started once, started again when it dies under a server that needs it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import HoldfastError, Unavailable

if TYPE_CHECKING:
    from holdfast.engines.postgres.embedded import EmbeddedServer

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_log = logging.getLogger("holdfast.database")


async def start_embedded(home: Path, tell: Callable[[str], None]) -> EmbeddedServer:
    """Start or adopt the server of this home.

    A thread does it, which cannot be interrupted: whoever is cancelled meanwhile waits for it and stops what it started.
    """
    from holdfast.engines.postgres.embedded import EmbeddedServer

    starting = asyncio.ensure_future(asyncio.to_thread(EmbeddedServer.start, home, progress=tell))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _ended(starting)
        if not starting.cancelled() and starting.exception() is None:
            await stop_embedded(starting.result())
        raise


async def find_embedded(home: Path) -> EmbeddedServer:
    """The server of this home as it runs, without a share in it. Raises Unavailable where none runs."""
    from holdfast.engines.postgres.embedded import running

    server = await asyncio.to_thread(running, home)
    if server is None:
        raise Unavailable("The embedded database does not run.", where=str(home))
    return server


async def stop_embedded(server: EmbeddedServer) -> None:
    """Stop it, unless another process uses it too. Whoever is cancelled meanwhile waits all the same."""
    stopping = asyncio.ensure_future(asyncio.to_thread(server.stop))
    await _ended(stopping)
    stopping.result()


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has put down what it held."""
    task.cancel()
    await _ended(task)


async def _ended(work: asyncio.Future[Any]) -> None:
    """Wait for what must not be left half done, however often this task is cancelled."""
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([work])


class Keeper:
    """Keeps the embedded server of a home up. `server` is the one that runs now."""

    def __init__(self, home: Path, server: EmbeddedServer) -> None:
        self._home = home
        self.server = server

    async def watch(self) -> None:
        """Start it again whenever it has ended. Until cancelled."""
        from holdfast.engines.postgres.embedded import running

        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if await asyncio.to_thread(running, self._home) is None:
                await self._restart()

    async def _restart(self) -> None:
        _log.warning("PostgreSQL has ended; starting it again")
        try:
            successor = await start_embedded(self._home, _log.info)
        except HoldfastError as error:
            _log.error("PostgreSQL does not start: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
            return
        self.server.release()
        self.server = successor
        _log.warning("PostgreSQL runs again")
