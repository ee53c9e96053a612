"""Engines by the scheme of a URL. Each engine's code is imported when it is opened, its driver with it.

An engine that Holdfast does not know is an entry point of the group `holdfast.engines`: its name is the scheme, and what it
names takes the URL and returns the engine, open.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.engines.port import Engine
    from holdfast.engines.postgres.provision import Logins

ENGINES = MappingProxyType(
    {"postgresql": "postgresql", "postgres": "postgresql", "sqlite": "sqlite", "memory": "memory"}
)
"""Scheme → engine, of those that come with Holdfast."""
GROUP = "holdfast.engines"


def engine_of(scheme: str) -> str | None:
    """The engine that a URL's scheme names, or None. An installed one is called what its scheme is."""
    return ENGINES.get(scheme) or (scheme if _installed(scheme) else None)


def known_schemes() -> list[str]:
    """Every scheme that leads to an engine."""
    return [*ENGINES, *sorted({point.name for point in entry_points(group=GROUP)} - set(ENGINES))]


def _installed(scheme: str) -> EntryPoint | None:
    return next(iter(entry_points(group=GROUP, name=scheme)), None)


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
        case str(installed):
            return await _open_installed(installed, url)
        case _:
            schemes = ", ".join(f"{scheme}://" for scheme in known_schemes())
            raise ConfigurationError(
                "No engine has this scheme.", where="DATABASE_URL", hint=f"There are {schemes}."
            )


async def _open_installed(scheme: str, url: str) -> Engine:
    point = _installed(scheme)
    try:
        factory = point.load() if point else None
    except Exception as error:
        raise ConfigurationError(
            f"The engine does not load: {type(error).__name__}.",
            where=f"{GROUP}, {scheme}",
            hint="Import it in a Python shell to see the whole of it.",
        ) from error
    if not callable(factory):
        raise ConfigurationError("This is no function that opens an engine.", where=f"{GROUP}, {scheme}")
    engine: Engine = await factory(url)
    return engine


def _not_installed(extra: str, error: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(
        f"This engine needs {error.name}, which is not installed.",
        where="DATABASE_URL",
        hint=f"Install holdfast[{extra}].",
    )
