from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.identity.lockout import (
    DEFAULT_POLICY,
    AccountLockout,
    FailureRecord,
    LockoutPolicy,
    after_failure,
    is_forgotten,
)

MINUTE, HOUR = 60.0, 3600.0


def failing(*times: float) -> FailureRecord:
    record = FailureRecord()
    for now in times:
        record = after_failure(record, now)
    return record


def test_the_fifth_failure_locks_for_a_minute() -> None:
    assert failing(0, 1, 2, 3).retry_after(3) is None
    locked = failing(0, 1, 2, 3, 4)
    assert locked.retry_after(4) == MINUTE
    assert locked.retry_after(63.5) == 0.5
    assert locked.retry_after(64) is None


def test_five_failures_that_no_window_holds_do_not_lock() -> None:
    assert failing(0, 1, 2, 3, 899).retry_after(899) is not None
    assert failing(0, 1, 2, 3, 900).retry_after(900) is None
    every_four_minutes = failing(*(240.0 * turn for turn in range(100)))
    assert every_four_minutes.locks == 0


def test_attempts_during_a_lock_do_not_extend_it() -> None:
    locked = failing(0, 1, 2, 3, 4)
    for now in (4.0, 30.0, 63.9):
        assert after_failure(locked, now) is locked


def test_each_lock_is_twice_as_long_up_to_an_hour() -> None:
    record, now, lengths = failing(0, 0, 0, 0, 0), 0.0, []
    for _ in range(9):
        remaining = record.retry_after(now)
        assert remaining is not None
        lengths.append(remaining / MINUTE)
        now += remaining
        while record.retry_after(now) is None:
            record = after_failure(record, now)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_day_without_a_failure_begins_anew() -> None:
    locked = failing(0, 0, 0, 0, 0)
    assert not is_forgotten(locked, 24 * HOUR - 1)
    assert is_forgotten(locked, 24 * HOUR)
    assert after_failure(locked, 24 * HOUR) == FailureRecord((24 * HOUR,))


def test_a_thousand_locks_are_no_overflow() -> None:
    assert DEFAULT_POLICY.lock_length(5_000) == HOUR


@pytest.mark.parametrize(
    "changes",
    [{"failures": 0}, {"window": 0.0}, {"first_lock": 0.0}, {"first_lock": 10.0, "longest_lock": 5.0}],
)
def test_a_policy_that_contradicts_itself(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="contradicts"):
        LockoutPolicy(**changes)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=120))
def test_against_the_plain_rule(gaps: list[int]) -> None:
    """Admitted attempts, all of them failures: a lock begins at each that ends five within the window."""
    lockout, now = AccountLockout(), 0.0
    admitted: list[float] = []
    locked_until, locks = 0.0, 0
    for gap in gaps:
        now += gap
        retry_after = lockout.attempt("a", now)
        if now < locked_until:
            assert retry_after == locked_until - now
            continue
        assert retry_after is None
        admitted.append(now)
        if len(admitted) >= 5 and now - admitted[-5] < 15 * MINUTE:
            locked_until = now + min(MINUTE * 2**locks, HOUR)
            locks += 1
        assert (lockout.retry_after("a", now) is not None) is (locked_until > now)


def test_guesses_that_are_sent_at_once_are_counted_before_they_are_checked() -> None:
    lockout = AccountLockout()
    assert [lockout.attempt("a", 0.0) is None for _ in range(200)].count(True) == 5


def test_an_attacker_gets_about_five_guesses_an_hour() -> None:
    lockout = AccountLockout()
    guesses = [second for second in range(24 * 3600) if lockout.attempt("a", float(second)) is None]
    assert len(guesses) <= 24 * 5 + 10
    assert all(later - earlier >= HOUR for earlier, later in pairwise(guesses[-20::5]))


def test_success_forgets_everything() -> None:
    lockout = AccountLockout()
    for _ in range(5):
        lockout.attempt("a", 0.0)
    assert lockout.retry_after("a", 0.0) == MINUTE
    lockout.succeeded("a")
    assert lockout.retry_after("a", 0.0) is None
    assert [lockout.attempt("a", 0.0) is None for _ in range(6)] == [True] * 5 + [False]


def test_accounts_do_not_know_one_another() -> None:
    lockout = AccountLockout()
    for _ in range(6):
        lockout.attempt("a", 0.0)
    assert lockout.attempt("b", 0.0) is None
    assert lockout.retry_after("nobody", 0.0) is None


def test_accounts_are_bounded() -> None:
    lockout = AccountLockout(max_keys=10)
    for number in range(1_000):
        lockout.attempt(str(number), 0.0)
    assert len(lockout) == 10
    lockout.attempt("later", 48 * HOUR)
    assert len(lockout) == 1
