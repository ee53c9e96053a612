"""The client against servers that answer what no server of ours does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from holdfast.client import Client, Patience, Tokens
from holdfast.errors import HoldfastError, InvalidInput, Unavailable

pytestmark = pytest.mark.anyio
HASTY = Patience(retries=0, first_delay=0.01, request=2.0, all_tries=3.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def tokens(seconds: float = 3_600.0) -> Tokens:
    """Those of a session whose access token ends so soon."""
    return Tokens("access", "refresh", time.time() + seconds)


def client_of(handler: Any, *, patience: Patience = HASTY, **given: Any) -> Client:
    """One whose requests go to this function."""
    given = {"tokens": tokens(), **given}
    return Client("http://x.test", patience=patience, transport=httpx.MockTransport(handler), **given)


def always(*, status: int = 200, **answer: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, **answer)


def page(**tables: Any) -> dict[str, Any]:
    return {"json": {"changes": tables, "timestamp": 1}}


GZIPPED: dict[str, Any] = {"content": b"no gzip", "headers": {"content-encoding": "gzip"}}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"json": []},
        {"json": "x"},
        {"json": 5},
        {"content": b"[" * 5_000},
        GZIPPED,
        page(t=[]),
        page(t=None),
        page(t={"updated": 7}),
        page(t={"updated": [5]}),
        page(t={"created": [{}]}),
        page(t={"updated": [{"id": []}]}),
        page(t={"deleted": [{}]}),
        {"json": {"changes": {}, "timestamp": True}},
        {"json": {"changes": {}}},
    ],
)
async def test_a_pull_that_cannot_be_read_is_unavailable(answer: dict[str, Any]) -> None:
    async with client_of(always(**answer)) as client:
        with pytest.raises(Unavailable):
            await client.pull(None)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 204},
        {},
        {"json": []},
        {"json": {"rejected": 5}},
        {"json": {"conflicts": [5]}},
        {"json": {"experimentalRejectedIds": ["x"]}},
        {"json": {"experimentalRejectedIds": {"t": 5}}},
        {"json": {"experimentalRejectedIds": {"t": [{}]}}},
    ],
)
async def test_a_push_whose_answer_cannot_be_read_is_unavailable(answer: dict[str, Any]) -> None:
    async with client_of(always(**answer)) as client:
        with pytest.raises(Unavailable):
            await client.push({"t": {"created": [{"id": "x"}]}}, 1)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"json": {}},
        {"json": [1]},
        {"json": {"access_token": "a", "expires_in": "soon"}},
        {"json": {"access_token": "a", "expires_in": True}},
        {"json": {"access_token": "a\nb", "expires_in": 9}},
        {"json": {"access_token": "\u00e4", "expires_in": 9}},
        {"json": {"access_token": "a", "refresh_token": 7, "expires_in": 9}},
    ],
)
async def test_tokens_that_cannot_be_read_are_unavailable_and_those_before_stay(
    answer: dict[str, Any],
) -> None:
    old = tokens(0.0)
    async with client_of(always(**answer), tokens=old) as client:
        for attempt in (client.sign_in("a@example.com", "x"), client.pull(None)):
            with pytest.raises(Unavailable):
                await attempt
        assert client.tokens is old


async def test_events_that_cannot_be_read_are_passed_over() -> None:
    bad = ["x", "{}", "[1]", '{"number":"x"}', '{"number":null}', '{"number":true}']
    text = "".join(f"event: head\ndata: {data}\n\n" for data in [*bad, '{"number":7}'])
    answers = [always(text=text), always(**GZIPPED)]

    def handler(request: httpx.Request) -> httpx.Response:
        return answers.pop()(request)

    async with (
        client_of(handler) as client,
        asyncio.timeout(5),
        aclosing(client.events()) as heads,
    ):
        assert await anext(heads) == 7


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 503, "headers": {"retry-after": "9" * 400}},
        {"status": 503, "headers": {"retry-after": b"\xb2"}},
        {"status": 503, "headers": {"retry-after": "Mon, 99 Foo 20000 99:99:99"}},
        {"status": 422, "json": {"code": "invalid_input", "fields": 5, "detail": 7, "retry": "x"}},
        {"status": 422, "json": {"code": ["x"]}},
    ],
)
async def test_a_problem_that_cannot_be_read_is_a_problem_all_the_same(answer: dict[str, Any]) -> None:
    async with client_of(always(**answer)) as client:
        with pytest.raises(HoldfastError):
            await client.pull(None)


@pytest.mark.parametrize("refused", [False, True])
async def test_who_signs_in_during_a_refresh_is_signed_in(*, refused: bool) -> None:
    asked, refreshed = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/refresh"):
            asked.set()
            await refreshed.wait()
            if refused:
                return httpx.Response(401, json={"code": "not_authenticated"})
            return httpx.Response(
                200, json={"access_token": "old-2", "refresh_token": "r", "expires_in": 900}
            )
        if request.url.path.endswith("/login"):
            return httpx.Response(200, json={"access_token": "new", "refresh_token": "n", "expires_in": 900})
        seen.append(request.headers["authorization"])
        return httpx.Response(200, **page())

    kept: list[Tokens | None] = []
    async with client_of(handler, tokens=tokens(5.0), on_tokens=kept.append) as client:
        pulling = asyncio.create_task(client.pull(None))
        await asked.wait()
        await client.sign_in("new@example.com", "x")
        refreshed.set()
        await pulling
        assert [each and each.access_token for each in kept] == ["new"]
        assert (client.tokens, seen) == (kept[0], ["Bearer new"])


async def test_a_tenant_that_is_entered_during_a_refresh_keeps_the_next_refresh_token() -> None:
    entering, refreshed = asyncio.Event(), asyncio.Event()

    async def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/switch"):
            entering.set()
            await asyncio.sleep(0.05)
            return httpx.Response(200, json={"access_token": "there", "expires_in": 900})
        if request.url.path.endswith("/refresh"):
            await refreshed.wait()
            return httpx.Response(
                200, json={"access_token": "here", "refresh_token": "r2", "expires_in": 900}
            )
        if request.headers["authorization"] == "Bearer access":
            return httpx.Response(401, json={"code": "token_expired"})
        return httpx.Response(200, **page())

    async with client_of(handler) as client:
        switching = asyncio.create_task(client.switch("there"))
        await entering.wait()
        pulling = asyncio.create_task(client.pull(None))
        await switching
        refreshed.set()
        await pulling
        assert client.tokens is not None
        assert (client.tokens.access_token, client.tokens.refresh_token) == ("there", "r2")


async def test_what_cannot_be_sent_is_said_before_anything_is() -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    rows = [{"id": str(turn), "price": 1.5} for turn in range(1_200)]
    rows[-1]["price"] = float("nan")
    async with client_of(handler) as client:
        with pytest.raises(InvalidInput) as refused:
            await client.push({"goods": {"created": rows}}, 1)
        assert refused.value.where == "goods.price"
        with pytest.raises(InvalidInput):
            await client.request("POST", "/data/shop/goods", {"price": 2**70})
        assert sent == []


@pytest.mark.parametrize("status", [302, 401, 403, 404, 410, 503])
async def test_what_a_proxy_says_ends_no_session(status: int) -> None:
    kept: list[Tokens | None] = []
    async with client_of(
        always(status=status, text="<html>"), tokens=tokens(-1.0), on_tokens=kept.append
    ) as client:
        for attempt in (client.pull(None), client.sign_in("a@example.com", "x")):
            with pytest.raises(Unavailable) as caught:
                await attempt
            assert "proxy" in caught.value.hint
        assert client.tokens is not None
        assert kept == []


@pytest.mark.parametrize("status", [302, 401, 404])
async def test_events_go_on_after_what_a_proxy_says(status: int) -> None:
    heads = always(text='event: head\ndata: {"number":7}\n\n')
    answers = [heads, *[always(status=status, text="<html>")] * 3]

    def handler(request: httpx.Request) -> httpx.Response:
        return answers.pop()(request)

    async with client_of(handler) as client, asyncio.timeout(5), aclosing(client.events()) as numbers:
        assert await anext(numbers) == 7


async def test_a_token_that_holds_is_used_while_it_cannot_be_exchanged() -> None:
    refreshes = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal refreshes
        if request.url.path.endswith("/refresh"):
            refreshes += 1
            return httpx.Response(503)
        if request.url.path.endswith("/gone"):
            return httpx.Response(401, json={"code": "token_expired"})
        return httpx.Response(200, **page())

    async with client_of(handler, tokens=tokens(25.0)) as client:
        await asyncio.gather(*(client.pull(None) for _ in range(8)))
        assert refreshes == 1
        with pytest.raises(Unavailable):
            await client.request("GET", "/gone")
        assert refreshes == 2
    async with client_of(handler, tokens=tokens(-1.0)) as client:
        with pytest.raises(Unavailable):
            await client.pull(None)


@pytest.mark.parametrize(
    "url", ["https://me:secret@x.test", "https://me@x.test", "x.test", "ftp://x.test", "https://x.test:a"]
)
def test_a_url_leads_to_a_server_and_has_no_credentials(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Client(url)
    assert refused.value.where == "url"
    assert "secret" not in str(refused.value)
