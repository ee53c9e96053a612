"""A database of one's own: roles made or printed, served with the runtime's login alone, on each version."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer
from tests.acceptance.deployment import Deployment, new_deployment


@pytest.fixture
def database(postgres_server: EmbeddedServer) -> str:
    """The administrator's URL of a new, empty database."""
    name = f"shop_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    return urlunsplit(urlsplit(postgres_server.admin_url)._replace(path=f"/{name}"))


@pytest.fixture
def deployment(database: str) -> Iterator[Deployment]:
    with new_deployment(DATABASE_ADMIN_URL=database) as made:
        yield made


def runtime_url(deployment: Deployment, admin: str) -> str:
    """The login that Holdfast has made for serving."""
    password = json.loads((deployment.home / "database.json").read_text())["runtime"]
    parts = urlsplit(admin)
    name = parts.path.strip("/")
    return urlunsplit(parts._replace(netloc=f"{name}_runtime:{password}@{parts.netloc.rpartition('@')[2]}"))


def test_from_the_administrators_login_to_serving_with_the_runtimes(
    deployment: Deployment, database: str
) -> None:
    assert deployment.run("status").returncode == 1
    migrated = deployment.run("migrate", "up")
    assert migrated.returncode == 0, migrated.stderr
    assert "Applied finance_" in migrated.stdout
    assert deployment.run("migrate", "up").stdout == "Nothing is pending.\n"
    serving = Deployment(deployment.folder, {"DATABASE_URL": runtime_url(deployment, database)})
    with serving.up() as up:
        assert httpx.get(f"{up.url}/health", trust_env=False).json()["status"] == "ok"
        assert "auth/login" not in serving.out()
        added = serving.json("users", "add", "ada@example.com")
        login = {"email": "ada@example.com", "password": added["password"]}
        assert httpx.post(f"{up.url}/auth/login", json=login, trust_env=False).status_code == 200
        checks = {check["name"]: check for check in serving.json("verify")["checks"]}
        assert checks["api"]["outcome"] == "passed"
        assert up.end() == 0
    assert not (deployment.home / "postgres").exists()
    assert not (deployment.home / "demo.json").exists()


def test_up_alone_makes_everything_that_the_login_allows(deployment: Deployment) -> None:
    with deployment.up() as up:
        assert httpx.get(f"{up.url}/health", trust_env=False).json()["status"] == "ok"
        checks = deployment.json("verify")["checks"]
        assert {check["name"] for check in checks if check["outcome"] != "passed"} == set()
        assert up.end() == 0


def test_a_login_that_could_bypass_row_security_is_refused(deployment: Deployment, database: str) -> None:
    assert deployment.run("migrate", "up").returncode == 0
    powerful = Deployment(deployment.folder, {"DATABASE_URL": database})
    for command in (("up", "--port", "0"), ("status",)):
        refused = powerful.run(*command)
        assert refused.returncode == 1
        assert "could bypass row security" in refused.stderr


def test_pending_migrations_stop_a_server_that_may_not_apply_them(
    deployment: Deployment, database: str
) -> None:
    assert deployment.run("migrate", "roles").returncode == 0
    serving = Deployment(deployment.folder, {"DATABASE_URL": runtime_url(deployment, database)})
    refused = serving.run("up", "--port", "0")
    assert refused.returncode == 1
    assert refused.stderr.startswith("[migrations_pending]")
    assert "holdfast migrate up" in refused.stderr
    assert serving.run("migrate", "status").returncode == 1


def test_an_administrator_may_run_what_is_printed(deployment: Deployment, database: str) -> None:
    printed = deployment.run("migrate", "roles", "--sql")
    assert printed.returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(printed.stdout.encode())
    with psycopg.connect(runtime_url(deployment, database)) as connection:
        answer = connection.execute(
            "select rolsuper, rolbypassrls from pg_roles where rolname = current_user"
        )
        assert answer.fetchone() == (False, False)


def test_another_home_is_told_where_the_logins_are(
    deployment: Deployment, database: str, tmp_path: Path
) -> None:
    assert deployment.run("migrate", "up").returncode == 0
    url = runtime_url(deployment, database)
    other = Deployment(tmp_path, {"DATABASE_URL": url})
    refused = other.run("users", "add", "ada@example.com")
    assert refused.returncode == 1
    assert "database.json" in refused.stderr
    assert not (other.home / "database.json").exists()
    (other.home).mkdir(mode=0o700, exist_ok=True)
    shutil.copy(deployment.home / "database.json", other.home / "database.json")
    assert other.run("users", "add", "ada@example.com").returncode == 0


def test_no_output_holds_a_password(deployment: Deployment, database: str) -> None:
    password = urlsplit(database).password
    assert password is not None
    wrong = Deployment(deployment.folder, {"DATABASE_URL": database.replace(password, "x" + password)})
    for where in (deployment, wrong):
        for command in (("settings",), ("status",), ("--debug", "status"), ("migrate", "up")):
            done = where.run(*command)
            assert password not in done.stdout + done.stderr


def test_verify_finds_a_wall_that_somebody_has_opened(deployment: Deployment, database: str) -> None:
    assert deployment.run("migrate", "up").returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("alter table finance.financial_accounts disable row level security")
    done = deployment.run("verify", "--json")
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    failed = {name for name, check in checks.items() if check["outcome"] == "failed"}
    # The statements name their tenant and their owner besides: what is asked bare is the policies' alone.
    assert failed >= {"schema", "isolation of tenants", "isolation of owners"}
    assert "row security is not enabled" in checks["schema"]["evidence"]
    for name in ("isolation of tenants", "isolation of owners"):
        assert (
            "finance.financial_accounts: the database itself shows a stranger the row"
            in checks[name]["evidence"]
        )
    assert checks["nothing left behind"]["outcome"] == "passed"


def test_verify_leaves_one_line_in_the_realms_log(deployment: Deployment, database: str) -> None:
    assert deployment.run("migrate", "up").returncode == 0
    assert deployment.run("verify").returncode == 0
    with psycopg.connect(database) as connection:
        events = connection.execute("select event from realm.realm_log").fetchall()
        assert events == [("deployment_verified",)]
        for table in (
            "realm.users",
            "realm.tenants",
            "realm.sessions",
            "realm.login_failures",
            "holdfast.changes",
        ):
            assert connection.execute(f"select count(*) from {table}").fetchone() == (0,), table
