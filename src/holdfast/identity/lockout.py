"""Locking an account after failed logins: five in any 15 minutes, then for a minute, and twice as long each time.

An attempt is counted *before* its password is checked, and taken back when it succeeds. Counted afterwards, two hundred
guesses sent at once would all be checked before the first of them counted.

A lock can be used to shut somebody out, so it ends by itself, attempts during it do not extend it, and it is meant for
unknown devices: who shows a device that is known, or a passkey, is not asked to `attempt` here at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdfast.identity._bounded import BoundedRecords


@dataclass(frozen=True, slots=True)
class LockoutPolicy:
    """All times in seconds."""

    failures: int = 5
    window: float = 15 * 60.0
    first_lock: float = 60.0
    longest_lock: float = 60 * 60.0
    forget_after: float = 24 * 60 * 60.0
    """Without a failure for so long, locks begin with the first again."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for numbers that lock nothing, or at once."""
        if self.failures < 1 or min(self.window, self.first_lock) <= 0 or self.longest_lock < self.first_lock:
            raise ValueError("The lockout policy contradicts itself.")

    def lock_length(self, locks: int) -> float:
        """How long the lock lasts that follows `locks` earlier ones."""
        # Bounded before it is computed: 2.0 ** 1024 is an error.
        return min(self.first_lock * 2.0 ** min(locks, 64), self.longest_lock)


DEFAULT_POLICY: Final = LockoutPolicy()


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """What is remembered of an account: its latest failures, and the locks that followed one another."""

    failures: tuple[float, ...] = ()
    locks: int = 0
    locked_until: float | None = None

    def retry_after(self, now: float) -> float | None:
        """In how many seconds the lock ends, or None where there is none."""
        if self.locked_until is None or now >= self.locked_until:
            return None
        return self.locked_until - now


def after_failure(
    record: FailureRecord, now: float, *, policy: LockoutPolicy = DEFAULT_POLICY
) -> FailureRecord:
    """What is remembered after one more failure. During a lock nothing changes.

    When a lock ends, the failures that led to it still count for the rest of their 15 minutes: the next one locks again,
    for twice as long.
    """
    if record.retry_after(now) is not None:
        return record
    if is_forgotten(record, now, policy=policy):
        record = FailureRecord()
    failures = (*record.failures, now)[-policy.failures :]
    if len(failures) < policy.failures or now - failures[0] >= policy.window:
        return FailureRecord(failures, record.locks)
    return FailureRecord(failures, record.locks + 1, now + policy.lock_length(record.locks))


def is_forgotten(record: FailureRecord, now: float, *, policy: LockoutPolicy = DEFAULT_POLICY) -> bool:
    """Whether nothing of a record matters any more."""
    if record.retry_after(now) is not None:
        return False
    return not record.failures or now - record.failures[-1] >= policy.forget_after


class AccountLockout:
    """Failures of at most `max_keys` accounts. Keys should be a keyed hash of the name, whether it is known or not.

    When there are more, the account that failed least recently is forgotten, locked or not. Not for use by several
    threads at once; each process counts for itself: where several serve logins, keep `FailureRecord`s in the realm.
    """

    __slots__ = ("_policy", "_records")

    def __init__(self, policy: LockoutPolicy = DEFAULT_POLICY, *, max_keys: int = 100_000) -> None:
        self._policy = policy
        self._records: BoundedRecords[FailureRecord] = BoundedRecords(max_keys)

    def __len__(self) -> int:
        return len(self._records)

    def attempt(self, key: str, now: float) -> float | None:
        """Count an attempt and answer None, or answer in how many seconds the lock ends. `now` is in seconds.

        Call it before checking the password; call `succeeded` if it was right.
        """
        record = self._records.get(key) or FailureRecord()
        remaining = record.retry_after(now)
        if remaining is not None:
            return remaining
        after = after_failure(record, now, policy=self._policy)
        self._records.put(key, after, is_expired=lambda other: is_forgotten(other, now, policy=self._policy))
        return None

    def retry_after(self, key: str, now: float) -> float | None:
        """In how many seconds the lock ends, or None where there is none. Counts nothing."""
        record = self._records.get(key)
        return None if record is None else record.retry_after(now)

    def succeeded(self, key: str) -> None:
        """Forget an account's failures and locks: it logged in, or was recovered."""
        self._records.discard(key)
