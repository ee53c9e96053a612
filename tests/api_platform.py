"""A small deployment on the memory engine, for tests of the API: the finance pack, and a pack with one of every field."""

from __future__ import annotations

import asyncio
import copy
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import unquote
from uuid import UUID

import httpx
from pydantic import Field, JsonValue
from starlette.types import ASGIApp

from holdfast import (
    Digits,
    Entity,
    Index,
    MaxLength,
    Owned,
    Pack,
    Ref,
    Shared,
    Store,
    Synced,
    Unique,
    Unjournaled,
)
from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import ENTITIES, RealmEvent
from holdfast.accounts.log import Event
from holdfast.accounts.mail import Mail
from holdfast.api import ApiSettings, create_app
from holdfast.engines.memory import MemoryEngine
from holdfast.engines.memory.data import Table
from holdfast.identity.passwords import Cost, PasswordHasher
from holdfast.identity.principal import Principal, Role
from holdfast.identity.signing import SigningKey
from holdfast.model.catalog import Catalog
from holdfast.packs.finance import PACK as FINANCE
from holdfast.sync.entities import ENTITIES as SYNC_ENTITIES
from holdfast.sync.epochs import StoreEpochs
from holdfast.sync.hub import Hub
from holdfast.tenancy.scope import Scope

CANARY = "canary-7f3a9d"
PASSWORD = "correct horse battery 1"
KEY = SigningKey.generate()
_CHEAP = Cost(passes=1, memory_kib=8, lanes=1)


class Sample(
    Entity,
    table="samples",
    policies=(
        Shared(),
        Index("code"),
        Index("colour"),
        Index("count"),
        Index("ready"),
        Index("taken"),
        Index("taken_at"),
        Index("weight"),
        Unique("code"),
    ),
):
    """One field of every kind."""

    code: Annotated[str, MaxLength(40)]
    colour: Literal["red", "green", "blue"] | None = None
    count: Annotated[int, Field(ge=0, le=1_000)] = 0
    ready: bool = False
    taken: date | None = None
    taken_at: datetime | None = None
    weight: Annotated[Decimal, Digits(9, 3)] | None = None
    ratio: float | None = None
    photo: Annotated[bytes, MaxLength(64)] | None = None
    note: str | None = None
    extra: JsonValue | None = None


class Part(
    Entity,
    table="parts",
    policies=(Owned(by="user_id"), Synced(), Index("sample_id")),
):
    """Somebody's piece of a sample."""

    user_id: UUID | None = None
    sample_id: Annotated[UUID, Ref("samples")]


class Notice(Entity, table="notices", policies=(Shared(write="admin"),)):
    """What only an administrator writes."""

    text: str


class Reading(Entity, table="readings", policies=(Shared(), Unjournaled(), Index("taken_at"))):
    """One of a firehose, which comes in by bulk."""

    taken_at: datetime


LAB = Pack("lab", (Sample, Part, Notice, Reading), short_paths={"samples": Sample})


class Outbox:
    """Takes mail and keeps it."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.mails.append(mail)

    def last_token(self) -> str:
        """The token of the latest mail."""
        found = re.search(r"^ev_\S+", self.mails[-1].text, re.MULTILINE)
        assert found is not None
        return found[0]


class Deployment:
    """See `holdfast.api.platform.Platform`. Everything is real, and hashing passwords is cheap."""

    def __init__(self, *, packs: tuple[Pack, ...] = (FINANCE, LAB), development: bool = False) -> None:
        self.packs = packs
        self.version = "1.2.3"
        self.development = development
        self.engine = MemoryEngine()
        own = {"realm": ENTITIES, "sync": SYNC_ENTITIES}
        catalog = Catalog({**own, **{pack.name: pack.entities for pack in packs}})
        for schema in catalog:
            self.engine.schemas[schema.name] = schema
            self.engine.data.tables[schema.name] = Table()
        self.store = Store(self.engine, catalog, cursor_secret=b"s" * 32)
        self.outbox = Outbox()
        self.accounts = Accounts(
            self.store,
            signing_key=KEY,
            refresh_secret=b"r" * 32,
            mail=self.outbox,
            development=development,
            hasher=PasswordHasher(_CHEAP, floor=_CHEAP),
        )
        self.epochs = StoreEpochs(self.store)
        self.hub = Hub(self.store, secret=b"c" * 32, epoch=self.epochs, members=self.accounts.members_among)
        self.problem: Exception | None = None
        self.people: dict[str, Principal] = {}
        self.tokens: dict[str, str] = {}

    async def health(self) -> dict[str, Any]:
        if self.problem is not None:
            raise self.problem
        return {"status": "ok", "database": "connected"}

    async def join(self, name: str, *, tenant: UUID | None = None, role: Role = Role.OWNER) -> Principal:
        """A person with a session in `tenant`, by default in their own."""
        await self.accounts.add_user(f"{name}@example.com", name.title(), PASSWORD)
        if tenant is not None:
            await self.accounts.add_member(tenant, f"{name}@example.com", role)
        grant = await self.accounts.login(f"{name}@example.com", PASSWORD, tenant=tenant)
        self.tokens[name] = grant.access_token
        self.people[name] = await self.accounts.authenticate(grant.access_token)
        return self.people[name]

    async def found(self, name: str) -> UUID:
        """An organisation that this new person owns; their session is in it."""
        await self.accounts.add_user(f"{name}@example.com", name.title(), PASSWORD)
        tenant = await self.accounts.add_tenant(f"{name.title()} and others", f"{name}@example.com")
        grant = await self.accounts.login(f"{name}@example.com", PASSWORD, tenant=tenant.id)
        self.tokens[name] = grant.access_token
        self.people[name] = await self.accounts.authenticate(grant.access_token)
        return tenant.id

    def copy(self) -> Deployment:
        """Another one that holds the same and shares nothing."""
        other = Deployment(packs=self.packs, development=self.development)
        other.engine.data = copy.deepcopy(self.engine.data)
        other.people, other.tokens = dict(self.people), dict(self.tokens)
        return other

    async def aclose(self) -> None:
        """Wait for what was begun."""
        await self.accounts.aclose()
        await self.store.aclose()

    async def events(self, event: Event) -> list[RealmEvent]:
        """What the realm's log holds of one kind."""
        async with self.store.session(Scope.realm(reason="look in a test")) as session:
            lines = (await session.select(RealmEvent, limit=1_000)).items
        return [line for line in lines if line.event == event.value]


async def _inhabited() -> Deployment:
    made = Deployment()
    tenant = await made.found("ada")
    await made.join("ben", tenant=tenant, role=Role.MEMBER)
    await made.join("vic", tenant=tenant, role=Role.VIEWER)
    await made.join("eve")
    await made.aclose()
    return made


@cache
def _model() -> Deployment:
    with ThreadPoolExecutor(1) as aside:  # a test's own loop may be running
        return aside.submit(asyncio.run, _inhabited()).result()


def inhabited() -> Deployment:
    """A deployment of Ada's organisation, with Ben as a member and Vic as a viewer; Eve is in a tenant of her own."""
    return _model().copy()


def client_of(app: ASGIApp, token: str | None = None) -> httpx.AsyncClient:
    """A client that speaks to `app` in this process, as whoever `token` stands for."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers)


def app_of(deployment: Deployment, **settings: Any) -> ASGIApp:
    """The API of a deployment."""
    return create_app(deployment, settings=ApiSettings(**settings))


def account(**fields: Any) -> dict[str, Any]:
    """What makes a financial account, as a client sends it."""
    return {"name": "Everyday", "account_type": "checking", **fields}


def raw_scope(method: str, path: str, token: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """A request as a server hands it over, with nothing tidied up."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
            *headers,
        ],
        "client": ("192.0.2.1", 1),
    }
