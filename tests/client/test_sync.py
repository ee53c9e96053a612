"""Pull and push, on a way where answers get lost."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from holdfast.client import Patience, TableChanges
from holdfast.errors import CursorExpired, HoldfastError, InvalidInput, RateLimited, Unavailable
from holdfast.sync.epochs import KEPT_SECONDS
from tests.acceptance.deployment import Deployment
from tests.client.conftest import Person
from tests.sync.device import account

pytestmark = pytest.mark.anyio
TABLE = "financial_accounts"


def created(*rows: dict[str, Any]) -> dict[str, TableChanges]:
    return {TABLE: TableChanges(created=list(rows))}


async def test_two_devices_meet(person: Person) -> None:
    phone, tablet = await person.device("phone"), await person.device("tablet")
    first = await phone.client.pull(None)
    assert first.changes.get(TABLE, {}).get("updated", []) == []
    row = account(name="Cash", balance=12.5)
    pushed = await phone.client.push(created(row), first.cursor)
    assert (pushed.unsent, pushed.rejected, pushed.conflicts) == ({}, [], [])
    pulled = await tablet.client.pull(None)
    (seen,) = pulled.changes[TABLE]["updated"]
    assert (seen["id"], seen["name"], seen["balance"]) == (row["id"], "Cash", 12.5)
    await tablet.client.push({TABLE: TableChanges(updated=[{**seen, "name": "Purse"}])}, pulled.cursor)
    own = await tablet.client.pull(pulled.cursor)
    assert own.cursor > pulled.cursor
    second = await phone.client.pull(first.cursor)
    assert [each["name"] for each in second.changes[TABLE]["updated"]] == ["Purse"]
    await tablet.client.push({TABLE: TableChanges(deleted=[row["id"]])}, own.cursor)
    assert (await phone.client.pull(second.cursor)).changes[TABLE]["deleted"] == [row["id"]]


async def test_a_large_push_goes_in_parts_and_a_pull_comes_in_pages(person: Person) -> None:
    phone, tablet = await person.device("phone"), await person.device("tablet")
    rows = [account(name=f"account {turn}") for turn in range(2_300)]
    cursor = (await phone.client.pull(None)).cursor
    await phone.client.push(created(*rows), cursor)
    parts = phone.wire.asked("/push")
    assert [len(json.loads(part.content)["changes"][TABLE]["created"]) for part in parts] == [
        1_000,
        1_000,
        300,
    ]
    assert len({part.headers["idempotency-key"] for part in parts}) == 3
    pages = [page async for page in tablet.client.pages(None, page_size=1_000)]
    assert [page.more for page in pages] == [True, True, False]
    pulled = await tablet.client.pull(None, page_size=900)
    assert {row["id"] for row in pulled.changes[TABLE]["updated"]} == {row["id"] for row in rows}
    assert pulled.cursor == pages[-1].cursor


async def test_a_push_whose_answer_is_lost_is_taken_once(person: Person) -> None:
    phone, tablet = await person.device("phone"), await person.device("tablet")
    cursor = (await phone.client.pull(None)).cursor
    row = account(name="once")
    phone.wire.lose("/push", times=2)
    pushed = await phone.client.push(created(row), cursor)
    assert (pushed.unsent, pushed.rejected, pushed.conflicts) == ({}, [], [])
    first, *others = phone.wire.asked("/push")
    assert len(others) == 2
    assert {(r.content, r.headers["idempotency-key"]) for r in (first, *others)} == {
        (first.content, first.headers["idempotency-key"])
    }
    before = await tablet.client.pull(None)
    assert [r["name"] for r in before.changes[TABLE]["updated"]] == ["once"]
    # Another run of the program, which knows of no answer either, says the same under the same key.
    await phone.client.push(created(row), cursor, key="kept")
    after = await tablet.client.pull(before.cursor)
    again = await phone.client.push(created(row), cursor, key="kept")
    assert again.conflicts == []
    assert (await tablet.client.pull(after.cursor)).cursor == after.cursor


async def test_a_pull_whose_answer_is_lost_is_asked_for_again(person: Person) -> None:
    phone = await person.device("phone")
    phone.wire.lose("/pull", times=3)
    assert (await phone.client.pull(None)).cursor > 0
    phone.wire.lose("/pull", times=4)
    with pytest.raises(Unavailable, match="could not be reached"):
        await phone.client.pull(None)
    assert len(phone.wire.asked("/pull")) == 8


async def test_after_a_new_epoch_it_starts_afresh(person: Person, deployment: Deployment) -> None:
    phone = await person.device("phone")
    first = await phone.client.pull(None)
    kept, unsent = account(name="kept"), account(name="made meanwhile")
    await phone.client.push(created(kept), first.cursor)
    begun = deployment.run("sync", "new-epoch", "--reason", "a test")
    assert begun.returncode == 0, begun.stderr
    await asyncio.sleep(KEPT_SECONDS)  # a server may not have heard of it before
    for attempt in (phone.client.pull(first.cursor), phone.client.push(created(unsent), first.cursor)):
        with pytest.raises(CursorExpired) as caught:
            await attempt
        assert caught.value.code == "cursor_expired"
        assert "afresh" in caught.value.hint
    fresh = await phone.client.pull(None, replacement=True)
    assert fresh.replacement
    assert [row["name"] for row in fresh.changes[TABLE]["updated"]] == ["kept"]
    await phone.client.push(created(unsent), fresh.cursor)
    everything = await phone.client.pull(None)
    assert sorted(row["name"] for row in everything.changes[TABLE]["updated"]) == ["kept", "made meanwhile"]


async def test_it_comes_again_when_the_server_says(person: Person) -> None:
    phone = await person.device("phone")
    problem = json.dumps({"code": "rate_limited", "detail": "slowly", "retry": True})
    phone.wire.answer("/pull", 429, problem, retry_after="1")
    began = time.monotonic()
    await phone.client.pull(None)
    assert time.monotonic() - began >= 1.0
    phone.wire.answer("/pull", 429, problem, retry_after="3600")
    with pytest.raises(RateLimited) as caught:
        await phone.client.pull(None)
    assert caught.value.retry_after == 3600.0


async def test_a_conflict_is_tried_again_where_the_server_does_not_say_otherwise(person: Person) -> None:
    phone = await person.device("phone")
    cursor = (await phone.client.pull(None)).cursor
    phone.wire.answer("/push", 409)
    phone.wire.answer("/push", 503, "<html>")
    await phone.client.push(created(account()), cursor)
    assert len(phone.wire.asked("/push")) == 3
    await phone.client.push(created(account()), cursor, key="taken")
    with pytest.raises(HoldfastError) as caught:
        await phone.client.push(created(account()), cursor, key="taken")
    assert caught.value.code == "conflict"
    assert len(phone.wire.asked("/push")) == 5


async def test_what_no_retry_can_mend_is_said_at_once(person: Person) -> None:
    phone = await person.device("phone")
    cursor = (await phone.client.pull(None)).cursor
    with pytest.raises(InvalidInput) as caught:
        await phone.client.push({TABLE: TableChanges(created=[{"name": "without an id"}])}, cursor)
    assert caught.value.code == "malformed_sync"
    assert len(phone.wire.asked("/push")) == 1
    phone.wire.answer("/pull", 200, "<html>Sign in to the network</html>", times=9)
    with pytest.raises(Unavailable, match="not JSON"):
        await phone.client.pull(None)
    assert len(phone.wire.asked("/pull")) == 1 + 4


async def test_a_row_that_refers_to_nothing_stays_unsent(person: Person) -> None:
    phone = await person.device("phone")
    cursor = (await phone.client.pull(None)).cursor
    row = {
        "id": "abcdefgh12345678",
        "account_id": "nowhere123456789",
        "posted": "2026-03-31",
        "amount": 1,
        "source": "manual",
    }
    pushed = await phone.client.push({"transactions": TableChanges(created=[row])}, cursor)
    assert pushed.unsent == {"transactions": [row["id"]]}
    assert [(each["table"], each["id"]) for each in pushed.rejected] == [("transactions", row["id"])]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    from holdfast.client import Client, Tokens

    patience = Patience(retries=1, first_delay=0.01)
    tokens = Tokens("a", "rt", time.time() + 600)
    async with Client("http://127.0.0.1:9", tokens=tokens, patience=patience) as client:
        with pytest.raises(Unavailable):
            await client.pull(None)


async def test_a_silent_server_is_given_up(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    tokens = (await person.device("phone")).client.tokens
    hasty = Patience(retries=1, first_delay=0.01, request=0.2)
    phone = await person.device("phone", tokens=tokens, patience=hasty)

    async def silent(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(phone.wire, "handle_async_request", silent)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        await phone.client.pull(None)
    assert time.monotonic() - began < 2.0
