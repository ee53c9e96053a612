"""A server that says nothing any more: each call ends all the same, and the next one finds another connection."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast import Store
from holdfast.engines.postgres import engine as postgres_engine
from holdfast.errors import Unavailable
from tests.attack.entities import Notice
from tests.attack.wall import Wall, backend


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A backend that neither answers nor closes, as behind a network that swallows everything."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("way", ["plan", "transaction"])
async def test_a_call_to_a_silent_server_ends(wall: Wall, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(postgres_engine, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(postgres_engine, "_ROLLBACK_SECONDS", 0.2)
    row_id = wall.rows["ann"][2].id
    async with wall.store(pool_size=1) as store:
        async with backend(store) as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
        with stopped(pid):
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await read(store, wall, row_id, way)
            assert time.monotonic() - began < 3
            assert await read(store, wall, row_id, way)


async def read(store: Store, wall: Wall, row_id: object, way: str) -> bool:
    schema = wall.schema(Notice)
    if way == "plan":
        return await store.read_body(wall.ann, schema, row_id) is not None  # type: ignore[arg-type]
    return await store.read_row(wall.ann, schema, row_id) is not None  # type: ignore[arg-type]
