"""Which database, and with which logins: the embedded server of a home, one's own, a file, or one that forgets.

<home>/database.json      the random passwords of the roles that Holdfast makes on PostgreSQL, for the home's owner alone
<home>/development.json   the names of the SQLite stores that `holdfast up` has made here, to try things out with
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from holdfast.errors import ConfigurationError, NotFound
from holdfast.runtime.embedded import Keeper, end, find_embedded, start_embedded, stop_embedded
from holdfast.runtime.secrets import keep, make_home, read_private, write_private
from holdfast.runtime.settings import Settings

if TYPE_CHECKING:
    from holdfast.engines.postgres.embedded import EmbeddedServer
    from holdfast.engines.postgres.provision import Logins

EMBEDDED_DATABASE = "holdfast"
_PORT = re.compile(r":\d+\Z")
Tell = Callable[[str], None]


def silent(_: str) -> None:
    """Progress that nobody reads."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database that can be reached. `logins` are PostgreSQL's; `embedded` says that it is the home's own."""

    engine: str
    url: str
    logins: Logins | None = None
    embedded: bool = False
    admin_url: str | None = None
    """The administrator's login as it was given: to a database that exists, not always the one that is wanted."""
    runtime_url: str | None = None
    """The runtime's login as it was given; None where Holdfast makes it."""
    passwords: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_change(self) -> bool:
        """Whether the schema can be changed with what was given. Only PostgreSQL asks for a login of its own for that."""
        return self.engine != "postgresql" or self.admin_url is not None

    def __repr__(self) -> str:
        return f"Database(engine={self.engine!r}, embedded={self.embedded})"

    def name(self, *, admin: bool = False) -> str:
        """What to call it in a message: the setting that leads to it, and the host and port that this names. `admin` says that
        it was the administrator's login that was tried, where there are two.
        """
        if self.embedded:
            return "the embedded database"
        if self.engine != "postgresql":
            return "DATABASE_URL"
        setting, url = self._tried(admin=admin)
        host = urlsplit(url).netloc.rpartition("@")[2]
        return f"{setting}, {host if _PORT.search(host) else f'{host}:5432'}" if host else setting

    def _tried(self, *, admin: bool) -> tuple[str, str]:
        given = [
            each
            for each in (("DATABASE_URL", self.runtime_url), ("DATABASE_ADMIN_URL", self.admin_url))
            if each[1]
        ]
        setting, url = given[-1 if admin else 0] if given else ("DATABASE_URL", self.url)
        return setting, url or ""

    @property
    def hint(self) -> str:
        """What to look at where it does not answer."""
        if self.embedded:
            return "`holdfast up` sets its logins again."
        if self.engine == "sqlite":
            return "Is the file where it was, and may this user write to it and to its folder?"
        said = "Is it running, and do host, port, user and password hold?"
        if any(urlsplit(url).netloc.count("@") > 1 for url in (self.runtime_url, self.admin_url) if url):
            said += " An @ within a user's name or password is written %40 in a URL."
        return said

    @property
    def for_serving(self) -> Logins | None:
        """What a server needs: neither the administrator's login, nor the ones that prune and back up."""
        return self.logins and replace(self.logins, admin=None, maintenance=None, backup=None)


@asynccontextmanager
async def reach_database(
    settings: Settings,
    *,
    make: bool = False,
    watch: bool = False,
    guest: bool = False,
    tell: Tell = silent,
) -> AsyncIterator[Database]:
    """The database of these settings.

    An embedded one that does not run is started, and stopped at the end unless another process has come to use it. One
    that was never made is made only if `make` says so; otherwise NotFound. With `watch` it is started again, at the same
    address, when it ends before the block does. A `guest` takes it as it runs, and has no share in it.
    """
    if settings.engine == "memory":
        yield Database("memory", "memory://")
    elif settings.engine == "sqlite":
        if not make:
            _demand_file(settings)
        _look_at_file(settings)
        yield Database("sqlite", _given(settings))
    elif settings.engine != "postgresql":
        yield Database(settings.engine, _given(settings))
    elif not settings.embedded:
        yield _own_database(settings, make=make)
    elif guest:
        yield _embedded_database(settings, await find_embedded(settings.home), make=False)
    else:
        if not make and not has_embedded(settings.home):
            raise NotFound(
                "There is no store here yet.",
                where=f"HOLDFAST_HOME, {settings.home}",
                hint="`holdfast up` makes one; or set HOLDFAST_HOME or DATABASE_URL to one that exists.",
            )
        keeper = Keeper(settings.home, await start_embedded(settings.home, tell))
        watching = asyncio.create_task(keeper.watch()) if watch else None
        try:
            yield _embedded_database(settings, keeper.server, make=make)
        finally:
            if watching is not None:
                await end(watching)
            await stop_embedded(keeper.server)


def _given(settings: Settings) -> str:
    url = settings.database_url or settings.database_admin_url
    assert url is not None  # noqa: S101 (without one, the database is embedded)
    return url.text


def _demand_file(settings: Settings) -> None:
    from holdfast.engines.sqlite.location import locate

    location = locate(_given(settings))
    if location.is_new:
        raise NotFound(
            "There is no store here yet.",
            where=f"DATABASE_URL, {location.path}",
            hint="`holdfast up` or `holdfast migrate up` makes one.",
        )


def _look_at_file(settings: Settings) -> None:
    """Whoever comes first to a copy that was taken back, and be it a migration, is not to write the difference away."""
    from holdfast.engines.sqlite.location import locate
    from holdfast.runtime.witness import keep_in_mind

    keep_in_mind(settings.home, locate(_given(settings)).position)


def is_development(settings: Settings) -> bool:
    """Whether this is a store for trying things out. Of a SQLite file it is this home that knows: a copy of the file elsewhere is
    none, and neither is a file that came here from elsewhere.
    """
    if settings.development or settings.engine != "sqlite":
        return settings.development
    from holdfast.engines.sqlite.location import locate

    medium = locate(_given(settings)).medium()
    return medium is not None and medium in _stores_made_here(settings.home)


def is_new_file(settings: Settings) -> bool:
    """Whether these settings lead to a SQLite file that does not exist yet."""
    if settings.engine != "sqlite" or settings.forgets:
        return False
    from holdfast.engines.sqlite.location import locate

    return locate(_given(settings)).is_new


def remember_development(settings: Settings) -> None:
    """Note that the store which these settings lead to was made here, to try things out with."""
    from holdfast.engines.sqlite.location import locate

    medium = locate(_given(settings)).medium()
    if medium is not None:
        known = {*_stores_made_here(settings.home), medium}
        make_home(settings.home)
        write_private(_development(settings.home), json.dumps(sorted(known), indent=2).encode() + b"\n")


def _stores_made_here(home: Path) -> set[str]:
    try:
        return set(map(str, json.loads(read_private(_development(home)) or b"[]")))
    except (ValueError, TypeError):
        return set()  # without it, a store is taken for one that matters


def _development(home: Path) -> Path:
    return home / "development.json"


def has_embedded(home: Path) -> bool:
    """Whether this home has an embedded database, running or not."""
    return (home / "postgres" / "server.json").exists()


def _embedded_database(settings: Settings, server: EmbeddedServer, *, make: bool) -> Database:
    from holdfast.engines.postgres.provision import logins_for

    passwords = role_passwords(settings.home, make=make)
    logins = logins_for(server.admin_url, EMBEDDED_DATABASE, passwords)
    return Database(
        "postgresql", logins.runtime, logins, embedded=True, admin_url=server.admin_url, passwords=passwords
    )


def _own_database(settings: Settings, *, make: bool) -> Database:
    from holdfast.engines.postgres.provision import database_of, logins_for

    runtime, admin = settings.database_url, settings.database_admin_url
    base, aim = admin or runtime, runtime or admin
    assert base is not None and aim is not None  # noqa: S101, PT018 (neither of them: embedded)
    passwords = role_passwords(settings.home, make=make and admin is not None)
    runtime_url = runtime.text if runtime else None
    logins = logins_for(base.text, database_of(aim.text), passwords, runtime_url=runtime_url)
    if admin is None:
        logins = replace(logins, admin=None)
    return Database(
        "postgresql",
        logins.runtime,
        logins,
        admin_url=admin.text if admin else None,
        runtime_url=runtime_url,
        passwords=passwords,
    )


async def make_roles(database: Database) -> None:
    """Make the database and its roles where they are missing. Idempotent."""
    from holdfast.engines.postgres.provision import provision

    if database.logins is None or database.admin_url is None:
        return
    await provision(
        database.admin_url,
        database=database.logins.database,
        passwords=database.passwords,
        runtime_url=database.runtime_url,
    )


def roles_script(settings: Settings) -> str:
    """What an administrator runs to make the roles; it sets the passwords that this home keeps."""
    from holdfast.engines.postgres.provision import database_of, roles_sql

    url = settings.database_url or settings.database_admin_url
    runtime_url = settings.database_url.text if settings.database_url else None
    database = database_of(url.text) if url else EMBEDDED_DATABASE
    passwords = role_passwords(settings.home, make=True)
    if runtime_url is not None:
        own = unquote(urlsplit(runtime_url).password or "")
        passwords = {**passwords, "runtime": own} if own else _without_runtime(passwords)
    return roles_sql(database, passwords, runtime_url=runtime_url)


def _without_runtime(passwords: Mapping[str, str]) -> dict[str, str]:
    return {role: password for role, password in passwords.items() if role != "runtime"}


def role_passwords(home: Path, *, make: bool = False) -> dict[str, str]:
    """The passwords of the roles that Holdfast makes. Where there are none yet: new ones if `make` says so, else none."""
    from holdfast.engines.postgres.provision import new_passwords

    path = home / "database.json"
    if make:
        content: bytes | None = keep(path, lambda: json.dumps(new_passwords(), indent=2).encode() + b"\n")
    else:
        content = read_private(path)
    try:
        return {str(role): str(password) for role, password in json.loads(content or b"{}").items()}
    except (ValueError, AttributeError):
        raise ConfigurationError(
            "The file with the database logins cannot be read.",
            where=str(path),
            hint="Put it back from a backup, or remove it: `holdfast up` with DATABASE_ADMIN_URL sets new passwords.",
        ) from None
