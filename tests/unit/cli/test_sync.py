"""`holdfast sync` on a store that forgets."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Run


def test_status_and_devices_of_an_empty_store(run: Run) -> None:
    said = json.loads(run("sync", "status", "--json").stdout)
    assert said["epoch"]["reason"] == "the first"
    assert said["tenants"] == []
    assert json.loads(run("sync", "devices", "--json").stdout) == []
    assert json.loads(run("sync", "collect", "--json").stdout) == []
    assert run("sync", "status").stdout.startswith("Epoch ")


def test_a_new_epoch_is_begun_for_a_reason(run: Run) -> None:
    said = json.loads(run("sync", "new-epoch", "--reason", "restored by hand", "--json").stdout)
    assert said["reason"] == "restored by hand"
    assert "has begun: by hand" in run("sync", "new-epoch").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("sync", "conflicts", "--state", "lost"), "invalid_input"),
        (("sync", "conflicts", "--resolve", "x"), "invalid_input"),
        (("sync", "conflicts", "--resolve", "x", "--take", "mine", "--as", "ada@example.com"), "not_found"),
        (("sync", "devices", "--tenant", "nobodys"), "not_found"),
    ],
)
def test_what_cannot_be_done_says_why(run: Run, arguments: tuple[str, ...], code: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"[{code}]")


def test_whether_a_device_is_named_is_told_in_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    device = {"tenant": "t", "user": "u", "device": "d", "named": True, "seen": 1, "issued": 1, "pushed": 1}

    async def devices(*_: object) -> list[dict[str, object]]:
        return [{**device, "last_seen": "now"}, {**device, "named": False, "last_seen": "now"}]

    monkeypatch.setattr("holdfast.runtime.syncing.list_devices", devices)
    said = run("sync", "devices").stdout
    assert " yes " in said
    assert " no " in said
    assert "True" not in said
