"""The composition root: settings, packs, database, engine, store and accounts become a platform.

`open_platform` is the life of a start, top to bottom. What each part does is the part's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import User
from holdfast.accounts.mail import FileMailSender
from holdfast.engines.port import Capability, Control, Engine
from holdfast.engines.registry import open_engine
from holdfast.errors import (
    ConfigurationError,
    HoldfastError,
    IsolationTooWeak,
    SchemaError,
    Unavailable,
)
from holdfast.migrations import migrate
from holdfast.migrations.migrate import Entry
from holdfast.migrations.revision import Revision
from holdfast.model.catalog import Catalog
from holdfast.model.job import Job
from holdfast.model.pack import Pack
from holdfast.observe.health import Health, check_part
from holdfast.runtime.database import (
    Database,
    Tell,
    is_development,
    is_new_file,
    make_roles,
    reach_database,
    remember_development,
    silent,
)
from holdfast.runtime.demo import demo_email
from holdfast.runtime.jobs.known import jobs_of
from holdfast.runtime.packs import catalog_of, load_packs, own_packs
from holdfast.runtime.people import scope_of
from holdfast.runtime.schema_watch import SchemaWatch, refuse_pending
from holdfast.runtime.secrets import Secrets, load_secrets, passing_secrets
from holdfast.runtime.settings import Settings, load_settings
from holdfast.runtime.version import holdfast_version
from holdfast.runtime.witness import Witness
from holdfast.store.store import Store
from holdfast.sync.epochs import StoreEpochs
from holdfast.sync.hub import Hub
from holdfast.tenancy.scope import REALM_TENANT, Scope

if TYPE_CHECKING:
    from holdfast.engines.sqlite.engine import SqliteEngine
    from holdfast.model.steps import Step

APPLICATION = "app"
"""The pack, and branch of revisions, of an application's own entities."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A deployment, put together and open."""

    settings: Settings
    database: Database
    store: Store
    accounts: Accounts
    hub: Hub
    epochs: StoreEpochs
    packs: tuple[Pack, ...]
    """The enabled packs; the platform's own are not among them."""
    version: str
    development: bool
    """Whether this is a store for trying things out: demo people may live in it."""
    schema_watch: SchemaWatch

    @property
    def jobs(self) -> Mapping[str, Job]:
        """What a worker does, by name: the platform's jobs and those of the packs."""
        return jobs_of(self.packs)

    @property
    def catalog(self) -> Catalog:
        """Every declared entity, the realm's included."""
        return self.store.catalog

    async def scope_of(self, email: str | None, *, tenant: UUID | str | None = None) -> Scope:
        """The scope of the person with this address, in a tenant of theirs, by default their own.

        None stands for the demo person, whom only a development store has. Raises NotFound, Forbidden and, without an
        address where there is no demo person, InvalidInput.
        """
        return await scope_of(self.store, email or demo_email(self.settings), tenant)

    async def check_health(self) -> Health:
        """How the parts are, each asked for at most five seconds. Never raises."""
        parts = [await check_part("database", self.store.engine.ping)]
        if parts[0].ok:
            parts.append(await check_part("schema", self.schema_watch.check))
        return Health(self.version, datetime.now(UTC), tuple(parts))

    async def health(self) -> dict[str, Any]:
        """The answer of `GET /health`; its `status` is `ok` when all is well."""
        return (await self.check_health()).plain()

    async def revisions(self) -> list[Entry]:
        """Each revision of the enabled packs, and how it stands in the database."""
        return await migrate.read_status(self.store.engine, self.known_revisions())

    def undeclared(self) -> list[str]:
        """What the revisions and the declarations say differently; empty when they add up."""
        difference = migrate.undeclared(self.known_revisions(), self.catalog)
        new = [f"{schema.name} has no revision" for schema in difference.added]
        gone = [f"{schema.name} is no longer declared" for schema in difference.removed]
        return [*difference.changed, *new, *gone]

    def known_revisions(self) -> list[Revision]:
        """The revisions of the platform and of the enabled packs, in order."""
        return migrate.revisions_for(self.store.engine, (*own_packs(), *self.packs), self.catalog)


@asynccontextmanager
async def open_platform(
    settings: Settings | None = None,
    *,
    packs: Sequence[Pack] = (),
    make: bool = False,
    serving: bool = False,
    checked: bool = True,
    guest: bool = False,
    tell: Tell = silent,
) -> AsyncIterator[Platform]:
    """The deployment that the settings describe, open until the block ends.

    `packs` are enabled beside those of the settings. `make` brings the database up to the code first: server, roles and
    migrations, as far as the logins allow. `serving` leaves the logins of administrators behind. A
    `guest` uses an embedded database that another process keeps up, and never starts or stops it. Raises
    ConfigurationError, IsolationTooWeak, SchemaError and, unless `checked` is False, MigrationsPending.
    """
    settings = settings or load_settings()
    enabled = (*load_packs(settings.packs), *packs)
    everything = (*own_packs(), *enabled)
    catalog = catalog_of(everything)
    if make:
        await _refuse_undeclared(settings, everything, catalog)
    jobs_of(enabled)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            reach_database(settings, make=make, watch=serving, guest=guest, tell=tell)
        )
        if make:
            with _told_of(database, admin=True):
                if serving and is_new_file(settings):
                    await _make_file(database, settings)
                await bring_up(database, everything, catalog, tell)
        with _told_of(database):
            logins = database.for_serving if serving else database.logins
            engine = await open_engine(database.url, logins=logins, pool_size=settings.pool_size)
        stack.push_async_callback(engine.aclose)
        _demand_isolation(engine, settings)
        if settings.forgets:
            await migrate.up(engine, everything, catalog)
        secrets = _secrets(settings)
        store = Store(engine, catalog, cursor_secret=secrets.cursor)
        stack.push_async_callback(store.flusher.drain)
        development = is_development(settings)
        accounts = _accounts(settings, store, secrets, development=development)
        stack.push_async_callback(accounts.aclose)
        epochs = StoreEpochs(store)
        hub = Hub(store, secret=secrets.cursor, epoch=epochs, members=accounts.members_among)
        stack.push_async_callback(store.heads.aclose)
        version = holdfast_version()
        watch = SchemaWatch(engine, lambda: migrate.revisions_for(engine, everything, catalog))
        platform = Platform(
            settings, database, store, accounts, hub, epochs, enabled, version, development, watch
        )
        if checked:
            refuse_pending(await platform.revisions())
            await _reach_realm(platform)
        if serving:
            await _serve_in_background(platform, stack)
        yield platform


async def _serve_in_background(platform: Platform, stack: AsyncExitStack) -> None:
    """What a server does besides answering: it witnesses where the store stands, last at its end."""
    if Capability.DURABLE in platform.store.engine.capabilities:
        witness = Witness(platform.settings.home, platform.store, platform.epochs)
        await witness.look()
        stack.push_async_callback(witness.last_look)
        stack.push_async_callback(_end, asyncio.create_task(witness.watch()))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def open_store(
    url: str | None = None, *, home: Path | str | None = None, packs: Sequence[Pack] | None = None
) -> AsyncIterator[Store]:
    """A store until the block ends: `async with holdfast.open_store("memory://", packs=[PACK]) as store: …`.

    Without `url` the settings decide, which lead to the embedded PostgreSQL of `home` where nothing else is said; there, in a
    new SQLite file, and in a store that forgets, the tables of `packs` are made when they are missing. `packs` come beside
    those that the settings enable.
    """
    settings = load_settings().changed(
        "open_store(…)", database_url=url, home=None if home is None else str(home)
    )
    make = is_development(settings) or is_new_file(settings)
    async with open_platform(settings, packs=packs or (), make=make) as platform:
        yield platform.store


async def bring_up(
    database: Database,
    packs: Sequence[Pack],
    catalog: Catalog,
    tell: Tell = silent,
    *,
    control: Control | None = None,
    pre_only: bool = False,
) -> list[str]:
    """Make the roles and apply what is pending, as far as the logins allow; returns the revisions applied."""
    if not database.may_change or database.engine == "memory":
        return []
    tell("Checking roles and migrations." if database.logins else "Checking migrations.")
    await make_roles(database)
    control = control or Control(tell=lambda line: tell(f"Migrating {line}."), release=holdfast_version())
    async with _as_migrator(database) as engine:
        return await migrate.up(engine, packs, catalog, control=control, pre_only=pre_only)


@asynccontextmanager
async def _as_migrator(database: Database) -> AsyncIterator[Engine]:
    """The engine, for changing the schema."""
    engine = await open_engine(database.url, logins=database.logins, pool_size=2)
    try:
        yield engine
    finally:
        await engine.aclose()


async def _refuse_undeclared(settings: Settings, packs: Sequence[Pack], catalog: Catalog) -> None:
    """Before a database is made or changed: raises SchemaError for a declaration that no revision makes. An applied revision
    that was edited is told first, as it may be why.
    """
    if settings.engine == "memory":
        return
    revisions = migrate.revisions_of(packs, catalog)
    try:
        migrate.check_declared(revisions, catalog)
    except SchemaError:
        migrate.refuse_strange(await _standing(settings, revisions))
        raise


async def _standing(settings: Settings, revisions: Sequence[Revision]) -> list[Entry]:
    """How the revisions stand, where there is a database to ask; it is not made for that."""
    if is_new_file(settings):
        return []
    try:
        async with reach_database(settings, make=False) as database, _as_migrator(database) as engine:
            return await migrate.read_status(engine, revisions)
    except HoldfastError:
        return []


async def _make_file(database: Database, settings: Settings) -> None:
    """A file that `up` makes is there to try things out with. That is noted before anything else is in it."""
    engine = await open_engine(database.url, pool_size=1)
    await engine.aclose()
    remember_development(settings)


@asynccontextmanager
async def open_migrator(
    settings: Settings, *, make: bool = False, tell: Tell = silent
) -> AsyncIterator[Migrator]:
    """What changes the schema of these settings' database. `make` makes the database and its roles first.

    Raises ConfigurationError where no login may change the schema.
    """
    packs = (*own_packs(), *load_packs(settings.packs))
    catalog = catalog_of(packs)
    if make:
        await _refuse_undeclared(settings, packs, catalog)
    async with reach_database(settings, make=make, tell=tell) as database:
        if not database.may_change:
            raise ConfigurationError(
                "Changing the schema needs an administrator's login.",
                where="DATABASE_ADMIN_URL",
                hint="Set it to a login that may become the owner of the database.",
            )
        with _told_of(database, admin=True):
            if make:
                await make_roles(database)
            async with _as_migrator(database) as engine:
                yield Migrator(engine, packs, catalog)


@dataclass(frozen=True, slots=True)
class Migrator:
    """An engine that may change the schema, and the declarations that it is to come to."""

    engine: Engine
    packs: tuple[Pack, ...]
    catalog: Catalog

    async def up(self, *, control: Control, pre_only: bool = False) -> list[str]:
        """Apply what is pending."""
        return await migrate.up(self.engine, self.packs, self.catalog, control=control, pre_only=pre_only)

    async def pending(self, *, pre_only: bool = False) -> list[Revision]:
        """What `up` would apply."""
        revisions = migrate.revisions_for(self.engine, self.packs, self.catalog)
        migrate.check_declared(revisions, self.catalog)
        return await migrate.pending(self.engine, revisions, pre_only=pre_only)

    async def sql(self, *, pre_only: bool = False, functions: bool = False) -> list[str]:
        """What `up` would run, for people to read: a text for each revision; generated functions only where asked for."""
        from holdfast.engines.postgres.review import review_sql

        texts: list[str] = []
        before: list[Step] = []
        for revision in await self.pending(pre_only=pre_only):
            if self.engine.name == "sqlite":
                lines = cast("SqliteEngine", self.engine).sql(revision.steps, before=before)
                text = "\n".join(line if line.startswith("--") else f"{line};" for line in lines)
            else:
                text = review_sql(revision.steps, functions=functions)
            texts.append(f"-- {revision.id}: {revision.message}\n{text}")
            before += revision.steps
        return texts

    async def down(
        self, to: str | None, *, control: Control, approve: Callable[[Sequence[Revision]], None]
    ) -> list[str]:
        """Take back the application's last revision, or all down to and including `to`."""
        return await migrate.down(
            self.engine,
            self.packs,
            self.catalog,
            branch=self._application(),
            to=to,
            control=control,
            approve=approve,
        )

    def _application(self) -> str:
        """The branch of the application's own entities: of the pack that keeps its revisions beside them."""
        own = [pack.name for pack in self.packs if isinstance(pack.revisions, Path)]
        return APPLICATION if APPLICATION in own or not own else own[-1]


@contextmanager
def _told_of(database: Database, *, admin: bool = False) -> Iterator[None]:
    """Say which database it was that did not answer, and what to look at."""
    try:
        yield
    except Unavailable as error:
        error.where = error.where or database.name(admin=admin)
        error.hint = error.hint or database.hint
        raise


async def _reach_realm(platform: Platform) -> None:
    """People are behind a login of their own. Better now than at the first request: raises ConfigurationError."""
    try:
        async with platform.store.session(Scope.realm(reason="reach the realm")) as session:
            await session.find(User, REALM_TENANT)
    except Unavailable as error:
        raise ConfigurationError(
            f"The realm's login does not hold: {error.message}.",
            where=str(platform.settings.home / "database.json"),
            hint="Bring this file from where the roles were made, or run `holdfast migrate roles` with DATABASE_ADMIN_URL.",
        ) from error


def _demand_isolation(engine: Engine, settings: Settings) -> None:
    if engine.isolation < settings.require_isolation:
        raise IsolationTooWeak(
            f"{engine.name} isolates tenants by {engine.isolation.name.lower()}, and the deployment demands "
            f"{settings.require_isolation.name.lower()}.",
            where="HOLDFAST_REQUIRE_ISOLATION",
            hint="Use an engine that isolates as strongly, or demand less.",
        )


def _accounts(settings: Settings, store: Store, secrets: Secrets, *, development: bool) -> Accounts:
    return Accounts(
        store,
        signing_key=secrets.signing_key,
        refresh_secret=secrets.refresh,
        mail=FileMailSender(settings.home / "mail"),
        development=development,
    )


def _secrets(settings: Settings) -> Secrets:
    """What signs tokens and cursors. A store that forgets has secrets that are forgotten."""
    return passing_secrets() if settings.forgets else load_secrets(settings.home)
