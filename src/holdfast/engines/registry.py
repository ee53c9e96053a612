"""Engines by the scheme of a URL. Each engine's code is imported when it is opened, its driver with it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.engines.port import Engine
    from holdfast.engines.postgres.provision import Logins

ENGINES = MappingProxyType(
    {"postgresql": "postgresql", "postgres": "postgresql", "sqlite": "sqlite", "memory": "memory"}
)
"""Scheme → engine."""


def engine_of(scheme: str) -> str | None:
    """The engine that a URL's scheme names, or None."""
    return ENGINES.get(scheme)


async def open_engine(url: str, *, logins: Logins | None = None, pool_size: int = 10) -> Engine:
    """The engine of `url`, connected. PostgreSQL takes a login for each role, of which `url` is the runtime's.

    Raises ConfigurationError for a scheme that no engine has, or an engine whose requirements are not installed.
    """
    engine = engine_of(url.partition("://")[0])
    match engine:
        case "memory":
            from holdfast.engines.memory.engine import MemoryEngine

            return MemoryEngine()
        case "sqlite":
            from holdfast.engines.sqlite.engine import SqliteEngine
            from holdfast.engines.sqlite.location import locate

            return await SqliteEngine.open(locate(url), pool_size=pool_size)
        case "postgresql":
            try:
                from holdfast.engines.postgres.engine import PostgresEngine
                from holdfast.engines.postgres.provision import database_of, logins_for
            except ModuleNotFoundError as error:
                raise _not_installed("postgres", error) from error
            if logins is None:
                logins = logins_for(url, database_of(url), {}, runtime_url=url)
            return await PostgresEngine.open(logins, pool_size=pool_size)
        case _:
            schemes = ", ".join(f"{scheme}://" for scheme in ENGINES)
            raise ConfigurationError(
                "No engine has this scheme.", where="DATABASE_URL", hint=f"There are {schemes}."
            )


def _not_installed(extra: str, error: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(
        f"This engine needs {error.name}, which is not installed.",
        where="DATABASE_URL",
        hint=f"Install holdfast[{extra}].",
    )
