from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdfast.identity.window import SlidingWindow, WindowPolicy
from tests.machines import examples

MINUTE = 60.0


def test_a_hundred_in_any_fifteen_minutes_and_not_one_more() -> None:
    window = SlidingWindow()
    assert [window.hit("a", float(second)) for second in range(100)] == [None] * 100
    assert window.hit("a", 100.0) == 800.0
    assert window.hit("a", 899.0) == 1.0
    assert window.hit("a", 900.0) is None
    assert window.hit("a", 900.0) == 1.0


def test_the_average_is_not_what_is_bounded() -> None:
    """What a token bucket of the same numbers lets through: a burst, and then one for each that drips in."""
    window = SlidingWindow()
    admitted = sum(window.hit("a", tick / 10) is None for tick in range(9_000))
    assert admitted == 100


def test_a_refused_event_does_not_keep_the_door_shut() -> None:
    window = SlidingWindow(WindowPolicy(limit=1, window=MINUTE))
    assert window.hit("a", 0.0) is None
    for second in range(1, 60):
        assert window.hit("a", float(second)) == MINUTE - second
    assert window.hit("a", MINUTE) is None


def test_keys_do_not_know_one_another() -> None:
    window = SlidingWindow(WindowPolicy(limit=1, window=MINUTE))
    assert window.hit("a", 0.0) is None
    assert window.hit("b", 0.0) is None
    window.forget("a")
    assert window.hit("a", 0.0) is None
    assert window.hit("b", 0.0) == MINUTE


def test_a_clock_that_runs_backwards_opens_nothing() -> None:
    window = SlidingWindow(WindowPolicy(limit=2, window=MINUTE))
    assert window.hit("a", 100.0) is None
    assert window.hit("a", 50.0) is None
    assert window.hit("a", 0.0) == MINUTE
    assert window.hit("a", 159.0) == 1.0


def test_keys_are_bounded_and_the_least_recent_goes_first() -> None:
    window = SlidingWindow(WindowPolicy(limit=1, window=MINUTE), max_keys=3)
    for key in ("a", "b", "c", "d"):
        window.hit(key, 0.0)
    assert len(window) == 3
    assert [window.hit(key, 1.0) is None for key in ("b", "c", "d")] == [False] * 3
    assert window.hit("a", 1.0) is None


def test_expired_keys_leave_room_before_there_is_need() -> None:
    window = SlidingWindow(WindowPolicy(limit=1, window=MINUTE), max_keys=1_000)
    for number in range(500):
        window.hit(str(number), 0.0)
    window.hit("new", MINUTE)
    assert len(window) == 1


def test_a_flood_of_keys_stays_bounded() -> None:
    window = SlidingWindow(max_keys=100)
    for number in range(5_000):
        window.hit(str(number), number / 100)
    assert len(window) == 100


@pytest.mark.parametrize(("limit", "length"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_a_window_that_makes_no_sense(limit: int, length: float) -> None:
    with pytest.raises(ValueError, match="window"):
        WindowPolicy(limit=limit, window=length)


def test_there_is_room_for_one_key() -> None:
    with pytest.raises(ValueError, match="one key"):
        SlidingWindow(max_keys=0)


class Limiter(RuleBasedStateMachine):
    """The limiter against a list of everything that was ever admitted."""

    @initialize(limit=st.integers(1, 4), length=st.integers(1, 8))
    def begin(self, limit: int, length: int) -> None:
        self.limit, self.length, self.now = limit, float(length), 0.0
        self.window = SlidingWindow(WindowPolicy(limit=limit, window=self.length), max_keys=50)
        self.admitted: dict[str, list[float]] = defaultdict(list)

    @rule(quarters=st.integers(0, 12))
    def wait(self, quarters: int) -> None:
        self.now += quarters / 4

    @rule(key=st.sampled_from("abc"))
    def hit(self, key: str) -> None:
        recent = [at for at in self.admitted[key] if at + self.length > self.now]
        retry_after = self.window.hit(key, self.now)
        if len(recent) < self.limit:
            assert retry_after is None
            self.admitted[key].append(self.now)
        else:
            assert retry_after == recent[-self.limit] + self.length - self.now > 0

    @invariant()
    def no_window_holds_more_than_the_limit(self) -> None:
        for times in self.admitted.values():
            for start in times:
                assert sum(start <= at < start + self.length for at in times) <= self.limit


TestLimiter = Limiter.TestCase
TestLimiter.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
