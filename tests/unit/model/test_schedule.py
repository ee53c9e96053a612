"""When jobs are due: pure, and the same for whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import DeclarationError
from holdfast.model.job import Job
from holdfast.model.schedule import Daily, Every, Schedule

moments = st.builds(
    lambda days, zone: (datetime(1990, 1, 1, tzinfo=UTC) + days).astimezone(zone),
    st.timedeltas(timedelta(), timedelta(days=40_000)),
    st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
spans = st.timedeltas(timedelta(seconds=1), timedelta(days=40))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    if draw(st.booleans()):
        interval = draw(spans)
        return Every(interval, jitter=draw(st.timedeltas(timedelta(), interval - timedelta(microseconds=1))))
    jitter = draw(st.timedeltas(timedelta(), timedelta(days=1) - timedelta(microseconds=1)))
    return Daily(draw(st.times()), jitter=jitter)


@given(schedules(), moments)
def test_the_next_time_is_ahead_and_not_further_than_the_longest_wait(
    schedule: Schedule, moment: datetime
) -> None:
    following = schedule.after(moment, name="tidy")
    assert moment < following <= moment + schedule.longest
    assert following == schedule.after(moment, name="tidy")


@given(st.times(), st.timedeltas(timedelta(), timedelta(hours=20)), moments)
def test_a_daily_job_has_one_time_a_day(at: time, jitter: timedelta, moment: datetime) -> None:
    schedule = Daily(at, jitter=jitter)
    first = moment = schedule.after(moment, name="tidy")
    for _ in range(30):
        moment = schedule.after(moment, name="tidy")
    assert abs(moment - first - timedelta(days=30)) <= jitter


@given(moments, moments, schedules())
def test_a_later_moment_never_has_an_earlier_next_time_on_a_daily_schedule(
    one: datetime, other: datetime, schedule: Schedule
) -> None:
    if isinstance(schedule, Daily):
        early, late = sorted((one, other))
        assert schedule.after(early, name="tidy") <= schedule.after(late, name="tidy")


def test_jobs_of_many_names_are_spread() -> None:
    schedule = Daily(time(3), jitter=timedelta(hours=1))
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({schedule.after(moment, name=f"job-{number}") for number in range(50)}) > 40


def test_they_say_what_they_are() -> None:
    said = [
        str(Every(timedelta(hours=1))),
        str(Every(timedelta(minutes=90))),
        str(Every(timedelta(seconds=5))),
    ]
    assert said == ["every hour", "every 90 minutes", "every 5 seconds"]
    assert str(Daily(time(3, 30))) == "daily at 03:30 UTC"


async def _nothing(_: object) -> None:
    """A job's work."""


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Every(timedelta()),
        lambda: Every(timedelta(hours=1), jitter=timedelta(hours=1)),
        lambda: Daily(time(3, tzinfo=UTC)),
        lambda: Daily(time(3), jitter=timedelta(seconds=-1)),
        lambda: Job("Tidy", _nothing, Every(timedelta(hours=1)), "Tidies."),
        lambda: Job("tidy--up", _nothing, Every(timedelta(hours=1)), "Tidies."),
        lambda: Job("t" * 49, _nothing, Every(timedelta(hours=1)), "Tidies."),
        lambda: Job("tidy", _nothing, Every(timedelta(hours=1)), " "),
        lambda: Job("tidy", _nothing, Every(timedelta(hours=1)), "Tidies.", limit=timedelta()),
    ],
)
def test_what_cannot_be_carried_out_is_refused_when_it_is_declared(declare: object) -> None:
    with pytest.raises(DeclarationError):
        declare()  # type: ignore[operator]
