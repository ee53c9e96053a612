"""How often one address may knock, and whose address it is."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from holdfast.api import ApiSettings
from holdfast.api.limits import client_key
from holdfast.identity.window import WindowPolicy
from tests.api_platform import Deployment, app_of
from tests.unit.api.scenario import assert_problem


def _client(app: ASGIApp, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 1)), base_url="http://api.test"
    )


async def test_an_address_that_knocks_too_often_waits_and_others_do_not(deployment: Deployment) -> None:
    app = app_of(deployment, auth_window=WindowPolicy(3, 900.0))
    async with _client(app, "192.0.2.1") as one, _client(app, "192.0.2.2") as other:
        paths = ["/auth/login", "/api/v1/auth/refresh", "/auth/nothing"]
        for number, path in enumerate(paths):
            forwarded = {"x-forwarded-for": f"198.51.100.{number}"}
            assert (await one.post(path, headers=forwarded)).status_code in {404, 422, 415}
        refused = await one.post("/auth/login")
        assert refused.status_code == 429
        assert_problem(refused, code="rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 900
        assert (await one.get("/health")).status_code == 200
        assert (await other.post("/auth/login")).status_code in {415, 422}


@pytest.mark.parametrize(
    ("client", "forwarded", "key"),
    [
        (("192.0.2.1", 1), None, "192.0.2.1"),
        (("192.0.2.1", 1), "198.51.100.1", "192.0.2.1"),
        (("10.0.0.1", 1), "198.51.100.1", "198.51.100.1"),
        (("10.0.0.1", 1), "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (("10.0.0.1", 1), "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (("10.0.0.1", 1), "spoofed", "10.0.0.1"),
        (("10.0.0.1", 1), "198.51.100.1, spoofed", "10.0.0.1"),
        (("10.0.0.1", 1), "", "10.0.0.1"),
        (("10.0.0.1", 1), "10.0.0.3", "10.0.0.3"),
        (("2001:db8:1:2:3::4", 1), None, "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.1", 1), None, "192.0.2.1"),
        (("testclient", 1), None, "unknown"),
        (None, "198.51.100.1", "unknown"),
    ],
)
def test_whose_address_is_counted(client: Any, forwarded: str | None, key: str) -> None:
    settings = ApiSettings(trusted_proxies=(ip_network("10.0.0.0/8"),))
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded.encode()}
    assert client_key({"client": client}, headers, settings) == key


def test_nobody_is_believed_by_default() -> None:
    headers = {b"x-forwarded-for": b"198.51.100.1"}
    assert client_key({"client": ("127.0.0.1", 1)}, headers, ApiSettings()) == "127.0.0.1"
