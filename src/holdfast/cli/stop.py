"""`holdfast stop`: end the server of this home, and its embedded database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli._output import progress, say
from holdfast.runtime.serving import find_served, stop_served
from holdfast.runtime.settings import load_settings


def stop(
    seconds: Annotated[float, typer.Option("--timeout", help="How long to wait for it.")] = 60.0,
) -> None:
    """Stop the server that `holdfast up` started, and its database."""
    settings = load_settings()
    with progress() as steps:
        if find_served(settings.home) is not None:
            steps("Stopping the server.")
        served = stop_served(settings.home, seconds=seconds)
        database = _stop_database(settings.home) if settings.embedded else None
    if served is None and database is None:
        say("Nothing was running.")
    elif served is None:
        say("No server was running; its database was, and has been stopped." if database else _in_use())
    else:
        say("Stopped." if database in {None, True} else _in_use())


def _stop_database(home: Path) -> bool | None:
    """Whether the embedded database has been stopped; None where it was not running any more."""
    from holdfast.engines.postgres.embedded import running

    server = running(home)
    return None if server is None else server.stop()


def _in_use() -> str:
    return "The server is stopped; its database goes on, because another command uses it, which will stop it."
