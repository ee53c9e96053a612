"""Commands on the embedded store: people, tenants, verification, statements."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment

STATEMENTS = Path(__file__).parent.parent / "data" / "statements"


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with new_deployment() as made:
        with made.up():
            pass
        yield made


def test_those_who_begin_at_once_agree() -> None:
    with new_deployment() as fresh:
        processes = [
            subprocess.Popen(
                [*HOLDFAST, "migrate", "up"],
                cwd=fresh.folder,
                env=fresh.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
        assert fresh.json("status")["findings"] == []
        assert fresh.postgres() is None


def test_people_tenants_and_members(deployment: Deployment) -> None:
    deployment.json("users", "add", "ada@example.com", "--name", "Ada")
    acme = deployment.json("tenants", "add", "Acme Ltd", "--owner", "ada@example.com")
    assert (
        deployment.run("members", "add", acme["slug"], "demo@example.com", "--role", "viewer").returncode == 0
    )
    members = deployment.json("members", "list", acme["id"])
    assert [(member["email"], member["role"]) for member in members] == [
        ("ada@example.com", "owner"),
        ("demo@example.com", "viewer"),
    ]
    assert acme["slug"] in {tenant["slug"] for tenant in deployment.json("tenants", "list")}
    assert acme["slug"] in deployment.run("status").stdout
    again = deployment.run("users", "add", "ada@example.com")
    assert (again.returncode, again.stderr.splitlines()[-1][:11]) == (1, "[duplicate]")


def test_verify_passes_and_says_what_it_did_not_check(deployment: Deployment) -> None:
    before = {tenant["id"] for tenant in deployment.json("tenants", "list")}
    found = deployment.json("verify")
    assert found["ok"]
    outcomes = {check["name"]: check["outcome"] for check in found["checks"]}
    assert outcomes.pop("api") == "not checked"
    assert set(outcomes.values()) == {"passed"}
    assert {tenant["id"] for tenant in deployment.json("tenants", "list")} == before


def test_verify_tries_the_server_that_runs(deployment: Deployment) -> None:
    with deployment.up():
        done = deployment.run("verify")
        assert done.returncode == 0
        assert "14 passed, 0 failed, 0 not checked" in done.stdout


def test_a_statement_is_imported_once(deployment: Deployment) -> None:
    file = str(STATEMENTS / "au_card.ofx")
    planned = deployment.json("finance", "import", file, "--account", "Card", "--dry-run")
    assert planned["added"] == 3
    assert planned["account"]["made"]
    first = deployment.json("finance", "import", file, "--account", "Card")
    assert (first["added"], first["already_there"]) == (3, 0)
    with deployment.up() as up, deployment.login(up.url) as client:
        again = deployment.json("finance", "import", file, "--account", "Card")
        assert (again["added"], again["already_there"]) == (0, 3)
        where = {"account_id": first["account"]["id"]}
        assert len(client.get("/financial/transactions", params=where).json()["items"]) == 3
    shown = deployment.run("finance", "import", file, "--account", "Other", "--dry-run")
    assert "DENTIST <BALANCE DUE" in shown.stdout
    assert "3 would be added, 0 already there" in shown.stdout


def test_a_statement_that_cannot_be_read_is_refused_without_its_content(deployment: Deployment) -> None:
    file = deployment.folder / "strange.csv"
    file.write_text("Ping,Pong\nsecret-payee,1\n")
    refused = deployment.run("finance", "import", str(file), "--account", "Card")
    assert refused.returncode == 1
    assert refused.stderr.startswith("[unknown_csv]")
    assert "secret-payee" not in refused.stderr
