"""An exact rate limit: at most so many events in *any* window, not on average.

A token bucket of the same numbers (and GCRA, its twin) lets nearly twice as many through in the first window. Here the
time of every admitted event is kept until it has left the window.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from holdfast.identity._bounded import BoundedRecords


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """At most `limit` events in any `window` seconds. The defaults are those of authentication routes."""

    limit: int = 100
    window: float = 15 * 60.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for a policy that admits nothing or has no length."""
        if self.limit < 1 or self.window <= 0:
            raise ValueError("A window has a length and admits one event at least.")


@dataclass(slots=True)
class _Log:
    admitted: deque[float] = field(default_factory=deque)


class SlidingWindow:
    """A log of admitted events for each of at most `max_keys` keys.

    Memory is bounded by `limit` times `max_keys` numbers. When there are more keys, the one that was admitted least
    recently is forgotten and starts afresh, so `max_keys` must be more than one attacker can use up in a window.
    Not for use by several threads at once; each process counts for itself.
    """

    __slots__ = ("_logs", "_policy")

    def __init__(self, policy: WindowPolicy | None = None, *, max_keys: int = 10_000) -> None:
        self._policy = WindowPolicy() if policy is None else policy
        self._logs: BoundedRecords[_Log] = BoundedRecords(max_keys)

    def __len__(self) -> int:
        return len(self._logs)

    def hit(self, key: str, now: float) -> float | None:
        """Admit an event and answer None, or answer in how many seconds one will be admitted.

        `now` is in seconds on any clock; where it runs backwards, the newest time seen for the key stands. A refused
        event is not counted: knocking does not keep the door shut.
        """
        log = self._logs.get(key) or _Log()
        if log.admitted:
            now = max(now, log.admitted[-1])
        self._forget_old(log, now)
        if len(log.admitted) >= self._policy.limit:
            return log.admitted[0] + self._policy.window - now
        log.admitted.append(now)
        self._logs.put(key, log, is_expired=lambda other: self._is_expired(other, now))
        return None

    def forget(self, key: str) -> None:
        """Forget a key's events."""
        self._logs.discard(key)

    def _forget_old(self, log: _Log, now: float) -> None:
        while log.admitted and log.admitted[0] + self._policy.window <= now:
            log.admitted.popleft()

    def _is_expired(self, log: _Log, now: float) -> bool:
        return not log.admitted or log.admitted[-1] + self._policy.window <= now
