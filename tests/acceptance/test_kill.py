"""`kill -9` during writes: whatever was acknowledged is there after the next `up`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.acceptance.deployment import Deployment, Up, new_deployment

WRITERS = 4
WRITING_SECONDS = 1.5


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with new_deployment() as made:
        with made.up():
            pass
        yield made


class Writers:
    """Threads that create rows as fast as they are acknowledged, and remember which were."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        self.acknowledged: list[str] = []
        self.refused = 0

    def _write(self, writer: int) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            body = {"name": f"{writer}-{number}", "account_type": "other"}
            try:
                answer = self._client.post("/financial/accounts", json=body)
            except httpx.HTTPError:
                time.sleep(0.01)
                continue
            if answer.status_code == 201:
                self.acknowledged.append(answer.json()["id"])
            else:
                self.refused += 1
                time.sleep(0.01)

    @contextmanager
    def writing(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            time.sleep(WRITING_SECONDS)
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()


def kill_server(up: Up, _: Deployment) -> None:
    up.kill()


def kill_postgres(up: Up, deployment: Deployment) -> None:
    deployment.kill_postgres()


def kill_both(up: Up, deployment: Deployment) -> None:
    up.kill()
    deployment.kill_postgres()


def kill_both_database_first(up: Up, deployment: Deployment) -> None:
    deployment.kill_postgres()
    up.kill()


@pytest.mark.parametrize("kill", [kill_server, kill_postgres, kill_both, kill_both_database_first])
def test_what_was_acknowledged_is_there_after_the_next_up(
    deployment: Deployment, kill: Callable[[Up, Deployment], None]
) -> None:
    with deployment.up() as up, deployment.login(up.url) as client:
        writers = Writers(client)
        with writers.writing():
            kill(up, deployment)
        up.kill()
    assert len(writers.acknowledged) > 50
    with deployment.up() as up, deployment.login(up.url) as client:
        assert missing(client, writers.acknowledged) == []
    assert deployment.postgres() is None


def missing(client: httpx.Client, ids: list[str]) -> list[str]:
    """Which of these rows are not there."""
    found: set[str] = set()
    after: dict[str, str] = {}
    while True:
        page = client.get("/financial/accounts", params={"limit": 1000, **after}).json()
        found.update(row["id"] for row in page["items"])
        if page["next"] is None:
            return [row_id for row_id in ids if row_id not in found]
        after = {"after": page["next"]}


def test_the_server_starts_its_database_again(deployment: Deployment) -> None:
    with deployment.up() as up, deployment.login(up.url) as client:
        before = deployment.postgres()
        writers = Writers(client)
        with writers.writing():
            deployment.kill_postgres()
            acknowledged = len(writers.acknowledged)
            deadline = time.monotonic() + 60
            while len(writers.acknowledged) < acknowledged + 50:
                assert time.monotonic() < deadline, deployment.err()
                time.sleep(0.05)
        assert deployment.postgres() not in {None, before}
        assert missing(client, writers.acknowledged) == []
        assert "PostgreSQL has ended; starting it again" in deployment.err()


def test_stop_puts_down_a_database_that_a_killed_server_has_left(deployment: Deployment) -> None:
    with deployment.up() as up:
        up.kill()
        assert deployment.postgres() is not None
        stopped = deployment.run("stop")
        assert stopped.stdout == "No server was running; its database was, and has been stopped.\n"
        assert deployment.postgres() is None
