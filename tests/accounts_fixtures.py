"""A realm to test with: a store, accounts that serve it, a clock that is set by hand, and a folder of mail.

Every test runs once on each engine in `ENGINES`. To add one, write how it is opened with the realm's tables in it, and
enter it there: the tests ask for nothing that an engine does not promise. A test module, or a conftest, takes the
fixtures that it needs by assignment: `realm = accounts_fixtures.realm`.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar, cast

import asyncpg
import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import ENTITIES, RealmEvent, schemas
from holdfast.accounts.log import Event
from holdfast.accounts.mail import FileMailSender
from holdfast.engines.memory import MemoryEngine
from holdfast.engines.port import Batch, Engine, Row, Stored, Transaction
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import new_passwords, provision
from holdfast.errors import HoldfastError
from holdfast.identity.passwords import Cost, PasswordHasher
from holdfast.identity.signing import SigningKey
from holdfast.model.catalog import Catalog
from holdfast.model.diff import diff, first_steps
from holdfast.model.entity import Entity
from holdfast.model.query import Query
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import CreateLog, CreateTombstones
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope

CHEAP = Cost(passes=1, memory_kib=8, lanes=1)
KEY = SigningKey.generate()
SECRET = b"\x07" * 32
_PASSWORDS = new_passwords()
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

ADA, GRACE, EVE = "ada@example.com", "grace@example.org", "eve@example.net"
PASSWORD = "correct horse battery 1"
WRONG = "incorrect horse battery"

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


class Clock:
    """Both clocks of a test, moved by hand."""

    def __init__(self) -> None:
        self._passed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return 1_000.0 + self._passed

    def advance(self, *, seconds: float = 0.0, days: float = 0.0) -> None:
        self._passed += seconds + days * 86_400


class CountingHasher(PasswordHasher):
    """Argon2 at a price for tests, which counts what it is asked to do."""

    def __init__(self, cost: Cost = CHEAP) -> None:
        super().__init__(cost, floor=CHEAP)
        self.hashed = 0
        self.verified = 0

    def hash(self, password: str) -> str:
        self.hashed += 1
        return super().hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        self.verified += 1
        return super().verify(stored, password)


# -- engines ----------------------------------------------------------------------------------------------------------


class SuspendingTransaction:
    """Lets other tasks run before each operation, as a network does; in memory nothing else would ever come between."""

    def __init__(self, inner: Transaction, pause: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._inner = inner
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def get(self, schema: EntitySchema, row_id: Any) -> Row | None:
        await self._pause()
        return await self._inner.get(schema, row_id)

    async def batch_get(self, schema: EntitySchema, row_ids: Sequence[Any]) -> list[Stored | None]:
        await self._pause()
        return await self._inner.batch_get(schema, row_ids)

    async def query(self, query: Query) -> list[Row]:
        await self._pause()
        return await self._inner.query(query)

    async def write(self, batch: Batch) -> None:
        await self._pause()
        await self._inner.write(batch)


class SuspendingEngine:
    """The memory engine at the far end of a network of unsteady speed."""

    def __init__(self, inner: MemoryEngine, *, seed: int = 0) -> None:
        self._inner = inner
        self._random = random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def _pause(self) -> None:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def begin(self, scope: Scope, *, read_only: bool = False) -> AsyncIterator[Transaction]:
        await self._pause()
        async with self._inner.begin(scope, read_only=read_only) as tx:
            yield cast("Transaction", SuspendingTransaction(tx, self._pause))

    async def ingest(self, scope: Scope, schema: EntitySchema, rows: Sequence[Row]) -> None:
        await self._pause()
        await self._inner.ingest(scope, schema, rows)


@asynccontextmanager
async def open_memory(_request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    yield cast("Engine", SuspendingEngine(await memory_engine()))


async def memory_engine() -> MemoryEngine:
    """A memory engine that holds the realm's tables."""
    engine = MemoryEngine()
    await engine.apply(first_steps(diff((), schemas())), revision="realm_1", checksum="-")
    return engine


@asynccontextmanager
async def open_postgres(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """A database with the realm's tables, made once a run and emptied before each test."""
    server: EmbeddedServer = request.getfixturevalue("wheel_server")
    logins = await provision(server.admin_url, database="accounts", passwords=_PASSWORDS)
    engine = await PostgresEngine.open(logins, pool_size=10)
    try:
        await engine.apply(
            (*first_steps(diff((), schemas())), CreateLog(), CreateTombstones()),
            revision="realm_1",
            checksum="-",
        )
        admin = await asyncpg.connect(logins.admin)
        await admin.execute(
            "truncate " + ", ".join(f"realm.{schema.table}" for schema in schemas()) + " cascade"
        )
        await admin.close()
        yield engine
    finally:
        await engine.aclose()


ENGINES: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Engine]]] = {
    "memory": open_memory,
    "postgres": open_postgres,
}


# -- the realm --------------------------------------------------------------------------------------------------------


@dataclass
class Realm:
    """One store, and as many processes that serve it as a test asks for."""

    store: Store
    clock: Clock
    folder: Path
    hasher: CountingHasher = field(default_factory=CountingHasher)
    served: list[Accounts] = field(default_factory=list)
    _mailed: int = 0

    def serve(self, *, development: bool = False, hasher: PasswordHasher | None = None) -> Accounts:
        """Another process that serves the realm."""
        accounts = Accounts(
            self.store,
            signing_key=KEY,
            refresh_secret=SECRET,
            mail=FileMailSender(self.folder, clock=self._stamp),
            development=development,
            hasher=hasher or self.hasher,
            clock=self.clock.now,
            monotonic=self.clock.monotonic,
        )
        self.served.append(accounts)
        return accounts

    def _stamp(self) -> datetime:
        """A moment of its own for each mail, so that they have an order."""
        self._mailed += 1
        return self.clock.now() + timedelta(microseconds=self._mailed)

    async def rows(self, entity: type[E], **where: Any) -> list[E]:
        """What the realm holds."""
        async with self.store.session(Scope.realm(reason="look in a test")) as session:
            return (await session.select(entity, where, limit=1_000)).items

    async def events(self, *events: Event) -> list[RealmEvent]:
        """The log, in order; of some kinds of event, if any are named."""
        lines = await self.rows(RealmEvent)
        names = {event.value for event in events or Event}
        return sorted((line for line in lines if line.event in names), key=lambda line: line.at)

    def mails(self) -> list[EmailMessage]:
        """The mail that was sent, oldest first."""
        paths = sorted(self.folder.glob("*.eml")) if self.folder.exists() else []
        return [read_mail(path) for path in paths]

    def last_token(self) -> str:
        """The verification token of the latest mail."""
        return token_in(self.mails()[-1])


def read_mail(path: Path) -> EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def token_in(mail: EmailMessage) -> str:
    found = re.search(r"^ev_[\w-]{43}(?=\r?$)", mail.get_content(), re.MULTILINE)
    assert found, "the mail holds no token"
    return found[0]


async def outcome(call: Awaitable[T]) -> T | HoldfastError:
    """What a call returns, or which of our errors it raises."""
    try:
        return await call
    except HoldfastError as error:
        return error


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=list(ENGINES))
async def realm_store(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Store]:
    """A store with an empty realm, once for each engine."""
    async with ENGINES[request.param](request) as engine:
        store = Store(engine, Catalog({"realm": ENTITIES}), cursor_secret=b"c" * 32, clock=clock.now)
        yield store
        await store.flusher.drain()


@pytest.fixture
async def realm(realm_store: Store, clock: Clock, tmp_path: Path) -> AsyncIterator[Realm]:
    made = Realm(realm_store, clock, tmp_path / "mail")
    yield made
    for accounts in made.served:
        await accounts.aclose()


@pytest.fixture
def accounts(realm: Realm) -> Accounts:
    """One process that serves the realm as in production."""
    return realm.serve()


@pytest.fixture
def development(realm: Realm) -> Accounts:
    """One process that serves the realm of a development store."""
    return realm.serve(development=True)


@pytest.fixture
async def ada(accounts: Accounts) -> None:
    """Ada has an account with `PASSWORD`."""
    await accounts.add_user(ADA, "Ada", PASSWORD)
