"""Where a `sqlite://` URL leads: to a file, or to a database that is forgotten at its end. Opens nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from holdfast.engines.port import Position
from holdfast.engines.sqlite._names import MEDIUM
from holdfast.errors import ConfigurationError

_SHAPE = "sqlite:///file.db below the working directory, sqlite:////folder/file.db, or sqlite:// for one in memory."


@dataclass(frozen=True, slots=True)
class Location:
    """A file; None stands for a database in memory."""

    path: Path | None

    @property
    def uri(self) -> str:
        """How the driver is told of the file. It is not made where it is missing."""
        return f"file:{quote(str(self.path))}?mode=rw"

    @property
    def is_new(self) -> bool:
        """Whether nothing is there yet."""
        return self.path is not None and not (self.path.exists() and self.path.stat().st_size)

    def position(self) -> Position | None:
        """Where the store in the file stands; None where there is none. Nothing is changed."""
        if self.path is None or self.is_new:
            return None
        try:
            with contextlib.closing(sqlite3.connect(self.uri, uri=True, timeout=1)) as connection:
                return read_position(connection)
        except sqlite3.Error:
            return None

    def medium(self) -> str | None:
        """The name of the store in the file; None where there is none."""
        position = self.position()
        return None if position is None else position.medium


def read_position(raw: sqlite3.Connection) -> Position:
    """Where a file of ours stands: its name, and how many transactions have written in it."""
    medium, moment = raw.execute(f"select medium, moment from {MEDIUM}").fetchone()
    return Position(f"sqlite:{medium}", moment)


def locate(url: str) -> Location:
    """The place that `url` names. Raises ConfigurationError for one that names none."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc or parts.query or parts.fragment or "\x00" in path:
        raise ConfigurationError("This is no SQLite URL.", where="DATABASE_URL", hint=_SHAPE)
    if path in {"", "/", "/:memory:"}:
        return Location(None)
    if path.endswith("/"):
        raise ConfigurationError("This names a folder, not a file.", where="DATABASE_URL", hint=_SHAPE)
    return Location(Path(path[1:]).absolute())
