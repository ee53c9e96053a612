"""`holdfast up` on a SQLite file: what a newcomer meets, what several processes do to it, and what a kill or a copy does."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.deployment import Deployment, new_deployment
from tests.acceptance.test_kill import Writers, missing

URL = "sqlite:///store.db"
STATEMENT = Path(__file__).parents[2] / "examples" / "statement.ofx"
LISTED = "/financial/accounts"


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with new_deployment(DATABASE_URL=URL) as made:
        yield made


@pytest.fixture(scope="module")
def standing() -> Iterator[Deployment]:
    """A deployment that has been up once and is down now."""
    with new_deployment(DATABASE_URL=URL) as made:
        with made.up() as up:
            assert up.end() == 0
        yield made


def pull(client: httpx.Client, cursor: int | None = None) -> httpx.Response:
    parameters = {"last_pulled_at": "null" if cursor is None else str(cursor)}
    return client.get("/api/v1/sync/pull", params=parameters, headers={"x-holdfast-device": "phone"})


def push(client: httpx.Client, cursor: int, *rows: dict[str, Any]) -> httpx.Response:
    body = {"financial_accounts": {"created": list(rows), "updated": [], "deleted": []}}
    headers = {"x-holdfast-device": "phone"}
    return client.post("/api/v1/sync/push", params={"last_pulled_at": cursor}, json=body, headers=headers)


# -- from nothing --------------------------------------------------------------------------------------------------


def test_from_nothing_to_an_answer_and_down_again(deployment: Deployment) -> None:
    with deployment.up() as up:
        assert deployment.postgres() is None
        told = deployment.err()
        assert told.index("Checking migrations") < told.index("Making a demo person")
        assert "DATABASE_URL=sqlite:///store.db" in deployment.out()
        assert httpx.get(f"{up.url}/health", trust_env=False).json()["status"] == "ok"
        with deployment.login(up.url) as client:
            made = client.post(
                LISTED, json={"name": "Savings", "account_type": "savings", "balance": "12.50"}
            )
            assert made.status_code == 201
            assert made.json()["balance"] == "12.50"
        assert up.end() == 0
    assert sorted(path.name for path in deployment.folder.iterdir() if "store" in path.name) == ["store.db"]
    with deployment.up() as up, deployment.login(up.url) as client:
        assert "Savings" in {row["name"] for row in client.get(LISTED).json()["items"]}
    assert "Traceback" not in deployment.err() + deployment.out()


def test_a_device_pulls_and_pushes(standing: Deployment) -> None:
    with standing.up() as up, standing.login(up.url) as client:
        first = pull(client).json()
        assert first["changes"]["financial_accounts"]["updated"]
        row = {"id": "x7Kq2mZpL0aB9cDe", "name": "Cash", "account_type": "other", "balance": 12.5}
        assert push(client, first["timestamp"], row).status_code == 200
        held = client.get(f"{LISTED}/x7Kq2mZpL0aB9cDe").json()
        assert (held["name"], held["balance"]) == ("Cash", "12.50")
        client.patch(f"{LISTED}/x7Kq2mZpL0aB9cDe", json={"balance": "7.25"})
        (told,) = pull(client, first["timestamp"]).json()["changes"]["financial_accounts"]["updated"]
        assert (told["id"], told["balance"]) == ("x7Kq2mZpL0aB9cDe", 7.25)


def test_the_commands_do_their_work(standing: Deployment) -> None:
    assert all(entry["state"] == "applied" for entry in standing.json("migrate", "status"))
    assert standing.json("migrate", "up") == {"applied": []}
    roles = standing.run("migrate", "roles")
    assert roles.returncode != 0
    assert "Only PostgreSQL has roles" in roles.stderr
    status = standing.json("status")
    assert status["database"]["engine"] == "sqlite"
    assert status["database"]["isolation"] == "library"
    assert status["findings"] == []
    done = standing.run("finance", "import", str(STATEMENT), "--account", "Everyday")
    assert done.returncode == 0, done.stderr
    assert standing.run("sync", "status").returncode == 0
    assert standing.run("sync", "collect").returncode == 0


def test_verify_passes_and_says_what_does_not_apply(standing: Deployment) -> None:
    with standing.up():
        told = standing.json("verify")
    assert told["ok"]
    outcomes = {check["name"]: check["outcome"] for check in told["checks"]}
    assert {name for name, outcome in outcomes.items() if outcome != "passed"} == {"grants"}
    (grants,) = (check for check in told["checks"] if check["name"] == "grants")
    assert "not applicable" in grants["evidence"]
    assert "row_security" in grants["evidence"]


def test_where_there_is_no_file_nothing_is_made(deployment: Deployment) -> None:
    for command in ("status", "verify"):
        done = deployment.run(command)
        assert done.returncode != 0
        assert "There is no store here yet" in done.stderr
    assert not (deployment.folder / "store.db").exists()


def test_stronger_isolation_that_is_demanded_is_not_served_without(deployment: Deployment) -> None:
    deployment.env["HOLDFAST_REQUIRE_ISOLATION"] = "file"
    done = deployment.run("up", "--port", "0")
    assert done.returncode != 0
    assert "isolation_too_weak" in done.stderr


# -- whose it is ---------------------------------------------------------------------------------------------------


def test_a_store_that_was_made_on_purpose_gets_no_demo_person(deployment: Deployment) -> None:
    assert deployment.json("migrate", "up")["applied"]
    with deployment.up() as up:
        assert not (deployment.home / "demo.json").exists()
        body = {"email": "ada@example.com", "name": "Ada", "password": "a long and quiet evening"}
        assert httpx.post(f"{up.url}/auth/register", json=body, trust_env=False).status_code == 202


def test_a_store_that_was_brought_here_is_none_to_try_things_out_with(standing: Deployment) -> None:
    with new_deployment(DATABASE_URL=URL) as other:
        with file_of(standing) as raw, file_of(other) as copy:
            raw.backup(copy)
        with other.up() as up:
            assert not (other.home / "demo.json").exists()
            body = {"email": "ada@example.com", "name": "Ada", "password": "a long and quiet evening"}
            assert httpx.post(f"{up.url}/auth/register", json=body, trust_env=False).status_code == 202


def file_of(deployment: Deployment, name: str = "store.db") -> contextlib.closing[sqlite3.Connection]:
    """The file, opened beside whoever uses it. One that stays open would keep its write-ahead log on the disk."""
    return contextlib.closing(sqlite3.connect(deployment.folder / name))


# -- several processes ---------------------------------------------------------------------------------------------

_WRITER = """
import asyncio, sys
from holdfast import open_platform
from holdfast.packs.finance.entities import FinancialAccount

async def main(name, turns):
    async with open_platform() as platform:
        scope = await platform.scope_of(None)
        for turn in range(turns):
            async with platform.store.session(scope) as session:
                await session.put(FinancialAccount(name=f"{name}-{turn}", account_type="other"))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
_TURNS = 40


def writer(deployment: Deployment, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, name, str(_TURNS)]
    return subprocess.Popen(
        command, cwd=deployment.folder, env=deployment.environment, stderr=subprocess.PIPE, text=True
    )


def numbers(deployment: Deployment) -> list[int]:
    """The numbers of the log of the one tenant that there is, as the file has them."""
    with file_of(deployment) as raw:
        return [number for (number,) in raw.execute("select number from holdfast__changes order by number")]


def test_processes_that_write_in_one_tenant_leave_no_gap_and_lose_nothing(standing: Deployment) -> None:
    before = numbers(standing)
    with standing.up() as up, standing.login(up.url) as client:
        processes = [writer(standing, name) for name in ("one", "two")]
        writers = Writers(client)
        with writers.writing():
            for process in processes:
                assert process.wait(60) == 0, process.stderr and process.stderr.read()
        for process in processes:
            assert process.stderr is not None
            process.stderr.close()
        assert missing(client, writers.acknowledged) == []
    after = numbers(standing)
    assert after == list(range(1, len(after) + 1))
    assert len(after) == len(before) + 2 * _TURNS + len(writers.acknowledged)
    assert writers.refused == 0


def test_what_was_acknowledged_is_there_after_a_kill(standing: Deployment) -> None:
    with standing.up() as up, standing.login(up.url) as client:
        writers = Writers(client)
        with writers.writing():
            up.kill()
    assert len(writers.acknowledged) > 50
    with standing.up() as up, standing.login(up.url) as client:
        assert missing(client, writers.acknowledged) == []
    log = numbers(standing)
    assert log == list(range(1, len(log) + 1))
    assert standing.json("status")["findings"] == []


# -- a copy taken back ---------------------------------------------------------------------------------------------


def test_a_copy_that_is_taken_back_begins_a_new_epoch(deployment: Deployment) -> None:
    with deployment.up() as up, deployment.login(up.url) as client:
        client.post(LISTED, json={"name": "kept", "account_type": "other"}).raise_for_status()
        with file_of(deployment) as raw, file_of(deployment, "copy.db") as copy:
            raw.backup(copy)
        for turn in range(3):
            client.post(LISTED, json={"name": f"lost {turn}", "account_type": "other"}).raise_for_status()
        cursor = pull(client).json()["timestamp"]
        epoch = deployment.json("sync", "status")["epoch"]
        assert up.end() == 0
    shutil.move(deployment.folder / "copy.db", deployment.folder / "store.db")
    # What is written before a server looks does not hide it, and be it more than was lost.
    for turn in range(6):
        assert deployment.run("users", "add", f"u{turn}@example.com").returncode == 0
    with deployment.up() as up, deployment.login(up.url) as client:
        again = deployment.json("sync", "status")["epoch"]
        assert again["epoch"] != epoch["epoch"]
        assert again["store"] == epoch["store"]
        assert "back in time" in again["reason"]
        assert pull(client, cursor).status_code == 410
        fresh = pull(client).json()
        names = {row["name"] for row in fresh["changes"]["financial_accounts"]["updated"]}
        assert "kept" in names
        assert not names & {"lost 0", "lost 1", "lost 2"}
        assert up.end() == 0
    with deployment.up():
        assert deployment.json("sync", "status")["epoch"] == again


# -- a writer that is killed in the middle -------------------------------------------------------------------------

_HALF = """
import asyncio, os, signal, sys
from holdfast.engines.port import Batch
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import locate
from holdfast.testing.conformance.entities import CATALOG, Board
from holdfast.testing.conformance.harness import first_revision
from holdfast.testing.conformance.world import World, log_of
from tests.conformance.sqlite import SqliteHarness
from pathlib import Path

async def main(folder):
    harness = SqliteHarness(Path(folder))
    engine = await harness.make_engine(first_revision(CATALOG))
    world = await World.make(harness, engine)
    await world.put(world.ann, Board(name="whole"))
    writes = [world.creation(world.ann, Board(name=f"half {turn}")) for turn in range(2_000)]
    async with engine.begin(world.ann) as tx:
        head = await tx.lock()
        await tx.write(log_of(world.ann, head, writes))
        # So much that the cache has let some of it out into the write-ahead log.
        await engine.writer.connection.call(lambda raw: raw.execute("pragma cache_spill = 1"))
        await tx.write(Batch([world.creation(world.ann, Board(name="x" * 100)) for _ in range(2_000)]))
        print(engine.path, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""


def test_a_flush_that_is_killed_in_the_middle_never_was(deployment: Deployment) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HALF, str(deployment.folder)],
        env=deployment.environment,
        cwd=deployment.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    path = done.stdout.strip()
    assert path, done.stderr
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("pragma integrity_check").fetchone() == ("ok",)
        assert [name for (name,) in raw.execute("select name from kit__boards")] == ["whole"]
        assert raw.execute("select count(*), max(number) from holdfast__changes").fetchone() == (1, 1)
        assert raw.execute("select head from holdfast__tenant_heads").fetchall() == [(1,)]
        assert raw.execute("select flush from holdfast__medium").fetchone() == (0,)
