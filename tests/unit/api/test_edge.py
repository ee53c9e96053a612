"""What every answer carries, whatever it answers: headers, ids, methods, origins, the access log, incidents."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from holdfast import Pack
from holdfast.errors import ConfigurationError, Duplicate
from tests.api_platform import CANARY, LAB, Deployment, account, app_of, client_of
from tests.unit.api.scenario import Scenario, assert_problem, play

SECURITY = {
    "content-security-policy": "default-src 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/financial/accounts", 200),
        ("GET", "/financial/accounts/0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d", 404),
        ("OPTIONS", "/financial/accounts", 204),
        ("PUT", "/financial/accounts", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/auth/login", 405),
        ("POST", "/auth/login", 422),
        ("GET", "/health", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
    ],
)
async def test_every_answer_carries_the_security_headers(
    ada: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await ada.request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert answer.headers["x-request-id"]
    assert len(answer.headers.get_list("cache-control")) == 1


@pytest.mark.parametrize("path", ["/financial/accounts", "/auth/tenants", "/nowhere", "/health"])
async def test_private_answers_are_not_to_be_kept(ada: httpx.AsyncClient, path: str) -> None:
    assert (await ada.get(path)).headers["cache-control"] == "no-store"


METHODS = [
    Scenario("of a collection", "TRACE", "/financial/accounts", 405, code="method_not_allowed"),
    Scenario("of a collection, delete", "DELETE", "/financial/accounts", 405),
    Scenario("unknown method", "BREW", "/financial/accounts", 405),
    Scenario("of a framework path", "PUT", "/api/v1/auth/login", 405, code="method_not_allowed"),
    Scenario("unknown path", "GET", "/api/v2/data/finance/financial_accounts", 404, code="no_such_path"),
    Scenario("trailing slash", "GET", "/auth/login/", 404, code="no_such_path"),
    Scenario("root", "GET", "/", 404, code="no_such_path"),
]


@pytest.mark.parametrize("scenario", METHODS, ids=str)
async def test_methods_and_paths_that_are_not(ada: httpx.AsyncClient, scenario: Scenario) -> None:
    answer = await play(ada, scenario)
    assert ("allow" in answer.headers) == (scenario.status == 405)


async def test_options_tells_what_may_be_done(ada: httpx.AsyncClient) -> None:
    collection = await ada.options("/financial/accounts")
    assert collection.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    item = await ada.options("/financial/accounts/0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d")
    assert item.headers["allow"] == "GET, HEAD, PATCH, DELETE, OPTIONS"


async def test_a_request_id_comes_back_and_one_that_is_none_is_replaced(ada: httpx.AsyncClient) -> None:
    given = await ada.get("/health", headers={"x-request-id": "trace-01.A_b"})
    assert given.headers.get_list("x-request-id") == ["trace-01.A_b"]
    for wrong in ("", "a b", "x" * 65, "<script>", "é"):
        answer = await ada.get("/financial/accounts", headers={b"x-request-id": wrong.encode("latin-1")})
        (made,) = answer.headers.get_list("x-request-id")
        assert made != wrong
        assert len(made) == 24


# -- who calls ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (None, 'Bearer realm="holdfast"'),
        ("Bearer nobody", 'Bearer realm="holdfast", error="invalid_token"'),
        ("Basic YWRhOmFkYQ==", 'Bearer realm="holdfast", error="invalid_token"'),
        ("{token}", 'Bearer realm="holdfast", error="invalid_token"'),
        ("Bearer", 'Bearer realm="holdfast", error="invalid_token"'),
        ("Bearer  {token}", 'Bearer realm="holdfast", error="invalid_token"'),
        ("Bearer " + "a" * 5000, 'Bearer realm="holdfast", error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("path", ["/financial/accounts", "/auth/tenants"])
async def test_who_shows_no_good_token_is_asked_for_one(
    anyone: httpx.AsyncClient, deployment: Deployment, path: str, header: str | None, challenge: str
) -> None:
    sent = {} if header is None else {"authorization": header.replace("{token}", deployment.tokens["ada"])}
    answer = await anyone.get(path, headers=sent)
    assert answer.status_code == 401
    assert_problem(answer, code="not_authenticated")
    assert answer.headers["www-authenticate"] == challenge


async def test_the_scheme_is_read_in_any_case(anyone: httpx.AsyncClient, deployment: Deployment) -> None:
    headers = {"authorization": f"bEARER {deployment.tokens['ada']}"}
    answer = await anyone.get("/financial/accounts", headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("device", ["", " x", "d" * 65, "tab\t", "é", "a\x7f"])
async def test_a_device_is_named_in_printable_ascii(ada: httpx.AsyncClient, device: str) -> None:
    headers = {b"x-holdfast-device": device.encode("latin-1")}
    answer = await ada.post("/financial/accounts", json=account(), headers=headers)
    assert answer.status_code == 400
    assert_problem(answer, code="malformed_request")


@pytest.mark.parametrize(
    "name", ["authorization", "x-holdfast-device", "x-holdfast-scope", "content-type", "x-request-id"]
)
@pytest.mark.parametrize("path", ["/financial/accounts", "/auth/tenants"])
async def test_a_header_that_decides_something_is_sent_once(
    anyone: httpx.AsyncClient, deployment: Deployment, path: str, name: str
) -> None:
    ada, eve = (f"Bearer {deployment.tokens[each]}" for each in ("ada", "eve"))
    headers = [("authorization", ada), (name, ada), (name, eve)]
    answer = await anyone.get(path, headers=headers)
    assert answer.status_code == 400
    assert assert_problem(answer, code="malformed_request")["where"] == name


# -- origins ------------------------------------------------------------------------------------------------------

ORIGIN = "https://app.example"


@pytest.fixture
async def page(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(
        app_of(deployment, cors_origins=frozenset({ORIGIN})), deployment.tokens["ada"]
    ) as client:
        yield client


async def test_no_origin_is_allowed_by_default(ada: httpx.AsyncClient) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await ada.request(
            method, "/financial/accounts", headers={"origin": ORIGIN, "access-control-request-method": "GET"}
        )
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_listed_origin_may_call_and_read_what_it_needs(page: httpx.AsyncClient) -> None:
    for path in ("/financial/accounts", "/auth/tenants", "/nowhere"):
        answer = await page.get(path, headers={"origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "Origin"
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null", "*", ""],
)
async def test_another_origin_is_not_named(page: httpx.AsyncClient, origin: str) -> None:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    for method in ("GET", "OPTIONS"):
        answer = await page.request(method, "/financial/accounts", headers=headers)
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-methods" not in answer.headers
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("path", ["/financial/accounts", "/auth/login", "/nowhere"])
async def test_a_preflight_needs_no_token(page: httpx.AsyncClient, path: str) -> None:
    headers = {
        "origin": ORIGIN,
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization, if-match",
        "authorization": "",
    }
    answer = await page.options(path, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert {"Authorization", "If-Match"} <= set(answer.headers["access-control-allow-headers"].split(", "))


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://app.example/", "app.example", "https://*.example", "ftp://x"]
)
async def test_a_list_of_origins_names_origins(origin: str, deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError):
        app_of(deployment, cors_origins=frozenset({origin}))


# -- what nobody foresaw ------------------------------------------------------------------------------------------


def _broken_router() -> APIRouter:
    router = APIRouter(prefix="/broken")

    @router.get("/unforeseen")
    async def unforeseen() -> None:
        raise RuntimeError(f"holding {CANARY}") from ValueError(CANARY)

    @router.get("/foreseen")
    async def foreseen() -> None:
        raise Duplicate

    @router.get("/ours")
    async def ours() -> None:
        raise ConfigurationError(f"a setting is wrong: {CANARY}")

    @router.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, detail=CANARY)

    @router.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError(CANARY)

        return StreamingResponse(lines())

    @router.post("/reads")
    async def reads(request: Request) -> int:
        return len(await request.body())

    return router


@pytest.fixture
def broken() -> ASGIApp:
    pack = Pack("broken", (), routes=_broken_router)
    return app_of(Deployment(packs=(LAB, pack)), other_body=1_000)


@pytest.mark.parametrize("path", ["/broken/unforeseen", "/api/v1/broken/unforeseen", "/broken/ours"])
async def test_what_nobody_foresaw_is_an_incident_and_says_nothing(
    broken: ASGIApp, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    async with client_of(broken) as client:
        answer = await client.get(path)
    assert answer.status_code == 500
    assert set(assert_problem(answer, code="internal_error")) == {
        "type",
        "title",
        "status",
        "code",
        "incident",
    }
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    (record,) = [record for record in caplog.records if record.name == "holdfast.api"]
    assert answer.json()["incident"] in record.getMessage()
    assert "Error" in record.getMessage()
    assert "tests" in record.getMessage()
    assert CANARY not in caplog.text + answer.text


async def test_an_answer_that_breaks_off_is_an_incident_too(
    broken: ASGIApp, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(broken) as client:
        with contextlib.suppress(AssertionError):  # the test's transport insists on a whole answer
            await client.get("/broken/breaks-off")
    assert len([record for record in caplog.records if record.name == "holdfast.api"]) == 1
    assert CANARY not in caplog.text


async def test_a_fault_of_the_store_is_an_incident(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    deployment.engine.data.tables["finance.financial_accounts"] = None  # type: ignore[assignment]
    async with client_of(app_of(deployment), deployment.tokens["ada"]) as client:
        answer = await client.get("/financial/accounts")
    assert answer.status_code == 500
    assert answer.json()["incident"] in caplog.text


async def test_a_packs_own_errors_are_problems(broken: ASGIApp) -> None:
    async with client_of(broken) as client:
        foreseen, teapot = await client.get("/broken/foreseen"), await client.get("/broken/teapot")
    assert assert_problem(foreseen, code="duplicate")["status"] == 409
    assert assert_problem(teapot, code="http_418")["title"] == "I'm a Teapot"
    assert CANARY not in teapot.text


async def test_a_packs_bodies_are_bounded(broken: ASGIApp) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    async with client_of(broken) as client:
        assert (await client.post("/broken/reads", content=b"x" * 1_000)).json() == 1_000
        assert_problem(await client.post("/broken/reads", content=b"x" * 1_001), code="too_large")
        assert_problem(await client.post("/broken/reads", content=chunks()), code="too_large")


async def test_a_missing_table_says_that_migrations_are_pending(deployment: Deployment) -> None:
    del deployment.engine.data.tables["finance.financial_accounts"]
    async with client_of(app_of(deployment), deployment.tokens["ada"]) as client:
        answer = await client.get("/financial/accounts")
    assert answer.status_code == 503
    assert "migrate up" in assert_problem(answer, code="migrations_pending")["hint"]


async def test_a_busy_tenant_is_told_when_to_come_back() -> None:
    from holdfast.errors import Busy

    class BusyStore:
        def __init__(self, store: Any) -> None:
            self._store = store
            self.catalog = store.catalog

        async def read_bodies(self, *args: Any, **options: Any) -> Any:
            raise Busy("too much waits", retry_after=2.2)

    deployment = Deployment()
    await deployment.join("ada")
    deployment.store = BusyStore(deployment.store)  # type: ignore[assignment]
    async with client_of(app_of(deployment), deployment.tokens["ada"]) as client:
        answer = await client.get("/financial/accounts")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert assert_problem(answer, code="busy")["retry"] is True


# -- the access log -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "line"),
    [
        (
            "GET",
            f"/financial/accounts?account_type=loan&after={CANARY}",
            "GET /data/finance/financial_accounts 400",
        ),
        (
            "GET",
            "/financial/accounts/aBcDeFgHiJkLmNoP",
            "GET /data/finance/financial_accounts/{id} 404",
        ),
        ("GET", f"/{CANARY}", "GET (no route) 404"),
        ("GET", f"/data/finance/financial_accounts/{CANARY}", "GET (no route) 404"),
        (CANARY.upper(), "/financial/accounts", "(other) /data/finance/financial_accounts 405"),
        ("GET", f"/api/v1/health/live?x={CANARY}", "GET /health/live 200"),
    ],
)
async def test_a_line_of_the_access_log_names_the_route_and_no_value(
    ada: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, method: str, path: str, line: str
) -> None:
    with caplog.at_level(logging.INFO, "holdfast.access"):
        answer = await ada.request(method, path)
    (record,) = [record for record in caplog.records if record.name == "holdfast.access"]
    assert record.getMessage().startswith(f"{line} ")
    assert answer.headers["x-request-id"] in record.getMessage()
    assert CANARY not in caplog.text.lower()


async def test_the_access_log_can_be_left_away(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "holdfast.access"):
        async with client_of(app_of(deployment, access_log=False), deployment.tokens["ada"]) as client:
            await client.get("/financial/accounts")
    assert not [record for record in caplog.records if record.name == "holdfast.access"]


async def test_a_prefix_that_a_proxy_leaves_on_is_understood(deployment: Deployment) -> None:
    transport = httpx.ASGITransport(app_of(deployment), root_path="/holdfast")
    headers = {"authorization": f"Bearer {deployment.tokens['ada']}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as client:
        assert (await client.get("/holdfast/financial/accounts")).status_code == 200
        assert (await client.get("/holdfast/health")).status_code == 200
