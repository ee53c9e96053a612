"""`holdfast up`: from nothing to a server that answers, and in order down again."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli._beside import worker_beside
from holdfast.cli._detach import detach
from holdfast.cli._output import Progress, note, progress, say
from holdfast.cli._serve import listening_socket, log_to, serve
from holdfast.cli._signals import INTERRUPTED, run, stopping
from holdfast.runtime.serving import Served, Serving, open_log
from holdfast.runtime.settings import Settings, load_settings

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

_BEGINNING = "holdfast.serving"


def up(
    port: Annotated[int | None, typer.Option(help="Listen here instead of on HOLDFAST_PORT.")] = None,
    in_background: Annotated[
        bool, typer.Option("--detach", "-d", help="Come back when it answers, and leave it running.")
    ] = False,
    worker: Annotated[
        bool,
        typer.Option(
            "--worker/--no-worker", help="Whether to do the background jobs too, in a process beside."
        ),
    ] = True,
    detached: Annotated[bool, typer.Option("--detached", hidden=True)] = False,
) -> None:
    """Start the database, bring it up to the code, and serve until Ctrl-C.

    Without DATABASE_URL that is an embedded PostgreSQL in HOLDFAST_HOME, with a person to try things out.
    """
    settings = load_settings().changed("--port", port=None if port is None else str(port))
    for variable in settings.unknown:
        note(f"{variable} is set and is no setting of Holdfast's.")
    if in_background:
        from holdfast.cli._welcome import welcome

        served = detach(settings, worker=worker)
        say(welcome(settings, served))
        return
    with progress() as steps:
        try:
            run(_up(settings, steps, worker=worker, detached=detached), loop_factory=_fast_loop())
        except KeyboardInterrupt:
            steps.stop()
            note("Stopped before it served.")
            raise typer.Exit(INTERRUPTED) from None


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop, where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _up(settings: Settings, steps: Progress, *, worker: bool, detached: bool) -> None:
    from holdfast.runtime.assembly import open_platform
    from holdfast.runtime.demo import make_demo

    async with AsyncExitStack() as stack:
        asked = stack.enter_context(stopping())
        serving = Serving.take(settings.home)
        stack.callback(serving.release)
        taken = stack.enter_context(listening_socket(settings))
        served = serving.announce(settings.host, taken.getsockname()[1])
        _begin_log(settings, detached=detached)
        platform = await stack.enter_async_context(
            open_platform(settings, make=True, serving=True, tell=steps)
        )
        if platform.development:
            await make_demo(platform, steps)
        if worker:
            await stack.enter_async_context(worker_beside(platform, detached=detached))
        steps.done()
        ready = _on_ready(platform, serving, served, detached=detached)
        await serve(platform, taken, asked, ready)
        steps("Stopping.")
    steps.done()


def _begin_log(settings: Settings, *, detached: bool) -> None:
    """The log goes to the terminal and its file; detached, standard error is the file."""
    terminal = logging.StreamHandler(sys.stderr)
    handlers: list[logging.Handler] = [terminal]
    if not detached:
        terminal.addFilter(lambda record: record.name != _BEGINNING)  # it is told at more length
        file = os.fdopen(open_log(settings.home), "a", encoding="utf-8")
        handlers.append(logging.StreamHandler(file))
    log_to(*handlers)


def _on_ready(platform: Platform, serving: Serving, served: Served, *, detached: bool) -> Callable[[], None]:
    from holdfast.cli._welcome import welcome

    def ready() -> None:
        logging.getLogger(_BEGINNING).info("answering at %s", served.url)
        if not detached:
            say(welcome(platform.settings, served))
        serving.ready()

    return ready
