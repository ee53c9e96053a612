"""What a hostile client sends: bodies, filters, paths and sizes, to the fast routes and to the framework's.

Each answer must be a clear refusal, must hold nothing of what was sent, and must leave the log as silent about it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from tests.api_platform import CANARY, Deployment, account, app_of, client_of, inhabited, raw_scope

ACCOUNTS = "/api/v1/data/finance/financial_accounts"
SAMPLES = "/api/v1/data/lab/samples"
JSON = {"content-type": "application/json"}
MIB = 1_048_576


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = inhabited()
    yield made
    await made.aclose()


@pytest.fixture
def token(deployment: Deployment) -> str:
    return deployment.tokens["ada"]


@pytest.fixture
def app(deployment: Deployment) -> ASGIApp:
    return app_of(deployment)


@pytest.fixture
async def ada(app: ASGIApp, token: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, token) as client:
        yield client


@pytest.fixture(autouse=True)
def silent_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test of this file may leave a planted value in the log, nor an incident."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "httpx")
    logging.getLogger("httpx").disabled = True  # the test's own client logs its addresses
    yield
    logging.getLogger("httpx").disabled = False
    assert CANARY not in caplog.text
    assert "incident" not in caplog.text


def _refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert CANARY not in str(answer.headers)
    problem: dict[str, Any] = answer.json()
    return problem


def _row(name: bytes = b'"n"', more: bytes = b"") -> bytes:
    return b'{"name": %s, "account_type": "checking"%s}' % (name, more)


BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "not JSON": (b"{'name': 1}", 400),
    "cut": (_row()[:-3], 400),
    "trailing": (_row() + b"x", 400),
    "two values": (_row() + _row(), 400),
    "comment": (b"/* */" + _row(), 400),
    "invalid UTF-8": (_row(b'"\xff\xfe"'), 400),
    "overlong UTF-8": (_row(b'"\xc0\xaf"'), 400),
    "UTF-16": (_row().decode().encode("utf-16"), 400),
    "byte order mark": (b"\xef\xbb\xbf" + _row(), 400),
    "raw control character": (_row(b'"a\x01b"'), 400),
    "raw NUL": (_row(b'"a\x00b"'), 400),
    "escaped NUL": (_row(b'"a\\u0000b"'), 422),
    "lone surrogate": (_row(b'"\\udc00"'), 422),
    "surrogate as a name": (_row(more=b', "\\ud800": 1'), 422),
    "surrogate as a name inside": (_row(more=b', "metadata": {"\\ud800": 1}'), 422),
    "NaN": (_row(more=b', "balance": NaN'), 400),
    "Infinity": (_row(more=b', "balance": -Infinity'), 400),
    "NaN inside": (_row(more=b', "metadata": {"a": [NaN]}'), 400),
    "NaN as text": (_row(more=b', "balance": "NaN"'), 422),
    "sNaN as text": (_row(more=b', "balance": "sNaN"'), 422),
    "huge number": (_row(more=b', "balance": 1e400'), 422),
    "huge exponent": (_row(more=b', "balance": 1e9999999999999999999'), 400),
    "tiny exponent": (_row(more=b', "balance": 1e-999999999'), 422),
    "huge number inside": (_row(more=b', "metadata": {"a": 1e400}'), 422),
    "huge integer": (_row(more=b', "balance": 1' + b"0" * 100), 422),
    "huge integer inside": (_row(more=b', "metadata": {"a": 18446744073709551616}'), 422),
    "integer of 5,000 digits": (_row(more=b', "balance": ' + b"9" * 5_000), 400),
    "number of 5,000 digits as text": (_row(more=b', "balance": "' + b"9" * 5_000 + b'"'), 422),
    "digits of another script": (_row(more=', "balance": "١٢"'.encode()), 422),
    "number with underscores": (_row(more=b', "balance": "1_000"'), 422),
    "member twice": (_row(more=b', "name": "m"'), 400),
    "member twice inside": (_row(more=b', "metadata": {"a": 1, "a": 2}'), 400),
    "65 levels": (_row(more=b', "metadata": ' + b'{"a":' * 65 + b"1" + b"}" * 65), 422),
    "100,000 levels of lists": (b"[" * 100_000 + b"]" * 100_000, 400),
    "100,000 levels of objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "a list": (b"[" + _row() + b"]", 422),
    "text": (b'"name"', 422),
    "true": (b"true", 422),
    "a boolean as money": (_row(more=b', "balance": true'), 422),
    "an object as text": (_row(b'{"toString": 1}'), 422),
    "10,000 unknown fields": (json.dumps({f"f{n}": n for n in range(10_000)}).encode(), 422),
    "prototype": (_row(more=b', "__proto__": {"is_admin": true}, "constructor": {}'), 422),
    "operator": (b'{"name": {"$gt": ""}, "account_type": {"$ne": null}}', 422),
    "tenant": (_row(more=b', "tenant_id": "00000000-0000-0000-0000-000000000000"'), 422),
    "commitment salt": (_row(more=b', "commit_salt": "x"'), 422),
    "zero bytes of white space": (b" " * 1_000, 400),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_body_that_is_wrong_is_refused_and_nothing_is_stored(
    ada: httpx.AsyncClient, deployment: Deployment, name: str, method: str
) -> None:
    body, status = BODIES[name]
    made = (await ada.post(ACCOUNTS, json=account())).json()
    changes = dict(deployment.engine.data.heads)
    path = ACCOUNTS if method == "POST" else f"{ACCOUNTS}/{made['id']}"
    problem = _refused(await ada.request(method, path, content=body, headers=JSON), status)
    assert problem["code"] == {400: "malformed_request", 422: "invalid_input"}[status]
    assert deployment.engine.data.heads == changes
    assert len(json.dumps(problem)) < 1_000_000


async def test_the_tree_of_a_problem_stays_small(ada: httpx.AsyncClient) -> None:
    body = json.dumps({"n" * 60 + str(n): n for n in range(10_000)})
    answer = await ada.post(ACCOUNTS, content=body, headers=JSON)
    assert len(_refused(answer, 422)["detail"]) <= 1_000
    assert len(answer.content) < 10_000


CANARIES: dict[str, dict[str, Any]] = {
    "in a wrong type": account(is_active=CANARY),
    "in a choice": account(currency=CANARY),
    "in a number": account(balance=CANARY),
    "in a date": account(synced_at=CANARY),
    "in an id": account(id=CANARY),
    "in a text that is too long": account(name=CANARY * 100),
    "in a JSON field": account(metadata=[CANARY]),
    "in an unknown field": account(unknown=CANARY),
    "in an owner": account(user_id=CANARY),
    "beside what is missing": {"institution": CANARY},
}


@pytest.mark.parametrize("name", CANARIES)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_no_refusal_repeats_a_value(ada: httpx.AsyncClient, name: str, method: str) -> None:
    made = (await ada.post(ACCOUNTS, json=account())).json()
    path = ACCOUNTS if method == "POST" else f"{ACCOUNTS}/{made['id']}"
    body = CANARIES[name]
    if method == "PATCH" and name == "beside what is missing":
        body = {"institution": CANARY, "name": None}
    _refused(await ada.request(method, path, json=body), 422)


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "%s", "account_type": "checking", "name": "x"}' % CANARY.encode(),
        b'{"name": "%s"' % CANARY.encode(),
        b'{"name": "%s\xff"}' % CANARY.encode(),
        b"%s" % CANARY.encode(),
    ],
)
async def test_no_refusal_repeats_a_part_of_a_broken_body(ada: httpx.AsyncClient, body: bytes) -> None:
    _refused(await ada.post(ACCOUNTS, content=body, headers=JSON), 400)


@pytest.mark.parametrize(
    "query",
    [
        f"account_type={CANARY}",
        f"created_at__gt={CANARY}",
        f"id__in={CANARY}",
        f"user_id={CANARY}",
        f"name={CANARY}",
        f"metadata={CANARY}",
        f"limit={CANARY}",
        f"after={CANARY}",
        f"account_type=loan&account_type={CANARY}",
    ],
)
async def test_no_refusal_repeats_a_filter(ada: httpx.AsyncClient, query: str) -> None:
    _refused(await ada.get(f"{ACCOUNTS}?{query}"), 400, 422)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/login", {"email": [CANARY], "password": CANARY}),
        ("/auth/login", {"email": "a@example.com", "password": {"x": CANARY}}),
        ("/auth/login", {"email": "a@example.com", "password": CANARY, "tenant": 5}),
        ("/auth/login", {"email": CANARY * 100, "password": CANARY}),
        ("/auth/login", {"email": "a@example.com", "password": CANARY * 100}),
        ("/auth/register", {"email": "a@example.com", "name": "n", "password": "", "x": CANARY}),
        ("/auth/register", [CANARY]),
        ("/auth/register", CANARY),
        ("/auth/refresh", {"refresh_token": None, "x": CANARY}),
        ("/auth/verify", {"token": CANARY * 1000}),
    ],
)
async def test_no_refusal_of_sign_in_repeats_what_was_typed(
    ada: httpx.AsyncClient, path: str, body: Any
) -> None:
    _refused(await ada.post(path, json=body), 422)
    broken = json.dumps(body).encode()[:-2] + b"\x01"
    _refused(await ada.post(path, content=broken, headers=JSON), 400)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await ada.post(path, content=json.dumps(body), headers={"content-type": kind})
        assert _refused(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b'{"a":' * 100_000, b'{"email": ' + b"9" * 5_000 + b"}", b'{"email": NaN}', b""]
)
async def test_sign_in_takes_no_broken_json(ada: httpx.AsyncClient, body: bytes) -> None:
    _refused(await ada.post("/auth/login", content=body[:60_000], headers=JSON), 400, 422)


# -- paths --------------------------------------------------------------------------------------------------------

ID = "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d"
ODD_PATHS = [
    f"/data/finance/financial_accounts/%2e%2e/financial_accounts/{ID}",
    f"/data/finance/financial_accounts%2f{ID}",
    f"/data%2ffinance/financial_accounts/{ID}",
    f"/data/finance/financial_account%73/{ID}",
    f"/data/finance/financial_accounts/{ID}%00",
    f"/data/finance/financial_accounts/{ID}%0a",
    f"/data/finance/financial_accounts/{ID}%20",
    f"/data/finance/financial_accounts/{ID.upper()}",
    f"/data/finance/financial_accounts/{{{ID}}}",
    f"/data/finance/financial_accounts/urn:uuid:{ID}",
    f"/data/finance/financial_accounts/{ID.replace('-', '')}",
    f"/data/finance/financial_accounts//{ID}",
    f"//data/finance/financial_accounts/{ID}",
    f"/data/./finance/financial_accounts/{ID}",
    f"/DATA/finance/financial_accounts/{ID}",
    f"/data/finance/financial_accounts;x=1/{ID}",
    "/data/finance/financial_accounts/__proto__",
    "/data/finance/__proto__",
    "/data/__proto__/financial_accounts",
    "/data/finance/financial_accounts/constructor/x",
    "/data/finance/scenarios'--",
    "/data/realm/users",
    "/data/../health",
    "/api/v1/api/v1/health",
    "/docs/../openapi.json",
    "/docs/%2e%2e/page.py",
    "/docs/docs.html",
]


@pytest.mark.parametrize("path", ODD_PATHS)
async def test_a_path_has_one_spelling(app: ASGIApp, token: str, path: str) -> None:
    sent, _ = await _hand_over(app, raw_scope("GET", path, token), b"")
    assert sent[0]["status"] == 404
    assert json.loads(sent[1]["body"])["code"] == "no_such_path"


async def _hand_over(
    app: ASGIApp, scope: dict[str, Any], chunk: bytes, *, chunks: int = 1
) -> tuple[list[Any], int]:
    """Offer a body of so many chunks; returns what was sent, and how many chunks were taken."""
    taken = 0
    sent: list[Any] = []

    async def receive() -> Any:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": chunk, "more_body": taken < chunks}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent, taken


# -- sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "most"), [(ACCOUNTS, 2), ("/auth/login", 1), ("/api/v1/auth/register", 1)])
async def test_a_long_body_is_refused_while_it_comes_in(
    app: ASGIApp, token: str, path: str, most: int
) -> None:
    scope = raw_scope("POST", path, token, (b"transfer-encoding", b"chunked"))
    sent, taken = await _hand_over(app, scope, b"x" * MIB, chunks=10)
    assert sent[0]["status"] == 413
    assert taken <= most
    assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.parametrize("path", [ACCOUNTS, "/auth/login", "/nowhere"])
@pytest.mark.parametrize("length", [b"10485761", b"9" * 40])
async def test_a_body_that_says_that_it_is_long_is_not_read_at_all(
    app: ASGIApp, token: str, path: str, length: bytes
) -> None:
    scope = raw_scope("POST", path, token, (b"content-length", length))
    sent, taken = await _hand_over(app, scope, b"x" * MIB, chunks=10)
    assert sent[0]["status"] == 413
    assert taken == 0
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_who_is_not_known_sends_no_body(app: ASGIApp) -> None:
    scope = raw_scope("POST", ACCOUNTS, "nobody", (b"transfer-encoding", b"chunked"))
    sent, taken = await _hand_over(app, scope, b"x" * MIB, chunks=10)
    assert (sent[0]["status"], taken) == (401, 0)
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_a_body_of_just_the_limit_is_read(ada: httpx.AsyncClient) -> None:
    body = _row(b'"' + b"n" * 255 + b'"').ljust(MIB)
    assert (await ada.post(ACCOUNTS, content=body, headers=JSON)).status_code == 201
    _refused(await ada.post(ACCOUNTS, content=body + b" ", headers=JSON), 413)


async def test_a_row_over_its_limit_is_refused(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(ACCOUNTS, json=account(metadata={"text": "x" * 400_001}))
    assert _refused(answer, 413)["code"] == "too_large"


@pytest.mark.parametrize("path", [ACCOUNTS, "/auth/login"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    deployment: Deployment, token: str, path: str
) -> None:
    sent: list[Any] = []
    parts = iter([0, 10])

    async def receive() -> Any:
        await asyncio.sleep(next(parts))
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    await app_of(deployment, body_seconds=0.01)(raw_scope("POST", path, token), receive, send)
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("path", [ACCOUNTS, "/auth/login"])
async def test_a_client_that_goes_away_is_no_incident(app: ASGIApp, token: str, path: str) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    await app(raw_scope("POST", path, token), receive, send)
