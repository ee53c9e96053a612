from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from holdfast.accounts import hashing
from holdfast.accounts.hashing import HashingPool
from holdfast.errors import Busy
from holdfast.identity.passwords import PasswordHasher
from tests.accounts_fixtures import CHEAP, PASSWORD, WRONG


class SlowHasher(PasswordHasher):
    """A hasher that works until it is let go, and remembers how many worked at once."""

    def __init__(self) -> None:
        super().__init__(CHEAP, floor=CHEAP)
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.working = self.most = 0

    def verify(self, stored: str | None, password: str) -> bool:
        with self.lock:
            self.working += 1
            self.most = max(self.most, self.working)
        self.gate.wait(10)
        with self.lock:
            self.working -= 1
        return super().verify(stored, password)


@pytest.fixture
def hasher() -> Iterator[SlowHasher]:
    made = SlowHasher()
    yield made
    made.gate.set()


async def test_a_password_is_checked_in_a_thread(hasher: SlowHasher) -> None:
    pool = HashingPool(hasher)
    hasher.gate.set()
    stored = await pool.hash(PASSWORD)
    assert await pool.verify(stored, PASSWORD)
    assert not await pool.verify(stored, WRONG)
    assert not await pool.verify(None, PASSWORD)
    pool.close()


async def test_no_more_work_at_once_than_there_are_threads_even_when_callers_go_away(
    hasher: SlowHasher,
) -> None:
    pool = HashingPool(hasher, threads=2)
    calls = [asyncio.create_task(pool.verify(None, PASSWORD)) for _ in range(20)]
    await asyncio.sleep(0.05)
    for call in calls[:10]:
        call.cancel()
    calls += [asyncio.create_task(pool.verify(None, PASSWORD)) for _ in range(10)]
    await asyncio.sleep(0.05)
    hasher.gate.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert hasher.most == 2
    pool.close()


async def test_what_waits_is_bounded(hasher: SlowHasher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MAX_WAITING", 3)
    pool = HashingPool(hasher, threads=1)
    calls = [asyncio.create_task(pool.verify(None, PASSWORD)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(Busy):
        await pool.verify(None, PASSWORD)
    hasher.gate.set()
    await asyncio.gather(*calls)
    assert not await pool.verify(None, PASSWORD)
    pool.close()


def test_threads_are_as_many_as_processors_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    pool = HashingPool(SlowHasher())
    assert pool._pool._max_workers == 3
    pool.close()
