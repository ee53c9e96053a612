"""Who is due, when again, and who is silent: decided without doing anything."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.job import Job
from holdfast.model.schedule import Every
from holdfast.runtime.jobs.entities import JobState
from holdfast.runtime.jobs.rules import (
    Timing,
    Watch,
    failures_after,
    is_due,
    names_at_once,
    next_after,
    wait_after,
)
from holdfast.testing.clock import START


async def _nothing(_: object) -> None:
    """A job's work."""


HOURLY = Job("hourly", _nothing, Every(timedelta(hours=1)), "Does nothing.")


def state(**values: object) -> JobState:
    return JobState(**{"name": "hourly", "next_at": START, **values})


def test_a_job_is_due_from_its_time_on() -> None:
    assert not is_due(HOURLY, state(), START - timedelta(seconds=1))
    assert is_due(HOURLY, state(), START)
    assert is_due(HOURLY, state(), START + timedelta(days=300))


@given(st.timedeltas(timedelta(days=-3_000), timedelta(days=3_000)))
def test_a_clock_that_moves_delays_no_job_for_longer_than_its_interval(moved: timedelta) -> None:
    due = next_after(HOURLY, "done", 0, START + moved)  # entered while the clock was wrong
    assert is_due(HOURLY, state(next_at=due), START) == (moved <= -timedelta(hours=1) or moved > timedelta())
    assert is_due(HOURLY, state(next_at=due), START + timedelta(hours=1)) or moved > timedelta()


@given(st.integers(1, 10_000))
def test_who_fails_waits_longer_each_time_and_never_longer_than_an_hour(failures: int) -> None:
    wait = wait_after(failures)
    assert timedelta(seconds=10) <= wait <= wait_after(failures + 1) <= timedelta(hours=1)
    due = next_after(HOURLY, "failed", failures, START)
    assert due == START + wait
    assert not is_due(HOURLY, state(next_at=due, failures=failures), START)


def test_what_was_not_finished_is_taken_up_at_once_unless_it_takes_its_workers_down() -> None:
    assert next_after(HOURLY, "handed_back", 3, START) == START
    assert next_after(HOURLY, "lost", 1, START) == next_after(HOURLY, "lost", 2, START) == START
    assert next_after(HOURLY, "lost", 3, START) == START + timedelta(seconds=40)
    assert next_after(HOURLY, "done", 0, START) == START + timedelta(hours=1)


def test_failures_are_counted_in_a_row() -> None:
    assert [failures_after(result, 4) for result in ("failed", "lost", "handed_back", "done")] == [5, 5, 4, 0]


@given(st.floats(3, 3_600))
def test_a_holder_stops_before_anybody_takes_over(silence: float) -> None:
    timing = Timing(silence)
    assert timing.beat * 2 < timing.give_up < timing.last_resort < timing.silence


def test_a_holder_is_silent_by_the_watch_of_who_looks_and_by_no_clock() -> None:
    now = [100.0]
    watch = Watch(lambda: now[0], Timing(30))
    held = {"run_id": START and state().id, "beat_at": START - timedelta(days=9)}
    assert not watch.is_silent(state(fence=1, beats=1, **held))
    now[0] += 29
    assert not watch.is_silent(state(fence=1, beats=1, **held))
    now[0] += 1
    assert watch.is_silent(state(fence=1, beats=1, **held))
    assert not watch.is_silent(state(fence=1, beats=2, **held))
    now[0] += 30
    assert not watch.is_silent(state(fence=1, beats=2, silence=60_000, **held))
    now[0] += 30
    assert watch.is_silent(state(fence=1, beats=2, silence=60_000, **held))


def test_those_that_have_waited_longest_come_first_as_far_as_there_is_room() -> None:
    states = {
        name: state(next_at=START - timedelta(hours=age)) for name, age in (("a", 1), ("b", 3), ("c", 2))
    }
    assert names_at_once(states, 1, 3, ["a", "b", "c"]) == ["b", "c"]
    assert names_at_once(states, 4, 3, ["a"]) == []
