"""The database's roles: who owns, who runs, who keeps people, who prunes, who backs up.

An owner that cannot log in owns everything. The runtime login owns nothing and has no TRUNCATE, REFERENCES, TRIGGER or
TEMP; the realm login reaches the identity realm and nothing else; maintenance may delete what the log may not lose
otherwise; backup may read past row security. Roles belong to the whole cluster, so each carries the database's name.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg

from holdfast.engines.postgres._errors import translated
from holdfast.engines.postgres._names import Roles, literal, quoted
from holdfast.errors import ConfigurationError, HoldfastError

LOGIN_ROLES = ("runtime", "realm", "maintenance", "backup")
MINIMUM_VERSION = 150_000
_ONE_AT_A_TIME = 7_271_627


@dataclass(frozen=True, slots=True)
class Logins:
    """The URLs with which each role logs in; `admin` may become the owner, and only migrations use it."""

    roles: Roles
    database: str
    runtime: str
    realm: str | None = None
    maintenance: str | None = None
    backup: str | None = None
    admin: str | None = None

    def __repr__(self) -> str:
        return f"Logins(database={self.database!r})"


def new_passwords() -> dict[str, str]:
    """A random password for each login."""
    return {role: secrets.token_urlsafe(24) for role in LOGIN_ROLES}


def database_of(url: str) -> str:
    """The database that a URL names. Raises ConfigurationError where it names none."""
    name = unquote(urlsplit(url).path.lstrip("/"))
    if not name:
        raise ConfigurationError(
            "the URL names no database", hint="postgresql://user:password@host:5432/database"
        )
    return name


def logins_for(
    base_url: str, database: str, passwords: Mapping[str, str], *, runtime_url: str | None = None
) -> Logins:
    """The logins to `database` on the server of `base_url`, which becomes the administrator's."""
    roles = Roles.of(database, runtime=_user_of(runtime_url))
    urls = {
        role: _login_url(base_url, database, getattr(roles, role), passwords.get(role))
        for role in LOGIN_ROLES
    }
    urls["runtime"] = runtime_url or urls["runtime"]
    return Logins(roles=roles, database=database, admin=_with_database(base_url, database), **urls)


def _user_of(url: str | None) -> str | None:
    name = urlsplit(url).username if url else None
    return unquote(name) if name else None


def _with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(database)))


def _login_url(url: str, database: str, user: str, password: str | None) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    secret = f":{quote(password, safe='')}" if password else ""
    return urlunsplit(
        parts._replace(netloc=f"{quote(user, safe='')}{secret}@{host}", path="/" + quote(database))
    )


def role_statements(roles: Roles, passwords: Mapping[str, str], *, superuser: bool = True) -> list[str]:
    """The statements that make the roles of the cluster. They hold passwords: not for logs."""
    made = [_ensure(roles.owner, "nologin")]
    for role in LOGIN_ROLES:
        name = getattr(roles, role)
        made.append(_ensure(name, "login"))
        free = "bypassrls" if role == "backup" and superuser else ("nobypassrls" if superuser else "")
        plain = (
            "nosuperuser nocreaterole nocreatedb noreplication" if superuser else "nocreaterole nocreatedb"
        )
        password = f" password {literal(passwords[role])}" if role in passwords else ""
        made.append(f"alter role {quoted(name)} with login {plain} {free}{password}")
    made.append(f"grant {quoted(roles.owner)} to current_user")
    if superuser:
        made.append(f"grant pg_read_all_data to {quoted(roles.backup)}")
    return made


def _ensure(name: str, kind: str) -> str:
    return (
        f"do $do$ begin if not exists (select from pg_roles where rolname = {literal(name)}) "
        f"then create role {quoted(name)} {kind}; end if; end $do$"
    )


def database_statements(roles: Roles, database: str, *, superuser: bool = True) -> list[str]:
    """The statements that close the database itself; run inside it."""
    name = quoted(database)
    logins = ", ".join(quoted(getattr(roles, role)) for role in LOGIN_ROLES)
    made = [
        f"revoke all on database {name} from public",
        f"grant connect, create, temporary on database {name} to {quoted(roles.owner)}",
        f"grant connect on database {name} to {logins}",
        "revoke all on schema public from public",
        f"alter default privileges for role {quoted(roles.owner)} revoke execute on functions from public",
    ]
    return [*made, _LARGE_OBJECTS] if superuser else made


# Large objects have no row policy: whoever may call these reads what every tenant behind the same role wrote.
_LARGE_OBJECTS = r"""do $do$ declare f regprocedure; begin
  for f in select p.oid::regprocedure from pg_proc p
            where p.pronamespace = 'pg_catalog'::regnamespace and (p.proname ~ '^lo_' or p.proname in ('loread', 'lowrite')) loop
    execute format('revoke execute on function %s from public', f);
  end loop;
end $do$"""


def roles_sql(database: str, passwords: Mapping[str, str], *, runtime_url: str | None = None) -> str:
    """What an administrator runs where Holdfast may not make the roles."""
    roles = Roles.of(database, runtime=_user_of(runtime_url))
    lines = [*role_statements(roles, passwords), *database_statements(roles, database)]
    return ";\n".join(lines) + ";\n"


async def provision(
    admin_url: str, *, database: str, passwords: Mapping[str, str], runtime_url: str | None = None
) -> Logins:
    """Make the roles and, where it is missing, the database. Idempotent; sets the passwords given.

    `admin_url` may name another database of the same server. Raises ConfigurationError for a server older than
    PostgreSQL 15, Forbidden where the login may not make roles (then `roles_sql` tells what to run).
    """
    logins = logins_for(admin_url, database, passwords, runtime_url=runtime_url)
    given = {k: v for k, v in passwords.items() if not (k == "runtime" and runtime_url)}
    connection = await _connect_to_server(admin_url)
    try:
        superuser = await _check_server(connection)
        with translated():
            # Two who make the same role at once both fail. The lock goes with the connection.
            await connection.execute(f"select pg_advisory_lock({_ONE_AT_A_TIME})")
        await _run(connection, role_statements(logins.roles, given, superuser=superuser))
        await _make_database(connection, database, logins.roles)
        with translated():
            inside = await asyncpg.connect(logins.admin, timeout=10)
        try:
            await _run(inside, database_statements(logins.roles, database, superuser=superuser))
        finally:
            await inside.close(timeout=5)
    finally:
        await connection.close(timeout=5)
    return logins


async def _make_database(connection: asyncpg.Connection, database: str, roles: Roles) -> None:
    with translated():
        if not await connection.fetchval(
            "select exists (select from pg_database where datname = $1)", database
        ):
            await connection.execute(f"create database {quoted(database)} owner {quoted(roles.owner)}")


async def _connect_to_server(admin_url: str) -> asyncpg.Connection:
    """To the database that the URL names, or, where it is yet to be made, to the one that every server has."""
    with translated():
        try:
            return await asyncpg.connect(admin_url, timeout=10)
        except asyncpg.InvalidCatalogNameError:
            return await asyncpg.connect(_with_database(admin_url, "postgres"), timeout=10)


async def _check_server(connection: asyncpg.Connection) -> bool:
    """Whether the administrator is a superuser. Raises ConfigurationError for an old server."""
    with translated():
        version = int(await connection.fetchval("show server_version_num"))
        if version < MINIMUM_VERSION:
            raise ConfigurationError("the server is older than PostgreSQL 15", where="DATABASE_ADMIN_URL")
        return bool(await connection.fetchval("select rolsuper from pg_roles where rolname = current_user"))


async def _run(connection: asyncpg.Connection, texts: list[str]) -> None:
    for text in texts:
        try:
            with translated():
                await connection.execute(text)
        except HoldfastError as error:
            if not error.hint:
                error.hint = "`holdfast migrate roles --sql` prints what an administrator may run instead."
            raise
