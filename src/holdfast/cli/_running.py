"""How a command reaches its deployment: in-process, the embedded database started for it where it does not run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from holdfast.cli._output import note, progress
from holdfast.cli._signals import INTERRUPTED, stopping
from holdfast.cli._signals import run as run_to_end
from holdfast.runtime.settings import load_settings

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

T = TypeVar("T")


def with_platform(work: Callable[[Platform], Awaitable[T]], *, make: bool = False, checked: bool = True) -> T:
    """What `work` makes of the open platform. `make` and `checked` are `open_platform`'s."""
    settings = load_settings()

    async def main() -> T:
        from holdfast.runtime.assembly import open_platform

        with progress() as steps:
            async with open_platform(settings, make=make, checked=checked, tell=steps) as platform:
                steps.done()
                return await work(platform)

    return run(main())


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it; on Ctrl-C and SIGTERM it is cancelled, puts things down in order, and the command ends with 130."""

    async def guarded() -> T:
        with stopping():
            return await main

    try:
        return run_to_end(guarded())
    except KeyboardInterrupt:
        note("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
