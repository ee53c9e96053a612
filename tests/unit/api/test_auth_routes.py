"""Registration, sign-in, refresh, switch and sign-out over HTTP, on real accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api_platform import PASSWORD, Deployment, account, app_of, client_of
from tests.unit.api.scenario import Scenario, assert_problem, play

ADA = {"email": "ada@example.com", "password": PASSWORD}
NEW = {"email": "nina@example.com", "name": "Nina", "password": "a long enough sentence"}
NOBODY = "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d"


def _bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture
async def newcomer() -> AsyncIterator[tuple[httpx.AsyncClient, Deployment]]:
    """A client of a development store."""
    deployment = Deployment(development=True)
    async with client_of(app_of(deployment)) as client:
        yield client, deployment
    await deployment.aclose()


@pytest.mark.parametrize("root", ["", "/api/v1"])
async def test_a_person_signs_in_and_works(anyone: httpx.AsyncClient, root: str) -> None:
    answer = await anyone.post(f"{root}/auth/login", json=ADA)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in", "tenant"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 86_400)
    assert (tokens["tenant"]["personal"], tokens["tenant"]["role"]) == (True, "owner")
    made = await anyone.post("/financial/accounts", json=account(), headers=_bearer(tokens))
    assert made.status_code == 201


async def test_registration_answers_alike_whether_or_not_the_address_is_known(
    anyone: httpx.AsyncClient, deployment: Deployment
) -> None:
    known = await anyone.post("/auth/register", json={**NEW, "email": "ada@example.com"})
    unknown = await anyone.post("/auth/register", json=NEW)
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert unknown.status_code == 202
    assert known.headers.keys() == unknown.headers.keys()
    assert [mail.to for mail in deployment.outbox.mails] == ["ada@example.com", "nina@example.com"]
    login = {"email": NEW["email"], "password": NEW["password"]}
    assert (await anyone.post("/auth/login", json=login)).status_code == 401
    token = deployment.outbox.last_token()
    verified = await anyone.post("/auth/verify", json={"token": token})
    assert (verified.status_code, verified.content) == (204, b"")
    assert (await anyone.post("/auth/login", json=login)).status_code == 200


async def test_a_development_store_signs_a_new_person_in_at_once(
    newcomer: tuple[httpx.AsyncClient, Deployment],
) -> None:
    client, _ = newcomer
    answer = await client.post("/auth/register", json=NEW)
    assert answer.status_code == 201
    assert (await client.get("/financial/accounts", headers=_bearer(answer.json()))).status_code == 200
    again = await client.post("/auth/register", json=NEW)
    assert again.status_code == 202
    assert "access_token" not in again.text


REFUSED = [
    Scenario("wrong password", "POST", "/auth/login", 401, json={**ADA, "password": "wrong"}, code="not_authenticated"),
    Scenario("unknown person", "POST", "/auth/login", 401, json={**ADA, "email": "nobody@example.com"}, code="not_authenticated"),
    Scenario("no address", "POST", "/auth/login", 422, json={**ADA, "email": "nobody"}, code="invalid_input"),
    Scenario("unknown tenant", "POST", "/auth/login", 403, json={**ADA, "tenant": NOBODY}, code="forbidden"),
    Scenario("missing fields", "POST", "/auth/login", 422, json={}, fields=frozenset({"email", "password"})),
    Scenario("unknown field", "POST", "/auth/login", 422, json={**ADA, "role": "owner"}, fields=frozenset({"role"})),
    Scenario("short password", "POST", "/auth/register", 422, json={**NEW, "password": "short"}, code="invalid_input"),
    Scenario("malformed address", "POST", "/auth/register", 422, json={**NEW, "email": "nina@@example"}, code="invalid_input"),
    Scenario("empty name", "POST", "/auth/register", 422, json={**NEW, "name": ""}, fields=frozenset({"name"})),
    Scenario("refresh with nothing", "POST", "/auth/refresh", 401, json={"refresh_token": "x"}, code="not_authenticated"),
    Scenario("verify with nothing", "POST", "/auth/verify", 422, json={"token": "x"}, code="invalid_input"),
    Scenario("logout unknown", "POST", "/auth/logout", 401, code="not_authenticated"),
    Scenario("switch unknown", "POST", "/auth/switch", 401, json={"tenant": NOBODY}, code="not_authenticated"),
    Scenario("get a login", "GET", "/auth/login", 405, code="method_not_allowed"),
]  # fmt: skip


@pytest.mark.parametrize("scenario", REFUSED, ids=str)
async def test_refusals(anyone: httpx.AsyncClient, scenario: Scenario) -> None:
    await play(anyone, scenario)


async def test_a_wrong_password_and_an_unknown_address_are_told_alike(anyone: httpx.AsyncClient) -> None:
    wrong, unknown = [
        await anyone.post("/auth/login", json=body)
        for body in ({**ADA, "password": "wrong"}, {**ADA, "email": "nobody@example.com"})
    ]
    assert wrong.json() == unknown.json()
    assert wrong.headers.keys() == unknown.headers.keys()


async def test_an_account_under_attack_is_locked_and_says_when_to_come_back(
    anyone: httpx.AsyncClient,
) -> None:
    answers = [await anyone.post("/auth/login", json={**ADA, "password": "wrong"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert_problem(answers[-1], code="rate_limited")


async def test_a_refresh_token_rotates_and_a_copy_ends_the_session(anyone: httpx.AsyncClient) -> None:
    first = (await anyone.post("/auth/login", json=ADA)).json()
    tokens = first
    for _ in range(2):
        answer = await anyone.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] != tokens["refresh_token"]
        tokens = answer.json()
    assert (await anyone.get("/auth/tenants", headers=_bearer(tokens))).status_code == 200
    copy = await anyone.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert copy.status_code == 401
    for each in (first, tokens):
        assert (await anyone.get("/auth/tenants", headers=_bearer(each))).status_code == 401
    last = await anyone.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert last.status_code == 401


async def test_signing_out_ends_the_session_at_once(anyone: httpx.AsyncClient) -> None:
    tokens = (await anyone.post("/auth/login", json=ADA)).json()
    other = (await anyone.post("/auth/login", json=ADA)).json()
    out = await anyone.post("/auth/logout", headers=_bearer(tokens))
    assert (out.status_code, out.content) == (204, b"")
    assert (await anyone.get("/financial/accounts", headers=_bearer(tokens))).status_code == 401
    refresh = await anyone.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refresh.status_code == 401
    assert (await anyone.get("/financial/accounts", headers=_bearer(other))).status_code == 200


async def test_a_token_is_for_one_tenant_and_can_be_switched(anyone: httpx.AsyncClient) -> None:
    tokens = (await anyone.post("/auth/login", json=ADA)).json()
    tenants = (await anyone.get("/auth/tenants", headers=_bearer(tokens))).json()["items"]
    assert [tenant["personal"] for tenant in tenants] == [True, False]
    assert tenants[0] == tokens["tenant"]
    other = tenants[1]
    await anyone.post("/financial/accounts", json=account(), headers=_bearer(tokens))
    for name in (other["id"], other["slug"]):
        switched = await anyone.post("/auth/switch", json={"tenant": name}, headers=_bearer(tokens))
        assert switched.status_code == 200
        assert switched.json()["tenant"] == other
        # The session's own refresh token goes on, and is not handed out again.
        assert "refresh_token" not in switched.json()
        rows = await anyone.get("/financial/accounts", headers=_bearer(switched.json()))
        assert rows.json()["items"] == []
    direct = await anyone.post("/auth/login", json={**ADA, "tenant": other["slug"]})
    assert direct.json()["tenant"] == other


async def test_nobody_enters_a_tenant_that_is_not_theirs(
    eve: httpx.AsyncClient, deployment: Deployment
) -> None:
    tenant = str(deployment.people["ada"].tenant_id)
    theirs = await eve.post("/auth/switch", json={"tenant": tenant})
    nowhere = await eve.post("/auth/switch", json={"tenant": NOBODY})
    assert theirs.status_code == nowhere.status_code == 403
    assert theirs.json() == nowhere.json()


async def test_the_device_of_a_login_goes_into_the_log_of_changes(
    anyone: httpx.AsyncClient, deployment: Deployment
) -> None:
    phone = {"x-holdfast-device": "Ada's phone"}
    tokens = (await anyone.post("/auth/login", json=ADA, headers=phone)).json()
    await anyone.post("/financial/accounts", json=account(), headers=_bearer(tokens))
    (change,) = [change for changes in deployment.engine.data.changes.values() for change in changes]
    assert change.device == "Ada's phone"
    wrong = await anyone.post("/auth/login", json=ADA, headers={"x-holdfast-device": "x" * 65})
    assert_problem(wrong, code="malformed_request")
