"""The stream that says when there is something to pull."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from holdfast.client import TableChanges
from holdfast.errors import NotAuthenticated
from tests.client.conftest import Person
from tests.sync.device import account

pytestmark = pytest.mark.anyio


async def test_a_push_of_another_device_is_heard(person: Person) -> None:
    phone, tablet = await person.device("phone"), await person.device("tablet")
    cursor = (await phone.client.pull(None)).cursor
    async with asyncio.timeout(20), aclosing(tablet.client.events()) as heads:
        first = await anext(heads)
        await phone.client.push({"financial_accounts": TableChanges(created=[account()])}, cursor)
        assert await anext(heads) > first


async def test_a_stream_that_is_lost_is_opened_again(person: Person) -> None:
    phone, tablet = await person.device("phone"), await person.device("tablet")
    cursor = (await phone.client.pull(None)).cursor
    tablet.wire.answer("/events", 503, times=2)
    tablet.wire.answer("/events", 200, 'event: head\ndata: {"number": 0}\n\n: still here\n\n')
    async with asyncio.timeout(20), aclosing(tablet.client.events()) as heads:
        assert await anext(heads) == 0
        await phone.client.push({"financial_accounts": TableChanges(created=[account()])}, cursor)
        assert await anext(heads) > 0
    assert len(tablet.wire.asked("/events")) == 4


async def test_its_token_is_exchanged(person: Person) -> None:
    phone = await person.device("phone")
    assert phone.client.tokens is not None
    other = await person.device("phone", tokens=replace(phone.client.tokens, access_token="stale"))
    async with asyncio.timeout(20), aclosing(other.client.events()) as heads:
        await anext(heads)
    assert len(other.wire.asked("/refresh")) == 1


async def test_it_ends_with_the_session(person: Person) -> None:
    phone = await person.device("phone")
    copy = await person.device("phone", tokens=phone.client.tokens)
    await phone.client.sign_out()
    with pytest.raises(NotAuthenticated):
        async with asyncio.timeout(20), aclosing(copy.client.events()) as heads:
            await anext(heads)
