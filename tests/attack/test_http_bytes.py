"""Requests as bytes, to the server that serves the API: lengths in doubt, injected lines, bodies without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvicorn

from tests.api_platform import Deployment, app_of, inhabited

ACCOUNTS = "/api/v1/data/finance/financial_accounts"
MIB = 1_048_576
ROW = b'{"name": "n", "account_type": "checking"}'
Ask = Callable[..., bytes]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = inhabited()
    yield made
    await made.aclose()


@pytest.fixture
def ask(deployment: Deployment) -> Ask:
    """Makes the head of Ada's request, with these lines as they are."""

    def head(*lines: str, method: str = "POST", path: str = ACCOUNTS) -> bytes:
        basic = (
            f"{method} {path} HTTP/1.1",
            "Host: api.test",
            f"Authorization: Bearer {deployment.tokens['ada']}",
            "Content-Type: application/json",
        )
        return "\r\n".join((*basic, *lines, "", "")).encode("latin-1")

    return head


@pytest.fixture
async def address(deployment: Deployment) -> AsyncIterator[tuple[str, int]]:
    """The app on the server that serves it, on a port of its own."""
    config = uvicorn.Config(
        app_of(deployment),
        host="127.0.0.1",
        port=0,
        http="httptools",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    await task


async def _exchange(address: tuple[str, int], request: bytes, *, patience: float = 2.0) -> bytes:
    """All that comes back for these bytes until the server closes or falls silent."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(request)
        await writer.drain()
        parts: list[bytes] = []
        while True:
            try:
                part = await asyncio.wait_for(reader.read(65_536), patience if not parts else 0.2)
            except (TimeoutError, ConnectionError):
                return b"".join(parts)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        writer.close()


def _statuses(answer: bytes) -> list[int]:
    return [int(part.split(b" ", 2)[1]) for part in answer.split(b"HTTP/1.1")[1:] for part in [b"x" + part]]


async def test_a_chunked_body_is_read(address: tuple[str, int], ask: Ask) -> None:
    body = ROW
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:])) + b"0\r\n\r\n"
    answer = await _exchange(address, ask("Transfer-Encoding: chunked") + chunks)
    assert _statuses(answer) == [201]


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 50"),
        ("Content-Length: 50", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Content-Length: 5x",),
        ("Content-Length: 5, 50",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked", "Content-Length: 5"),
        ("X-Holdfast-Device : phone", "Content-Length: 2"),
        ("X-Holdfast-Device: a\x00b", "Content-Length: 2"),
    ],
)
async def test_a_request_whose_length_is_in_doubt_is_not_served(
    address: tuple[str, int], deployment: Deployment, ask: Ask, lines: tuple[str, ...]
) -> None:
    smuggled = ask("Content-Length: 2", method="POST") + b"{}"
    answer = await _exchange(address, ask(*lines) + b"0\r\n\r\n" + smuggled)
    assert 201 not in _statuses(answer)
    assert _statuses(answer)[:1] in ([400], [])
    assert len(_statuses(answer)) <= 1
    assert not deployment.engine.data.heads


async def test_a_header_cannot_be_injected_into_an_answer(address: tuple[str, int], ask: Ask) -> None:
    for value in ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a%0d%0aX-Evil: 1"):
        head = ask(f"X-Request-Id: {value}", f"Origin: {value}", "Content-Length: 2", path=ACCOUNTS)
        answer = await _exchange(address, head + b"{}")
        assert b"x-evil" not in answer.lower()


async def test_ten_mebibytes_are_not_taken(address: tuple[str, int], ask: Ask) -> None:
    _, writer = await asyncio.open_connection(*address)
    writer.write(ask("Transfer-Encoding: chunked"))
    sent = 0
    try:
        for _ in range(1_000):
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await asyncio.wait_for(writer.drain(), 1)
            sent += 65_536
    except (ConnectionError, TimeoutError):
        pass
    assert sent < 10 * MIB
    writer.close()


async def test_the_real_server_adds_no_address_of_its_own(address: tuple[str, int], ask: Ask) -> None:
    answer = await _exchange(address, ask("Connection: close", method="GET", path="/health/live"))
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 200")
    for name in (b"content-security-policy", b"x-frame-options", b"x-request-id"):
        assert head.count(b"\r\n" + name + b":") == 1
