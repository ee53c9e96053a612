"""`kill -9` of `up` while it starts, at any stage: the next one comes up whole."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.deployment import new_deployment


@pytest.mark.parametrize("seconds", [0.4, 0.9, 1.4, 2.0])
@pytest.mark.parametrize("database_too", [False, True], ids=["server", "server and database"])
def test_an_up_that_was_killed_is_begun_again(seconds: float, database_too: bool) -> None:
    with new_deployment() as deployment:
        killed = deployment.begin_up()
        time.sleep(seconds)
        killed.kill()
        killed.wait()
        if database_too and deployment.postgres() is not None:
            deployment.kill_postgres()
        with deployment.up() as up, deployment.login(up.url) as client:
            accounts = client.get("/financial/accounts").json()["items"]
            assert "Everyday" in {account["name"] for account in accounts}
            proof = deployment.json("verify")
            assert {check["outcome"] for check in proof["checks"]} == {"passed"}
