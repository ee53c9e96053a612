"""How a setting's text becomes a value. Each function raises ValueError with what is wrong, never with the text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from holdfast.engines.registry import engine_of, known_schemes
from holdfast.errors import ConfigurationError
from holdfast.tenancy.isolation import Isolation

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a database is and who logs in. Shows itself without the password; `text` is the whole of it."""

    text: str = field(repr=False)
    safe: str
    engine: str
    forgets: bool = False
    """Whether what is kept there is gone when the process ends."""

    def __str__(self) -> str:
        return self.safe


def database_url(text: str) -> DatabaseUrl:
    """`postgresql://user:password@host:5432/name`, `sqlite:///file.db` or `memory://`."""
    try:
        parts = urlsplit(text)
        engine = engine_of(parts.scheme)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if engine is None:
        raise ValueError(
            f"does not begin with one of {', '.join(f'{scheme}://' for scheme in known_schemes())}"
        )
    if engine == "postgresql" and not parts.path.strip("/"):
        raise ValueError("names no database")
    forgets = engine == "memory" or (engine == "sqlite" and not _names_a_file(text))
    return DatabaseUrl(text, _without_password(parts), engine, forgets)


def _names_a_file(text: str) -> bool:
    from holdfast.engines.sqlite.location import locate

    try:
        return locate(text).path is not None
    except ConfigurationError as error:
        raise ValueError(f"leads to no file. {error.message} {error.hint}".rstrip(".")) from None


def _without_password(parts: SplitResult) -> str:
    """The URL as it may be shown. A query may carry a password as well, so none is shown."""
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{parts.path}"


def engine_name(text: str) -> str:
    """The engine's name, by any of its schemes."""
    engine = engine_of(text.lower())
    if engine is None:
        raise ValueError(f"is none of {', '.join(known_schemes())}")
    return engine


def folder(text: str) -> Path:
    """A folder; relative ones lie below the working directory."""
    return Path(text).expanduser().absolute()


def name(text: str) -> str:
    """A word of some kind."""
    return text


def within(least: int, most: int) -> Callable[[str], int]:
    """A whole number between the two, both included."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
            raise ValueError(f"is not a whole number from {least} to {most}")
        return int(text)

    return parse


def yes_or_no(text: str) -> bool:
    """A switch."""
    if text.lower() in {"yes", "true", "on", "1"}:
        return True
    if text.lower() in {"no", "false", "off", "0"}:
        return False
    raise ValueError("is neither yes nor no")


def names(text: str) -> tuple[str, ...]:
    """Words, separated by commas; each once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def origins(text: str) -> tuple[str, ...]:
    """Web origins, separated by commas. `*` is none: credentials travel with these requests."""
    found = names(text)
    for origin in found:
        parts = urlsplit(origin)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.netloc
            or f"{parts.scheme}://{parts.netloc}" != origin
        ):
            raise ValueError("holds something that is no origin such as https://app.example.org")
    return found


def networks(text: str) -> tuple[Network, ...]:
    """Addresses or networks, separated by commas."""
    try:
        return tuple(ip_network(word) for word in names(text))
    except ValueError:
        raise ValueError("holds something that is no network such as 10.0.0.0/8") from None


def isolation(text: str) -> Isolation:
    """One of the isolation levels, by name."""
    try:
        return Isolation[text.upper()]
    except KeyError:
        raise ValueError(f"is none of {', '.join(level.name.lower() for level in Isolation)}") from None
