"""When a job is due: every so often, or once a day at a time in UTC. Pure; the moments are given.

UTC has no summer time, so a day has one of each time. The jitter spreads jobs of many deployments over the minutes behind
their times; it follows from the job's name and the moment, so that whoever computes it gets the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from holdfast.errors import DeclarationError

_DAY: Final = timedelta(days=1)
_NONE: Final = timedelta()


@dataclass(frozen=True, slots=True)
class Every:
    """Again so long after the last time: `Every(timedelta(hours=1))`, at most `jitter` later."""

    interval: timedelta
    jitter: timedelta = _NONE

    def __post_init__(self) -> None:
        if self.interval < timedelta(seconds=1):
            raise DeclarationError("a schedule's interval is at least a second")
        _check_jitter(self.jitter, self.interval)

    def __str__(self) -> str:
        return f"every {_spoken(self.interval)}"

    @property
    def longest(self) -> timedelta:
        """The longest time between two runs."""
        return self.interval + self.jitter

    def after(self, moment: datetime, *, name: str) -> datetime:
        """The first time of the job `name` behind `moment`."""
        return moment + self.interval + _share(self.jitter, f"{name} {moment.astimezone(UTC).isoformat()}")


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day at a time of UTC: `Daily(time(3, 30))`, at most `jitter` later."""

    at: time
    jitter: timedelta = _NONE

    def __post_init__(self) -> None:
        if self.at.tzinfo is not None:
            raise DeclarationError("a schedule's time is in UTC and carries no zone")
        _check_jitter(self.jitter, _DAY)

    def __str__(self) -> str:
        return f"daily at {self.at.isoformat('minutes')} UTC"

    @property
    def longest(self) -> timedelta:
        """The longest time between two runs."""
        return _DAY + self.jitter

    def after(self, moment: datetime, *, name: str) -> datetime:
        """The first time of the job `name` behind `moment`."""
        today = moment.astimezone(UTC).date()
        times = (self._on(today + step * _DAY, name) for step in (-1, 0, 1, 2))
        return next(each for each in times if each > moment)

    def _on(self, day: date, name: str) -> datetime:
        begins = datetime.combine(day, self.at, UTC)
        return begins + _share(self.jitter, f"{name} {day}")


Schedule = Every | Daily


def _check_jitter(jitter: timedelta, most: timedelta) -> None:
    if not _NONE <= jitter < most:
        raise DeclarationError(
            "a schedule's jitter is shorter than the time between two runs, and not negative"
        )


def _share(jitter: timedelta, key: str) -> timedelta:
    """A part of `jitter`, evenly spread over the keys, to the second."""
    drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return timedelta(seconds=int(jitter.total_seconds() * drawn))


def _spoken(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds / size)
            return unit[:-1] if count == 1 else f"{count} {unit}"
    return f"{seconds:g} seconds"
