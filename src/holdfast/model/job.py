"""`Job`: work that is done again and again, declared as data. Who runs it, and that nobody else does meanwhile, is not said here."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from pydantic import JsonValue

from holdfast.errors import DeclarationError
from holdfast.model.schedule import Schedule

Report = Mapping[str, JsonValue]
"""What a run has to tell: counts and names, never a row's values. It is kept in the history."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_LONGEST_NAME: Final = 48


@dataclass(frozen=True, slots=True)
class Job:
    """Work for the background, given to `Pack.jobs`.

    `run` is called with a `JobContext` and returns a report, or None. It may be stopped anywhere and begun again, so it is
    idempotent, and saves where it is with `context.save`. It must not block the event loop. One that takes longer than
    `limit` is stopped.
    """

    name: str
    run: Callable[[Any], Awaitable[Report | None]] = field(repr=False)
    schedule: Schedule
    summary: str
    limit: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if len(self.name) > _LONGEST_NAME or not _NAME.match(self.name):
            raise DeclarationError(
                "a job's name is lower-case words joined by hyphens, of at most 48 characters",
                where=self.name[:64],
            )
        if not self.summary.strip():
            raise DeclarationError("a job says in a sentence what it does", where=self.name)
        if self.limit <= timedelta():
            raise DeclarationError("a job's limit is longer than nothing", where=self.name)
