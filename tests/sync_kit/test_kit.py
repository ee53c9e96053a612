"""The conformance kit: our own server keeps every rule, and each rule catches the mistake that it is for."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from holdfast.testing.sync.__main__ import main
from holdfast.testing.sync.kit import Bench, Result, Target, run_rules
from holdfast.testing.sync.rules import RULES, reference_page
from tests.api_platform import Deployment, app_of, inhabited
from tests.sync_kit.faulty import FAULTS, TABLE, TEMPLATE, Protocol, serving

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sync-conformance.md"
ONE = {"Authorization": "Bearer token-of-one"}
TWO = {"Authorization": "Bearer token-of-two"}


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return inhabited()


@pytest.fixture(scope="module")
def own_server(deployment: Deployment) -> Iterator[str]:
    """The root of sync on our own server, in a thread of its own."""
    config = uvicorn.Config(app_of(deployment), host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/api/v1/sync"
    server.should_exit = True
    thread.join()


def target_of(url: str, **changes: Any) -> Target:
    target = Target(
        pull=f"{url}/pull",
        push=f"{url}/push",
        table=TABLE,
        row=TEMPLATE,
        text="title",
        number="amount",
        headers=ONE,
        second=TWO,
        device_header="X-Device",
    )
    return replace(target, **changes)


def outcomes(results: list[Result], outcome: str) -> dict[str, str]:
    return {result.name: result.evidence for result in results if result.outcome == outcome}


# -- our own server


def run_main(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def by_outcome(report: Any, outcome: str) -> dict[str, str]:
    return {rule["name"]: rule["evidence"] for rule in report["rules"] if rule["outcome"] == outcome}


@pytest.mark.parametrize("extra", [(), ("--wrapped",)], ids=["bare", "wrapped"])
def test_our_own_server_keeps_every_rule(
    own_server: str, deployment: Deployment, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...]
) -> None:
    ada, eve = deployment.tokens["ada"], deployment.tokens["eve"]
    code, report = run_main(capsys, own_server, "--token", ada, "--second-token", eve, *extra)
    assert by_outcome(report, "failed") == {}
    assert by_outcome(report, "not checked") == {}
    assert len(by_outcome(report, "passed")) == len(RULES)
    assert report["left"] == []
    assert (code, report["ok"]) == (0, True)


@pytest.mark.parametrize(("one", "two"), [("ada", "ben"), ("ben", "ada")])
def test_a_colleague_of_the_same_tenant_is_another_user(
    own_server: str, deployment: Deployment, capsys: pytest.CaptureFixture[str], one: str, two: str
) -> None:
    users = ["--token", deployment.tokens[one], "--second-token", deployment.tokens[two]]
    code, report = run_main(capsys, own_server, *users, "--only", "pull_10,push_08_foreign")
    assert len(by_outcome(report, "passed")) == 2
    assert (code, report["left"]) == (0, [])


def test_devices_without_names_and_a_single_user(
    own_server: str, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run_main(capsys, own_server, "--token", deployment.tokens["ada"], "--device-header", "")
    assert by_outcome(report, "failed") == {}
    assert set(by_outcome(report, "not checked")) == {"pull_10", "push_08_foreign", "T5"}
    assert code == 0


# -- test the tests


@pytest.mark.parametrize("device_header", ["X-Device", None], ids=["devices", "nameless"])
@pytest.mark.parametrize("conflicts", ["merge", "abort"])
def test_a_server_without_faults_passes(conflicts: Any, device_header: str | None) -> None:
    with serving(Protocol(conflicts=conflicts)) as url:
        results = run_rules(Bench(target_of(url, device_header=device_header)), RULES)
    assert outcomes(results, "failed") == {}
    unseen = {"T7"} if conflicts == "abort" else set()
    assert set(outcomes(results, "not checked")) == unseen | (set() if device_header else {"T5"})


def test_one_address_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Protocol()) as url:
        options = command(
            "", "--pull", f"{url}/both", "--push", f"{url}/both", "--second-token", "token-of-two"
        )
        code, report = run_main(capsys, *options)
    assert (by_outcome(report, "failed"), by_outcome(report, "not checked")) == ({}, {})
    assert code == 0


def test_each_fault_is_caught() -> None:
    caught: dict[str, dict[str, str]] = {}
    for fault, name in FAULTS.items():
        with serving(Protocol(frozenset({fault}))) as url:
            chosen = [rule for rule in RULES if rule.name == name]
            caught[fault] = outcomes(run_rules(Bench(target_of(url)), chosen), "failed")
    missed = sorted(fault for fault, failed in caught.items() if not failed)
    lines = [f"{fault}: {next(iter(failed.items()), 'MISSED')}" for fault, failed in caught.items()]
    sys.stdout.write("\n  ".join([f"{len(FAULTS) - len(missed)} of {len(FAULTS)} faults caught", *lines, ""]))
    assert missed == []


@pytest.mark.parametrize(
    "answer",
    [
        [],
        None,
        {},
        {"changes": []},
        {"changes": {TABLE: []}, "timestamp": 5},
        {"changes": {TABLE: {"created": {}, "updated": "x", "deleted": 1}}, "timestamp": 5},
        {"changes": {TABLE: {"created": [], "updated": [1, None], "deleted": []}}, "timestamp": 5},
        {
            "changes": {TABLE: {"created": [], "updated": [{}, {"id": []}], "deleted": [None, {}]}},
            "timestamp": 5,
        },
        {"changes": {}, "timestamp": None},
        {"changes": {}, "timestamp": {"at": float("inf")}},
        {"changes": {}, "timestamp": 1e400},
    ],
)
def test_a_server_that_answers_nonsense_fails_and_breaks_nothing(answer: Any) -> None:
    class Nonsense(Protocol):
        def pull(self, caller: Any, asked: Any) -> Any:
            return answer

    with serving(Nonsense()) as url:
        results = run_rules(Bench(target_of(url)), RULES)
    assert len(results) == len(RULES)
    assert "pull_01" in outcomes(results, "failed")


def test_each_rule_has_a_fault_that_it_catches() -> None:
    assert {rule.name for rule in RULES} == set(FAULTS.values())


# -- the command


def test_a_failure_shows_what_was_sent_and_never_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Protocol(frozenset({"unknown_delete_fails"}))) as url:
        code = main(command(url, "--only", "push_04,t13"))
    out = capsys.readouterr().out
    assert code == 1
    assert "✗ push_04" in out
    assert "✓ T13" in out
    assert "sent: POST /push?last_pulled_at=" in out
    assert "came: 404" in out
    assert out.endswith("1 passed, 1 failed, 0 not checked\n")
    assert "token-of-one" not in out


def test_a_token_that_the_server_repeats_is_not_shown() -> None:
    class Talkative(Protocol):
        def pull(self, caller: Any, asked: Any) -> Any:
            return {"changes": [], "you are": ONE["Authorization"], "or": "token-of-one"}

    with serving(Talkative()) as url:
        results = run_rules(Bench(target_of(url)), RULES[:1])
    evidence = outcomes(results, "failed")["pull_01"]
    assert "you are" in evidence
    assert "token-of-one" not in evidence


def command(url: str, *more: str) -> list[str]:
    described = ["--table", TABLE, "--row", json.dumps(TEMPLATE), "--device-header", "X-Device"]
    return [url, "--token", "token-of-one", *described, *more]


def test_a_row_from_a_file_and_two_addresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "row.json"
    file.write_text(json.dumps(TEMPLATE))
    with serving(Protocol()) as url:
        options = ["--pull", f"{url}/pull?v=1", "--push", f"{url}/push", "--table", TABLE, "--row", str(file)]
        options += ["--header", "Authorization: Bearer token-of-one", "--only", "pull_01,push_05"]
        code, report = run_main(capsys, *options, "--number-column", "amount", "--text-column", "title")
    assert code == 0, report


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ftp://example.com"],
        ["http://127.0.0.1:1"],
        ["http://127.0.0.1:1", "--only", "pull_99"],
        ["http://127.0.0.1:1", "--only", ""],
        ["http://127.0.0.1:1", "--table", "notes"],
        ["http://127.0.0.1:1", "--header", "no colon"],
        ["http://127.0.0.1:1", "--table", "notes", "--row", "/no/such/file"],
        ["http://127.0.0.1:1", "--table", "notes", "--row", "{"],
        ["http://127.0.0.1:1", "--table", "notes", "--row", '{"amount": 1}'],
        ["http://127.0.0.1:1", "--number-column", "name"],
    ],
)
def test_bad_usage_and_no_server(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(("token", "path"), [("wrong", ""), ("token-of-one", "/elsewhere")])
def test_no_way_in(token: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Protocol()) as url:
        assert main([url + path, "--token", token]) == 2
    assert token not in capsys.readouterr().err


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == reference_page()


def test_every_rule_says_what_and_why() -> None:
    for rule in RULES:
        assert rule.says.endswith("."), rule.name
        assert len(rule.says) > 60, rule.name
        assert "|" not in rule.says


def test_a_holdfast_servers_own_url_does(
    own_server: str, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    root = own_server.removesuffix("/api/v1/sync")
    assert main([root]) == 2
    assert "does not let this user in" in capsys.readouterr().err
    arguments = ["--token", deployment.tokens["ada"], "--only", "pull_10"]
    code, report = run_main(capsys, root, *arguments)
    assert (code, report["ok"]) == (0, True)
    assert main([f"{root}/nowhere", *arguments]) == 2
    assert f"there is no pull at {root}/nowhere/pull" in capsys.readouterr().err
