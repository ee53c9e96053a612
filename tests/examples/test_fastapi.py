"""Holdfast in somebody's own FastAPI application, over HTTP and with a real login."""

from __future__ import annotations

import httpx
import pytest

from tests.acceptance.deployment import Deployment, new_deployment
from tests.examples.served import served

PASSWORD = "a long and quiet evening"


def registered(client: httpx.Client, email: str) -> dict[str, str]:
    """The header of somebody who has just registered."""
    person = {"email": email, "name": "Somebody", "password": PASSWORD}
    answer = client.post("/auth/register", json=person)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture(params=["memory://", None], ids=["memory", "embedded"])
def deployment(request: pytest.FixtureRequest) -> object:
    with new_deployment(**({"DATABASE_URL": request.param} if request.param else {})) as made:
        yield made


def test_holdfast_is_mounted_beside_a_route_of_the_applications(deployment: Deployment) -> None:
    with served(deployment, "fastapi_mount") as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/health").json()["status"] == "ok"
        ada, eve = registered(client, "ada@example.com"), registered(client, "eve@example.com")
        for title in ("b", "a"):
            made = client.post("/api/v1/data/notebook/notes", json={"title": title}, headers=ada)
            assert made.status_code == 201, made.text
        assert client.get("/titles", headers=ada).json() == ["a", "b"]
        assert client.get("/titles", headers=eve).json() == []
        pulled = client.post("/api/v1/sync/pull", json={}, headers=ada).json()
        assert len(pulled["changes"]["notes"]["updated"]) == 2
        refused = client.get("/titles")
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.json()["code"] == "not_authenticated"
        assert client.get("/titles", headers={"Authorization": "Bearer x"}).status_code == 401
        assert client.get("/api/v1/nowhere", headers=ada).json()["code"] == "no_such_path"
        assert "/titles" in client.get("/openapi.json").json()["paths"]
        assert "/api/v1/data/notebook/notes" in client.get("/api/v1/openapi.json").json()["paths"]


def test_the_store_and_the_login_are_used_alone() -> None:
    with new_deployment() as deployment, served(deployment, "fastapi_store") as url:
        for email in ("ada@example.com", "eve@example.com"):
            added = deployment.run("users", "add", email, "--password-stdin", text=PASSWORD)
            assert added.returncode == 0, added.stderr
        with httpx.Client(base_url=url, trust_env=False) as client:
            ada, eve = (_signed_in(client, name) for name in ("ada", "eve"))
            made = client.post("/notes", json={"title": "mine"}, headers=ada)
            assert made.status_code == 201, made.text
            assert client.get("/notes", headers=ada).json() == ["mine"]
            assert client.get("/notes", headers=eve).json() == []
            address = f"/notes/{made.json()['id']}"
            assert client.get(address, headers=ada).status_code == 200
            assert client.get(address, headers=eve).json()["code"] == "not_found"
            long = client.post("/notes", json={"title": "x" * 201}, headers=ada)
            assert long.status_code == 422
            assert client.get("/notes").json()["code"] == "not_authenticated"
            wrong = client.post("/token", json={"email": "ada@example.com", "password": "wrong"})
            assert (wrong.status_code, wrong.json()["code"]) == (401, "not_authenticated")
            assert client.get("/api/v1/data/notebook/notes", headers=ada).status_code == 404


def test_several_processes_serve_one_application() -> None:
    with new_deployment() as deployment:
        with served(deployment, "fastapi_store") as url:  # makes the store
            assert httpx.get(f"{url}/notes", trust_env=False).status_code == 401
        with served(deployment, "fastapi_store", "--workers", "2") as url:
            added = deployment.run("users", "add", "ada@example.com", "--password-stdin", text=PASSWORD)
            assert added.returncode == 0, added.stderr
            with httpx.Client(base_url=url, trust_env=False) as client:
                ada = _signed_in(client, "ada")
            for turn in range(12):  # each on a connection of its own, so that both take some
                made = httpx.post(f"{url}/notes", json={"title": f"{turn:02}"}, headers=ada, trust_env=False)
                assert made.status_code == 201, made.text
            titles = httpx.get(f"{url}/notes", headers=ada, trust_env=False).json()
            assert titles == [f"{turn:02}" for turn in range(12)]


def _signed_in(client: httpx.Client, name: str) -> dict[str, str]:
    answer = client.post("/token", json={"email": f"{name}@example.com", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
