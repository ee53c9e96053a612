"""Credentials of every wrong kind, at the fast routes and at the framework's: 401, in the same words, and no row."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.accounts.accounts import AUDIENCE, ISSUER
from holdfast.identity.signing import SigningKey
from holdfast.identity.tokens import begin_claims, issue
from holdfast.model.ids import new_id
from tests.api_platform import KEY, PASSWORD, Deployment, app_of, client_of, inhabited

PATHS = ["/financial/accounts", "/auth/tenants"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = inhabited()
    yield made
    await made.aclose()


@pytest.fixture
async def anyone(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(deployment)) as client:
        yield client


def _signed(deployment: Deployment, *, key: SigningKey = KEY, **changed: Any) -> str:
    """A token that says of Ada what her own says, but for what is changed."""
    ada = deployment.people["ada"]
    now = datetime.now(UTC)
    claims = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "user_id": ada.user_id,
        "tenant_id": ada.tenant_id,
        "session_id": ada.session_id,
        "token_id": new_id(),
        "epoch": _parts(deployment.tokens["ada"])[1]["epoch"],
        "methods": ("pwd",),
        "authenticated_at": changed.get("now", now),
        "now": now,
        **changed,
    }
    return issue(begin_claims(**claims), key=key)


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, body, signature = token.split(".")
    return _decoded(head), _decoded(body), signature


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _with_head(token: str, **changed: Any) -> str:
    head, body, signature = _parts(token)
    return f"{_encoded({**head, **changed})}.{_encoded(body)}.{signature}"


def _with_body(token: str, **changed: Any) -> str:
    head, body, signature = _parts(token)
    return f"{_encoded(head)}.{_encoded({**body, **changed})}.{signature}"


def _hs256(deployment: Deployment) -> str:
    """The public key used as a secret."""
    token = deployment.tokens["ada"]
    head, body, _ = _parts(token)
    secret = json.dumps(_encoded({"k": "x" * 32}))
    return jwt.encode(body, secret, algorithm="HS256", headers={"kid": head["kid"], "typ": head["typ"]})


def _other_es256(deployment: Deployment) -> str:
    head, body, _ = _parts(deployment.tokens["ada"])
    private = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(body, private, algorithm="ES256", headers={"kid": head["kid"], "typ": head["typ"]})


Forge = Callable[[Deployment], str]
FORGED: dict[str, Forge] = {
    "garbage": lambda d: "garbage",
    "dots": lambda d: "..",
    "empty signature": lambda d: d.tokens["ada"].rpartition(".")[0] + ".",
    "no signature": lambda d: d.tokens["ada"].rpartition(".")[0],
    "a changed signature": lambda d: d.tokens["ada"][:-8] + "AAAAAAAA",
    "another's signature": lambda d: (
        d.tokens["ada"].rpartition(".")[0] + "." + d.tokens["eve"].rpartition(".")[2]
    ),
    "alg none": lambda d: _with_head(d.tokens["ada"], alg="none"),
    "alg none, unsigned": lambda d: _with_head(d.tokens["ada"], alg="none").rpartition(".")[0] + ".",
    "alg HS256": _hs256,
    "alg ES384": lambda d: _with_head(d.tokens["ada"], alg="ES384"),
    "a key of one's own": _other_es256,
    "a key in the header": lambda d: _with_head(_other_es256(d), jwk={"kty": "EC"}),
    "another type": lambda d: _with_head(d.tokens["ada"], typ="JWT"),
    "another person": lambda d: _with_body(d.tokens["ada"], sub=str(d.people["eve"].user_id)),
    "another tenant, resigned": lambda d: _signed(d, tenant_id=d.people["eve"].tenant_id),
    "another person's session": lambda d: _signed(d, session_id=d.people["eve"].session_id),
    "another audience": lambda d: _signed(d, audience="somewhere-else"),
    "another issuer": lambda d: _signed(d, issuer="somebody-else"),
    "a session that never was": lambda d: _signed(d, session_id=new_id()),
    "a person who never was": lambda d: _signed(d, user_id=new_id()),
    "an old membership": lambda d: _signed(d, epoch=999),
    "from the future": lambda d: _signed(d, now=datetime.now(UTC) + timedelta(hours=1)),
    "an unknown key": lambda d: _signed(d, key=SigningKey.generate()),
    "very long": lambda d: "A" * 4_096,
    "longer than that": lambda d: "A" * 100_000,
    "two tokens": lambda d: d.tokens["ada"] + " " + d.tokens["ada"],
    "with a comma": lambda d: d.tokens["ada"] + "," + d.tokens["ada"],
    "with a space behind": lambda d: d.tokens["ada"] + " x",
    "in quotes": lambda d: f'"{d.tokens["ada"]}"',
    "percent": lambda d: d.tokens["ada"].replace(".", "%2e"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", FORGED)
async def test_a_token_that_does_not_hold(
    anyone: httpx.AsyncClient, deployment: Deployment, path: str, name: str
) -> None:
    token = FORGED[name](deployment)
    answer = await anyone.get(path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert len(token) < 8 or token not in answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_that_holds_is_what_the_forged_ones_are_made_of(
    anyone: httpx.AsyncClient, deployment: Deployment, path: str
) -> None:
    for token in (deployment.tokens["ada"], _signed(deployment)):
        answer = await anyone.get(path, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200


async def test_an_expired_token_says_so(anyone: httpx.AsyncClient, deployment: Deployment) -> None:
    token = _signed(deployment, now=datetime.now(UTC) - timedelta(hours=25))
    answer = await anyone.get("/financial/accounts", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert "/auth/refresh" in answer.json()["hint"]


async def test_tokens_are_not_interchangeable(anyone: httpx.AsyncClient) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}
    tokens = (await anyone.post("/auth/login", json=body)).json()
    as_access = await anyone.get(
        "/financial/accounts", headers={"authorization": f"Bearer {tokens['refresh_token']}"}
    )
    as_refresh = await anyone.post("/auth/refresh", json={"refresh_token": tokens["access_token"]})
    as_verification = await anyone.post("/auth/verify", json={"token": tokens["access_token"]})
    assert (as_access.status_code, as_refresh.status_code, as_verification.status_code) == (401, 401, 422)


@pytest.mark.parametrize("query", ["access_token", "token", "authorization"])
async def test_a_token_travels_in_the_header_alone(
    anyone: httpx.AsyncClient, deployment: Deployment, query: str
) -> None:
    token = deployment.tokens["ada"]
    assert (await anyone.get(f"/financial/accounts?{query}={token}")).status_code == 401
    assert (
        await anyone.get("/financial/accounts", headers={"cookie": f"{query}={token}"})
    ).status_code == 401


async def test_who_was_removed_from_a_tenant_is_refused(
    anyone: httpx.AsyncClient, deployment: Deployment
) -> None:
    headers = {"authorization": f"Bearer {deployment.tokens['ben']}"}
    assert (await anyone.get("/financial/accounts", headers=headers)).status_code == 200
    await deployment.accounts.remove_member(deployment.people["ben"].tenant_id, "ben@example.com")
    assert (await anyone.get("/financial/accounts", headers=headers)).status_code == 401
