"""Leases of messages: how large, until when, and that no number is used by two, whoever crashes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from holdfast.crypto.cipher import Allowance
from holdfast.crypto.quota import SUBJECT_QUOTA, TENANT_QUOTA, Lease, Quota, is_spent, next_lease
from tests.machines import examples
from tests.unit.crypto.sealing import AT

YEAR = timedelta(days=365)


def test_a_persons_leases_begin_small_and_double() -> None:
    leased, sizes = 0, []
    for _ in range(15):
        lease = next_lease(SUBJECT_QUOTA, leased=leased, wanted=1, created_at=AT, now=AT)
        assert lease is not None
        sizes.append(lease.messages)
        leased = lease.after
    assert sizes == [*(2**8 * 2**step for step in range(13)), 2**20, 2**20]


def test_a_tenants_leases_are_a_million_each() -> None:
    for leased in (0, 2**20, 2**29):
        lease = next_lease(TENANT_QUOTA, leased=leased, wanted=1, created_at=AT, now=AT)
        assert lease == Lease(leased, 2**20)


def test_more_is_leased_where_more_is_wanted() -> None:
    assert next_lease(SUBJECT_QUOTA, leased=0, wanted=5_000, created_at=AT, now=AT) == Lease(0, 5_000)


def test_the_last_lease_is_what_is_left() -> None:
    nearly = 2**30 - 10
    assert next_lease(TENANT_QUOTA, leased=nearly, wanted=10, created_at=AT, now=AT) == Lease(nearly, 10)
    assert next_lease(TENANT_QUOTA, leased=nearly, wanted=11, created_at=AT, now=AT) is None
    assert next_lease(TENANT_QUOTA, leased=2**30, wanted=1, created_at=AT, now=AT) is None
    assert is_spent(TENANT_QUOTA, leased=2**30, created_at=AT, now=AT)


def test_a_key_has_its_time() -> None:
    for quota in (SUBJECT_QUOTA, TENANT_QUOTA):
        end = AT + timedelta(days=90)
        assert next_lease(quota, leased=0, wanted=1, created_at=AT, now=end) is None
        assert next_lease(quota, leased=0, wanted=1, created_at=AT, now=end - timedelta(seconds=1))
        assert is_spent(quota, leased=0, created_at=AT, now=AT + YEAR)


def test_what_is_reserved_is_not_reserved_twice() -> None:
    allowance = Allowance()
    assert not allowance.reserve(1)
    allowance.add(10)
    assert allowance.reserve(6)
    assert not allowance.reserve(5)
    assert allowance.reserve(4)


def test_threads_draw_different_numbers() -> None:
    allowance, drawn = Allowance(), []

    def draw() -> None:
        drawn.extend([allowance.draw() for _ in range(20_000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == list(range(1, 80_001))


SMALL = Quota(first=4, largest=16, limit=200)


@dataclass
class Process:
    """A process that counts within its leases: the numbers that it may still use."""

    numbers: list[int] = field(default_factory=list)


class Leases(RuleBasedStateMachine):
    """Processes read the record, take leases by compare-and-set, use them, and die in between."""

    def __init__(self) -> None:
        super().__init__()
        self.leased = 0
        self.used: list[int] = []
        self.processes = [Process() for _ in range(3)]
        self.seen: dict[int, int] = {}

    @rule(index=st.integers(0, 2))
    def look(self, index: int) -> None:
        """A process reads the record, and may act on it much later."""
        self.seen[index] = self.leased

    @rule(index=st.integers(0, 2), wanted=st.integers(1, 30))
    def lease(self, index: int, wanted: int) -> None:
        seen = self.seen.get(index, 0)
        lease = next_lease(SMALL, leased=seen, wanted=wanted, created_at=AT, now=AT)
        if lease is None:
            assert seen + wanted > SMALL.limit
            return
        assert lease.messages >= wanted
        if lease.before == self.leased:  # what a store's compare-and-set does
            self.leased = lease.after
            self.processes[index].numbers.extend(range(lease.before, lease.after))

    @rule(index=st.integers(0, 2), count=st.integers(1, 10))
    def seal(self, index: int, count: int) -> None:
        numbers = self.processes[index].numbers
        self.used += [numbers.pop(0) for _ in range(min(count, len(numbers)))]

    @rule(index=st.integers(0, 2))
    def crash(self, index: int) -> None:
        self.processes[index] = Process()
        self.seen.pop(index, None)

    @invariant()
    def nothing_is_used_twice_and_nothing_unleased(self) -> None:
        assert len(set(self.used)) == len(self.used) <= self.leased <= SMALL.limit
        assert not self.used or max(self.used) < self.leased


@pytest.mark.parametrize("machine", [Leases])
def test_a_lost_lease_is_lost_and_never_used_again(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples(50), stateful_step_count=60, deadline=None)
    )
