"""Every setting, each declared once: its name, its variable, what it is without being set, and one sentence.

They come from `holdfast.toml`, then `.env`, then the environment, later ones over earlier ones, then from the command
line. Nothing else in Holdfast reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from holdfast.errors import ConfigurationError
from holdfast.runtime import _values as values
from holdfast.runtime._sources import Given, read_env_file, read_environment, read_toml
from holdfast.runtime._values import DatabaseUrl, Network
from holdfast.tenancy.isolation import Isolation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as its documentation shows it. `default` is text as one would write it; empty: not set."""

    name: str
    variable: str
    default: str
    sentence: str
    parse: Callable[[str], Any]


def _setting(variable: str, default: str, sentence: str, parse: Callable[[str], T]) -> T:
    """A field of `Settings`. What its text means is decided by `parse`, the default's as well."""
    declared = Setting("", variable, default, sentence, parse)
    return field(default_factory=lambda: parse(default), metadata={"setting": declared})


def _optional(variable: str, sentence: str, parse: Callable[[str], T]) -> T | None:
    """A field that is None where it is not set."""
    declared = Setting("", variable, "", sentence, parse)
    return field(default=None, metadata={"setting": declared})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a deployment has decided. Made by `load_settings`; nothing changes it afterwards."""

    home: Path = _setting(
        "HOLDFAST_HOME",
        ".holdfast",
        "The folder that keeps secrets, logins and the embedded database; for its owner alone.",
        values.folder,
    )
    host: str = _setting("HOLDFAST_HOST", "127.0.0.1", "The address that the server listens on.", values.name)
    port: int = _setting(
        "HOLDFAST_PORT",
        "8000",
        "The port that the server listens on; 0 takes one that is free.",
        values.within(0, 65_535),
    )
    access_log: bool = _setting(
        "HOLDFAST_ACCESS_LOG", "yes", "Whether the server writes a line for each request.", values.yes_or_no
    )
    database_url: DatabaseUrl | None = _optional(
        "DATABASE_URL",
        "The runtime's login to PostgreSQL, or sqlite:///file.db; without it, an embedded PostgreSQL in HOLDFAST_HOME is used.",
        values.database_url,
    )
    database_admin_url: DatabaseUrl | None = _optional(
        "DATABASE_ADMIN_URL",
        "A login that may become the owner of the database: for roles and migrations alone.",
        values.database_url,
    )
    database_primary: str | None = _optional(
        "DATABASE_PRIMARY",
        "The engine that the deployment expects; where it is set, DATABASE_URL must agree.",
        values.engine_name,
    )
    packs: tuple[str, ...] = _setting(
        "HOLDFAST_PACKS",
        "finance",
        "The packs that are enabled: names of installed packs, or module:ATTRIBUTE for one of your own.",
        values.names,
    )
    require_isolation: Isolation = _setting(
        "HOLDFAST_REQUIRE_ISOLATION",
        "library",
        "The weakest isolation of tenants to serve with: library, file, credential or database.",
        values.isolation,
    )
    cors_origins: tuple[str, ...] = _setting(
        "HOLDFAST_CORS_ORIGINS",
        "",
        "Web origins whose pages may call the API; none without it.",
        values.origins,
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "HOLDFAST_TRUSTED_PROXIES",
        "",
        "Networks of reverse proxies whose X-Forwarded-For is believed when attempts are counted.",
        values.networks,
    )
    pool_size: int = _setting(
        "HOLDFAST_POOL_SIZE",
        "10",
        "How many connections to the database this process holds at most for the tenants' rows.",
        values.within(1, 1_000),
    )
    history_days: int = _setting(
        "HOLDFAST_HISTORY_DAYS",
        "365",
        "How many days the old values of rows are kept at least; devices and open conflicts keep what they need for longer.",
        values.within(1, 36_500),
    )
    worker_silence: int = _setting(
        "HOLDFAST_WORKER_SILENCE",
        "30",
        "After how many seconds without a sign of life a worker's jobs are taken over by another.",
        values.within(3, 3_600),
    )
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Setting → where its value came from; those left at their default are not in it."""
    unknown: tuple[str, ...] = field(default=(), repr=False)
    """Variables of the environment that look like settings and are none."""

    @property
    def embedded(self) -> bool:
        """Whether the database is Holdfast's own, in `home`."""
        return self.database_url is None and self.database_admin_url is None

    @property
    def engine(self) -> str:
        """The engine that these settings lead to."""
        url = self.database_url or self.database_admin_url
        return url.engine if url else "postgresql"

    @property
    def forgets(self) -> bool:
        """Whether the store is gone when the process ends."""
        url = self.database_url or self.database_admin_url
        return url is not None and url.forgets

    @property
    def development(self) -> bool:
        """Whether this store is always one for trying things out: the embedded one, or one that forgets. A SQLite file is one
        where this home says so: see `runtime.database.is_development`.
        """
        return self.embedded or self.forgets

    def changed(self, source: str, **texts: str | None) -> Settings:
        """The same with these settings given as text by `source`, such as an option of the command line."""
        given = {name: Given(text, source) for name, text in texts.items() if text is not None}
        return _checked(replace(self, **_parsed(given), sources=_merged(self.sources, given)))


def declared_settings() -> Iterator[Setting]:
    """Every setting, in the order in which they are declared."""
    for each in fields(Settings):
        if "setting" in each.metadata:
            yield replace(each.metadata["setting"], name=each.name)


def shown(value: object) -> str:
    """A setting's value for people to read; a URL without its password."""
    match value:
        case None | ():
            return ""
        case tuple():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
        case Isolation():
            return value.name.lower()
        case _:
            return str(value)


def load_settings(folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; files are looked for in `folder`, which is the working directory.

    Raises ConfigurationError naming the setting, where its value came from, and what is wrong with it.
    """
    folder = folder or Path.cwd()
    known = tuple(declared_settings())
    by_variable = {setting.variable: setting.name for setting in known}
    found = read_environment(os.environ if environ is None else environ, by_variable)
    given = {
        **read_toml(folder / "holdfast.toml", {setting.name for setting in known}),
        **read_env_file(folder / ".env", by_variable),
        **found.given,
    }
    settings = Settings(**_parsed(given), sources=_merged({}, given), unknown=found.unknown)
    return _checked(settings)


def _parsed(given: Mapping[str, Given]) -> dict[str, Any]:
    by_name = {setting.name: setting for setting in declared_settings()}
    return {name: _value(by_name[name], each) for name, each in given.items()}


def _value(setting: Setting, given: Given) -> Any:
    try:
        return setting.parse(given.text)
    except ValueError as error:
        raise ConfigurationError(
            f"{setting.variable} {error}.",
            where=f"{setting.variable} from {given.source}",
            hint=setting.sentence,
        ) from None


def _merged(sources: Mapping[str, str], given: Mapping[str, Given]) -> Mapping[str, str]:
    return MappingProxyType({**sources, **{name: each.source for name, each in given.items()}})


def _checked(settings: Settings) -> Settings:
    """What no setting shows alone."""
    url, admin, primary = settings.database_url, settings.database_admin_url, settings.database_primary
    if url and admin and url.engine != admin.engine:
        raise ConfigurationError(
            "DATABASE_URL and DATABASE_ADMIN_URL name different engines.",
            where="DATABASE_ADMIN_URL",
            hint="Both are logins to the same database.",
        )
    if primary and primary != settings.engine:
        raise ConfigurationError(
            f"DATABASE_PRIMARY says {primary}, and DATABASE_URL leads to {settings.engine}.",
            where=f"DATABASE_PRIMARY from {settings.sources.get('database_primary', 'the default')}",
            hint="Correct the one that is wrong; DATABASE_PRIMARY may also be left away.",
        )
    return settings
