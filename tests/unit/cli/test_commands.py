"""The command line: results on standard output, errors as code, message and hint, and exit codes that mean something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.runtime.settings import declared_settings
from tests.unit.cli.conftest import Run

SECRET = "hunter2-very-secret"


def test_an_error_is_code_message_and_hint_without_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_PORT", "eighty")
    result = run("settings")
    assert result.exit_code == 1
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    wrong = "HOLDFAST_PORT is not a whole number from 0 to 65535."
    assert first == f"[configuration_error] {wrong} (HOLDFAST_PORT from the environment)"
    assert second == "  Hint: The port that the server listens on; 0 takes one that is free."


def test_debug_shows_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_PORT", "eighty")
    assert isinstance(run("--debug", "settings").exception, ConfigurationError)


@pytest.mark.parametrize("arguments", [("nosuch",), ("stop", "--nosuch"), ("users", "add")])
def test_wrong_usage_ends_with_two(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_settings_lists_all_with_their_source_and_no_password(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:{SECRET}@host/db")
    (home / ".env").write_text("HOLDFAST_PORT=8001\n")
    result = run("settings", "--json")
    rows = {row["variable"]: row for row in json.loads(result.stdout)}
    assert set(rows) == {setting.variable for setting in declared_settings()}
    assert rows["HOLDFAST_PORT"]["value"] == "8001"
    assert rows["HOLDFAST_PORT"]["source"] == ".env, line 1"
    assert rows["HOLDFAST_HOST"]["source"] == "default"
    assert rows["DATABASE_URL"]["value"] == "postgresql://me@host/db"
    assert SECRET not in result.output + run("settings").output


def test_a_misspelt_variable_is_mentioned(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_PROT", "1")
    assert "HOLDFAST_PROT is set and is no setting" in run("settings").stderr


def test_version_is_one_line_or_json(run: Run) -> None:
    versions = json.loads(run("version", "--json").stdout)
    assert run("version").stdout == f"Holdfast {versions['holdfast']}, Python {versions['python']}\n"


def test_help_names_every_verb_and_the_packs(run: Run) -> None:
    text = run("--help").stdout
    for verb in (
        "up",
        "stop",
        "status",
        "verify",
        "logs",
        "migrate",
        "users",
        "tenants",
        "members",
        "finance",
    ):
        assert f" {verb} " in text


def test_help_stands_when_the_settings_are_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_PACKS", "nosuch")
    result = run("--help")
    assert result.exit_code == 0
    assert " status " in result.stdout
    finance = run("finance", "import")
    assert finance.exit_code == 1
    assert "There is no such pack." in finance.stderr


def test_status_of_a_store_that_forgets(run: Run) -> None:
    found = json.loads(run("status", "--json").stdout)
    assert found["server"] is None
    assert found["database"]["engine"] == "memory"
    assert found["database"]["isolation"] == "library"
    assert found["health"]["status"] == "ok"
    assert found["migrations"]["pending"] == []
    assert {table["state"] for table in found["tables"]} == {"as declared"}
    assert found["tenants"] == {"shown": [], "more": False}
    assert "finance.financial_accounts" in run("status").stdout


def test_a_deployment_that_demands_more_isolation_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_REQUIRE_ISOLATION", "database")
    result = run("status")
    assert result.exit_code == 1
    assert result.stderr.startswith("[isolation_too_weak] memory isolates tenants by library")


def test_a_user_is_added_with_a_password_that_is_shown_once(run: Run) -> None:
    added = json.loads(run("users", "add", "ada@example.com", "--name", "Ada", "--json").stdout)
    assert set(added) == {"user", "tenant", "password"}


def test_a_password_may_come_on_standard_input(run: Run) -> None:
    result = run(
        "users", "add", "ada@example.com", "--password-stdin", "--json", text="correct horse battery\n"
    )
    assert set(json.loads(result.stdout)) == {"user", "tenant"}
    assert "correct horse" not in result.output
    refused = run("users", "add", "ada@example.com", "--password-stdin", text="")
    assert refused.exit_code == 1
    weak = run("users", "add", "ada@example.com", "--password-stdin", text="password\n")
    assert weak.exit_code == 1
    assert "password" in weak.stderr


def test_a_tenant_needs_an_owner_who_is_known(run: Run) -> None:
    result = run("tenants", "add", "Acme", "--owner", "nobody@example.com")
    assert result.exit_code == 1
    assert result.stderr.startswith("[not_found]")
    assert "nobody@" not in result.stderr
    assert json.loads(run("tenants", "list", "--json").stdout) == []


def test_members_of_a_tenant_that_is_not_there(run: Run) -> None:
    assert run("members", "list", "acme").stderr.startswith("[not_found]")
    assert run("members", "add", "acme", "ada@example.com", "--role", "king").exit_code == 2


def test_migrations_of_a_store_that_forgets_are_applied(run: Run) -> None:
    entries = json.loads(run("migrate", "status", "--json").stdout)
    assert {entry["state"] for entry in entries} == {"applied"}
    assert {entry["branch"] for entry in entries} >= {"core", "finance", "realm"}
    assert run("migrate", "roles").stderr.startswith("[configuration_error] Only PostgreSQL has roles.")


def test_nothing_runs_and_there_is_no_log(run: Run, home: Path) -> None:
    assert run("stop").stdout == "Nothing was running.\n"
    assert run("logs").stderr.startswith("[not_found] There is no log yet.")
    assert not (home / "home").exists()


def test_logs_shows_the_end(run: Run, home: Path) -> None:
    (home / "home").mkdir(mode=0o700)
    (home / "home" / "server.log").write_text("".join(f"line {number}\n" for number in range(100)))
    assert run("logs", "-n", "2").stdout == "line 98\nline 99\n"
    assert run("logs", "-n", "0").stdout == ""


def test_without_a_store_a_command_says_how_to_get_one(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    for arguments in (("status",), ("users", "add", "a@example.com"), ("migrate", "status")):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("[not_found] There is no store here yet.")
        assert "`holdfast up` makes one" in result.stderr
    assert not (home / "home").exists()


def test_status_shows_the_applications_tables_first(run: Run) -> None:
    packs = [
        table["name"].partition(".")[0] for table in json.loads(run("status", "--json").stdout)["tables"]
    ]
    assert packs[0] == "finance"
    assert "finance" not in packs[packs.index("realm") :]
