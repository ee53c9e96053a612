"""A real server with real devices: `holdfast up` in a folder of its own, people in it, and databases of the client library."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import psycopg

from holdfast.engines.postgres.embedded import running
from tests.acceptance.deployment import Deployment, Up, new_deployment
from tests.watermelon.client import AdapterName, LocalDatabase, Remote, SyncResult, WatermelonDriver
from tests.watermelon.schema import Migration, Row, Schema
from tests.watermelon.workshop import ALL, from_rest, schema_of

PASSWORD = "correct horse battery 1"
_PACKS = "finance,tests.watermelon.workshop:PACK"
_NUMBERS = itertools.count(1)


class RealServer:
    """The server of a folder, which may be stopped, killed and started again."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._running = contextlib.ExitStack()
        self.up: Up = self.start()

    def start(self) -> Up:
        """`holdfast up`, answering."""
        self._running = contextlib.ExitStack()
        self.up = self._running.enter_context(self.deployment.up())
        self.url = self.up.url
        return self.up

    def stop(self) -> None:
        """In order, the database too."""
        if self.up.process.poll() is None:
            assert self.up.end() == 0
        self._running.close()

    def kill(self) -> None:
        """`kill -9`, of the server alone."""
        self.up.kill()
        self._running.close()

    def client(self, token: str | None = None) -> httpx.Client:
        """HTTP, as whoever `token` stands for."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # Nothing here is encrypted, and reading the machine's certificates takes longer than most requests.
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, headers=headers, verify=False)

    def person(self, name: str = "person") -> Person:
        """Somebody new, alone in a tenant."""
        number = next(_NUMBERS)
        email = f"{name}{number}@example.com"
        body = {"email": email, "name": name, "password": PASSWORD}
        tokens = self._enter("register", body, number)
        return Person(self, email, tokens["access_token"], tokens["tenant"]["id"])

    def login(self, email: str, tenant: str | None = None) -> Person:
        """The same person in another session, or in another tenant."""
        body = {"email": email, "password": PASSWORD} | ({"tenant": tenant} if tenant else {})
        tokens = self._enter("login", body, next(_NUMBERS))
        return Person(self, email, tokens["access_token"], tokens["tenant"]["id"])

    def _enter(self, route: str, body: dict[str, Any], number: int) -> dict[str, Any]:
        # Each from an address of its own: so many from one would be turned away.
        headers = {"X-Forwarded-For": f"198.51.{number // 200}.{number % 200 + 1}"}
        with self.client() as client:
            answer = client.post(f"/auth/{route}", json=body, headers=headers)
        answer.raise_for_status()
        tokens: dict[str, Any] = answer.json()
        return tokens

    def database(self) -> psycopg.Connection[Any]:
        """The database, as its superuser."""
        server = running(self.deployment.home)
        assert server is not None
        return psycopg.connect(server.admin_url, dbname="holdfast", connect_timeout=10)


@contextlib.contextmanager
def real_server(**env: str) -> Iterator[RealServer]:
    """One that is up; its folder goes with the block."""
    env = {"HOLDFAST_PACKS": _PACKS, "HOLDFAST_TRUSTED_PROXIES": "127.0.0.0/8", **env}
    with new_deployment(**env) as deployment:
        server = RealServer(deployment)
        try:
            yield server
        finally:
            server.stop()


@dataclass
class Person:
    """Somebody who is signed in to a tenant."""

    server: RealServer
    email: str
    token: str
    tenant: str

    @property
    def remote(self) -> Remote:
        """How an application of theirs talks to the server."""
        return Remote(f"{self.server.url}/api/v1/sync", token=self.token)

    def get(self, path: str, **parameters: Any) -> Any:
        """What a GET answers."""
        with self.server.client(self.token) as client:
            answer = client.get(path, params=parameters)
        answer.raise_for_status()
        return answer.json()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """What another method answers."""
        with self.server.client(self.token) as client:
            answer = client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def rows(self, table: str, columns: Sequence[str]) -> list[Row]:
        """What REST says, as a device holds it."""
        schema = schema_of(table)
        items: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            page = self.get(f"/api/v1/data/{schema.pack}/{schema.table}", limit=1000, **after)
            items += page["items"]
            if page["next"] is None:
                return from_rest(schema, items, columns)
            after = {"after": page["next"]}

    def conflicts(self, state: str = "all") -> list[dict[str, Any]]:
        """The inbox."""
        items: list[dict[str, Any]] = self.get("/api/v1/sync/conflicts", state=state)["items"]
        return items


class People:
    """Somebody new for each test, entered while the test before it runs: a password takes long to hash, on purpose."""

    def __init__(self, server: RealServer) -> None:
        self._server = server
        self._aside = ThreadPoolExecutor(1)
        self._waiting = self._aside.submit(server.person)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._aside.shutdown()

    def next(self) -> Person:
        """The one who is ready; the next is entered meanwhile."""
        try:
            found = self._waiting.result()
        except httpx.HTTPError:  # a test had ended the server
            found = self._server.person()
        self._waiting = self._aside.submit(self._server.person)
        return found


@dataclass
class Phone:
    """A local database of a person, and how it synchronises."""

    person: Person
    database: LocalDatabase
    schema: Schema
    device: str | None
    query: dict[str, str] = field(default_factory=dict)

    @property
    def remote(self) -> Remote:
        """With this device's name, if it has one."""
        return self.person.remote.but(device=self.device, query=self.query)

    def sync(self, remote: Remote | None = None, **options: Any) -> SyncResult:
        """`synchronize()`."""
        return self.database.sync(remote or self.remote, **options)

    def rows(self, table: str) -> list[Row]:
        """What the application sees, without sync columns."""
        hidden = {"_status", "_changed"}
        return [{k: v for k, v in row.items() if k not in hidden} for row in self.database.rows(table)]

    def row(self, table: str, row_id: str) -> Row | None:
        """One of them."""
        return next((row for row in self.rows(table) if row["id"] == row_id), None)

    def reopened(self, driver: WatermelonDriver, schema: Schema, migrations: Sequence[Migration]) -> Phone:
        """After an update of the application."""
        self.database.close()
        database = driver.open(self.database.name, self.database.adapter, schema, migrations=migrations)
        return Phone(self.person, database, schema, self.device, self.query)


@dataclass
class Team:
    """Makes devices for a test, and closes them at its end."""

    driver: WatermelonDriver
    adapter: AdapterName
    phones: list[Phone] = field(default_factory=list)

    def phone(
        self,
        person: Person,
        schema: Schema = ALL,
        *,
        named: bool = True,
        migrations: Sequence[Migration] | None = None,
    ) -> Phone:
        """A new, empty device."""
        name = f"device{next(_NUMBERS)}"
        database = self.driver.open(name, self.adapter, schema, migrations=migrations)
        phone = Phone(person, database, schema, name if named else None)
        self.phones.append(phone)
        return phone

    def phones_of(self, person: Person, count: int, schema: Schema = ALL) -> list[Phone]:
        """Several that have synchronised once."""
        made = [self.phone(person, schema) for _ in range(count)]
        for phone in made:
            phone.sync()
        return made

    def close(self) -> None:
        """Remove what they have stored."""
        for phone in self.phones:
            with contextlib.suppress(Exception):  # a test may have closed it
                phone.database.close(keep=False)


def settle(*phones: Phone, rounds: int = 2) -> None:
    """Everybody synchronises, again and again."""
    for _ in range(rounds):
        for phone in phones:
            phone.sync()


def assert_converged(*phones: Phone) -> None:
    """After two rounds: nothing waits, nobody complains, and every device has exactly what REST says."""
    settle(*phones)
    for phone in phones:
        assert not phone.database.has_unsynced_changes()
        for table in phone.schema.tables:
            columns = [column.name for column in table.columns]
            assert phone.rows(table.name) == phone.person.rows(table.name, columns), table.name
    said = phones[0].database.driver.diagnostics
    assert said == (), said
