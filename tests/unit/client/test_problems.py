"""What an answer refuses, in the tree of errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from holdfast.client import Patience
from holdfast.client.events import read_heads
from holdfast.client.problems import is_passing, problem_of
from holdfast.errors import (
    Busy,
    Conflict,
    CursorExpired,
    Duplicate,
    HoldfastError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotSupported,
    RateLimited,
    TokenExpired,
    TooLarge,
    Unavailable,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("status", "said", "kind", "code"),
    [
        (409, {"code": "duplicate", "retry": False}, Duplicate, "duplicate"),
        (401, {"code": "token_expired"}, TokenExpired, "token_expired"),
        (503, {"code": "busy", "retry": True}, Busy, "busy"),
        (422, {"code": "invalid_input", "fields": {"a": "is required"}}, InvalidInput, "invalid_input"),
        (400, {"code": "malformed_sync"}, InvalidInput, "malformed_sync"),
        (410, {"code": "of_a_later_server"}, CursorExpired, "of_a_later_server"),
        (409, {"code": "of_a_later_server"}, Conflict, "of_a_later_server"),
        (401, {"code": "of_a_later_server"}, NotAuthenticated, "of_a_later_server"),
        (418, {"code": "of_a_later_server"}, InvalidInput, "of_a_later_server"),
        (404, {"code": "http_404"}, NotFound, "http_404"),
        (409, None, Unavailable, "http_409"),
        (401, None, Unavailable, "http_401"),
        (403, {"error": "of a proxy"}, Unavailable, "http_403"),
        (404, None, Unavailable, "http_404"),
        (410, None, Unavailable, "http_410"),
        (413, None, TooLarge, "http_413"),
        (429, None, RateLimited, "http_429"),
        (500, {"code": "internal_error", "incident": "7f"}, Unavailable, "internal_error"),
        (502, None, Unavailable, "http_502"),
        (501, {"code": "not_supported"}, NotSupported, "not_supported"),
        (501, None, Unavailable, "http_501"),
        (302, None, Unavailable, "http_302"),
        (418, ["no", "document"], Unavailable, "http_418"),
    ],
)
def test_the_class_is_that_of_the_code_or_else_of_the_status(
    status: int, said: object, kind: type[HoldfastError], code: str
) -> None:
    answer = httpx.Response(status, text="<html>") if said is None else httpx.Response(status, json=said)
    error = problem_of(answer)
    assert (type(error), error.code) == (kind, code)
    assert code in str(error)
    if isinstance(error, InvalidInput):
        assert error.fields == (said.get("fields", {}) if isinstance(said, dict) else {})


@pytest.mark.parametrize(
    ("status", "said", "passing"),
    [
        (409, None, True),
        (409, {"code": "conflict"}, True),
        (409, {"code": "duplicate", "retry": False}, False),
        (401, {"code": "token_expired"}, False),
        (401, None, True),
        (404, None, True),
        (413, None, False),
        (503, {"code": "unavailable"}, True),
        (429, None, True),
        (503, None, True),
        (500, {"incident": "7f"}, True),
        (501, {"code": "not_supported"}, False),
        (410, {"code": "cursor_expired"}, False),
        (422, {"code": "of_a_later_server", "retry": True}, True),
    ],
)
def test_whether_it_passes_is_the_servers_word_or_else_the_statuss(
    status: int, said: object, passing: object
) -> None:
    answer = httpx.Response(status) if said is None else httpx.Response(status, json=said)
    assert is_passing(answer) is passing


def test_the_time_to_wait_is_in_seconds_or_a_date() -> None:
    def delay(value: str) -> float | None:
        return problem_of(httpx.Response(503, headers={"retry-after": value})).retry_after

    assert delay("7") == 7.0
    soon = delay(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert soon is not None
    assert 25 < soon < 31
    assert delay(format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)) == 0.0
    assert delay("soon") is None


def test_delays_grow_and_differ() -> None:
    patience = Patience(first_delay=1.0)
    for failures, most in ((0, 1.0), (1, 2.0), (3, 8.0), (50, 60.0), (5_000, 60.0)):
        delays = {patience.delay(failures) for _ in range(50)}
        assert all(most / 2 <= delay <= most for delay in delays)
        assert len(delays) > 1


async def test_only_heads_are_read_of_a_stream() -> None:
    text = (
        'retry: 2000\n\n: still here\n\nevent: head\nid: 3\ndata: {"number":3}\n\n'
        'event:head\ndata:{"number":\ndata: 4}\n\nevent: other\ndata: {"number":9}\n\n'
        'data: {"number":8}\n\nevent: head\n\nevent: head\ndata: {"number":5}'
    )

    async def lines() -> AsyncIterator[str]:
        for line in text.split("\n"):
            yield line

    assert [number async for number in read_heads(lines())] == [3, 4]
