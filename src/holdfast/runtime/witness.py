"""The witness: a file beside the database that remembers how far the database was.

A database that is restored from a copy knows nothing of it, and its devices hold cursors from a future that is gone. At
start, and while serving every few seconds, the witness is compared with where the database stands in its own history; where
it stands further back, or is another one, a new epoch begins, and devices start afresh instead of skipping rows.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

from holdfast.engines.port import Position
from holdfast.errors import HoldfastError
from holdfast.runtime.secrets import make_home, read_private, write_private
from holdfast.store.store import Store
from holdfast.sync.epochs import StoreEpochs

INTERVAL: Final = 5.0
_NEVER: Final = 2**63 - 1
"""A moment that no database comes to."""
_log = logging.getLogger("holdfast")


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What the file says: which store it was, and where it stood."""

    store: str
    epoch: str
    medium: str
    moment: int


class Witness:
    """The witness of one store, kept in a home."""

    def __init__(self, home: Path, store: Store, epochs: StoreEpochs) -> None:
        self._path = home / "witness.json"
        self._home = home
        self._store = store
        self._epochs = epochs

    async def look(self) -> str | None:
        """Compare, begin a new epoch where the store went back, and remember where it stands. Returns why one was begun."""
        # The file first: another process may witness a later moment while this one asks for its own.
        before = self._read()
        position = await self._store.engine.position()
        current = await self._epochs.current()
        why = _why_back(before, current.store, position)
        if why is not None:
            current = await self._epochs.begin(why)
            _log.warning(
                "a new store epoch has begun: %s; devices start afresh and keep what they have not pushed",
                why,
            )
        self._write(current.store, current.epoch, position)
        return why

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.look()
            except HoldfastError as error:
                _log.warning("the witness could not look: %s", error.code)

    async def last_look(self) -> None:
        """Remember where the store stands when a server ends."""
        try:
            await self.look()
        except HoldfastError as error:
            _log.warning("the witness could not look: %s", error.code)

    def _read(self) -> Witnessed | None:
        return _read(self._path)

    def _write(self, store: UUID, epoch: UUID, position: Position) -> None:
        make_home(self._home)
        _write(self._path, Witnessed(str(store), str(epoch), position.medium, position.moment))


def keep_in_mind(home: Path, position: Callable[[], Position | None]) -> None:
    """Where a database stands further back than it was seen, have the next look of a server see so, whatever is written until
    then. The witness is read before the database, which may move on meanwhile.
    """
    path = home / "witness.json"
    before = _read(path)
    if before is None:
        return
    now = position()
    if now is not None and now.medium == before.medium and now.moment < before.moment:
        _write(path, replace(before, moment=_NEVER))


def _read(path: Path) -> Witnessed | None:
    content = read_private(path)
    try:
        return None if content is None else Witnessed(**json.loads(content))
    except (ValueError, TypeError):
        return None  # it is written anew; without one, nothing can be told


def _write(path: Path, said: Witnessed) -> None:
    write_private(path, json.dumps(asdict(said), indent=2).encode() + b"\n")


def _why_back(before: Witnessed | None, store: UUID, now: Position) -> str | None:
    """Why the store is not the one that was witnessed, or stands further back; None where all is well."""
    if before is None:
        return None
    if before.store != str(store):
        return "this is another store than the witness knows"
    if before.medium != now.medium:
        return "the database was restored or failed over"
    if now.moment < before.moment:
        return "the database went back in time"
    return None
