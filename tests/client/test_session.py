"""Signing in, and tokens that end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from holdfast.client import Client, Tokens
from holdfast.errors import InvalidInput, NotAuthenticated, NotFound, RateLimited
from tests.client.conftest import PASSWORD, QUICK, Person

pytestmark = pytest.mark.anyio


async def test_a_wrong_password_is_refused(person: Person) -> None:
    async with Client(person.url, patience=QUICK) as client:
        with pytest.raises(NotAuthenticated) as caught:
            await client.sign_in(person.email, "wrong")
        assert caught.value.code == "not_authenticated"
        assert client.tokens is None
        with pytest.raises(NotAuthenticated, match="nobody"):
            await client.pull(None)


async def test_a_session_goes_on_in_another_run(person: Person) -> None:
    kept: list[Tokens | None] = []
    first = await person.device("phone", on_tokens=kept.append)
    assert kept == [first.client.tokens]
    second = await person.device("phone", tokens=kept[-1])
    assert second.wire.asked("/login") == []
    assert (await second.client.pull(None)).cursor > 0
    assert "access_token" not in repr(kept[-1])


async def test_an_access_token_that_does_not_hold_is_exchanged_once_for_all(person: Person) -> None:
    kept: list[Tokens | None] = []
    phone = await person.device("phone", on_tokens=kept.append)
    assert phone.client.tokens is not None
    other = await person.device(
        "phone", tokens=replace(phone.client.tokens, access_token="stale"), on_tokens=kept.append
    )
    await asyncio.gather(*(other.client.pull(None) for _ in range(8)))
    assert len(other.wire.asked("/refresh")) == 1
    assert len(kept) == 2
    assert kept[-1] == other.client.tokens


async def test_a_token_is_exchanged_before_it_ends(person: Person) -> None:
    phone = await person.device("phone")
    assert phone.client.tokens is not None
    other = await person.device("phone", tokens=replace(phone.client.tokens, expires_at=time.time() + 5))
    await other.client.pull(None)
    assert [request.url.path for request in other.wire.sent] == ["/api/v1/auth/refresh", "/api/v1/sync/pull"]


async def test_a_refresh_whose_answer_is_lost_ends_no_session(person: Person) -> None:
    phone = await person.device("phone")
    assert phone.client.tokens is not None
    other = await person.device("phone", tokens=replace(phone.client.tokens, access_token="stale"))
    other.wire.lose("/refresh", times=2)
    await other.client.pull(None)
    assert len(other.wire.asked("/refresh")) == 3
    await other.client.pull(None)


async def test_a_session_that_has_ended_asks_for_a_sign_in(person: Person) -> None:
    kept: list[Tokens | None] = []
    phone = await person.device("phone")
    copy = await person.device("phone", tokens=phone.client.tokens, on_tokens=kept.append)
    await phone.client.sign_out()
    assert phone.client.tokens is None
    with pytest.raises(NotAuthenticated):
        await copy.client.pull(None)
    assert copy.client.tokens is None
    assert kept == [None]
    await copy.client.sign_in(person.email, PASSWORD)
    await copy.client.pull(None)


async def test_too_many_attempts_are_told_with_the_time_to_wait(person: Person) -> None:
    async with Client(person.url, patience=QUICK) as client:
        with pytest.raises(RateLimited) as caught:
            for _ in range(40):
                try:
                    await client.sign_in(person.email, "wrong")
                except NotAuthenticated:
                    continue
        assert caught.value.retry_after is not None
        assert caught.value.retry_after >= 1


async def test_other_requests_are_signed_too(person: Person) -> None:
    service = await person.device()
    made = await service.client.request(
        "POST", "/data/finance/financial_accounts", {"name": "Cash", "account_type": "other"}
    )
    listed = await service.client.request("GET", "/data/finance/financial_accounts?limit=5")
    assert [row["id"] for row in listed["items"]] == [made["id"]]
    assert await service.client.request("DELETE", f"/data/finance/financial_accounts/{made['id']}") is None
    with pytest.raises(NotFound):
        await service.client.request("GET", f"/data/finance/financial_accounts/{made['id']}")
    with pytest.raises(InvalidInput) as caught:
        await service.client.request("POST", "/data/finance/financial_accounts", {"name": 7})
    assert "name" in caught.value.fields
    assert "x-holdfast-device" not in service.wire.sent[-1].headers


@pytest.mark.parametrize("name", ["", " phone", "phone ", "a\nb", "x" * 65, "t\u00e9l"])
def test_a_device_has_a_name_that_a_header_can_hold(name: str) -> None:
    with pytest.raises(InvalidInput):
        Client("http://127.0.0.1:9", device=name)
