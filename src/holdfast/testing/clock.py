"""A clock that tests set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 31, 12, 0, 0, 0, tzinfo=UTC)


class ManualClock:
    """Stands still until it is moved, forwards or backwards: `Store(…, clock=ManualClock())`."""

    def __init__(self, now: datetime = START) -> None:
        """`now` carries an offset from UTC."""
        self.now = now

    def __call__(self) -> datetime:
        """The moment that it shows."""
        return self.now

    def advance(self, step: timedelta) -> datetime:
        """Move by `step`, which may be negative; returns the new moment."""
        self.now += step
        return self.now
