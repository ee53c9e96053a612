"""A model of the WatermelonDB 0.28 client: its database, and a synchronisation that a test can stop at every point.

    client = WatermelonClient(schema, source=random.Random(1))
    sync = client.begin()
    request = sync.pull_request()
    sync.apply_pull(answer)          # and the cursor is saved
    push = sync.push_request()       # None where nothing waits
    …                                # edits made here stay dirty
    sync.finish(answer)              # or never: a push that failed leaves everything as it was

`synchronize` does all of it through a transport. Left out: the library's turbo mode, its observers and its queries.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from holdfast.testing.sync.database import DeviceFailure, Diagnostic, LocalDatabase, Record, _milliseconds
from holdfast.testing.sync.pull import Applied, Manner, Resolver, apply_changes, count_changes
from holdfast.testing.sync.schema import Raw, Schema, migration_block, same_rows

Changes: TypeAlias = dict[str, dict[str, list[Any]]]

_CURSOR = "last_pulled_at"
_SYNCED_VERSION = "last_pulled_schema_version"
_EXACT_TO, _PLAIN_FROM = 1e21, 1e-6


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What the device asks."""

    last_pulled_at: int | None
    schema_version: int
    migration: dict[str, Any] | None

    def parameters(self) -> dict[str, str]:
        """As applications put it into an address: an absent value is the word null."""
        return {
            "last_pulled_at": _word(self.last_pulled_at),
            "schema_version": _word(self.schema_version),
            "migration": _word(self.migration),
        }


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What the device sends. It remembers these very objects: whoever edits them leaves their rows dirty."""

    changes: Changes
    last_pulled_at: float

    def body(self, *, wrapped: bool = False) -> dict[str, Any]:
        """As applications post it: the changes alone, or the whole of what they were given."""
        return {"changes": self.changes, "lastPulledAt": self.last_pulled_at} if wrapped else self.changes


class Transport(Protocol):
    """Carries a device's requests; raises where no good answer came."""

    def pull(self, request: PullRequest) -> Mapping[str, Any]:
        """The server's answer."""
        ...

    def push(self, request: PushRequest) -> Mapping[str, Any] | None:
        """The server's answer, which may be empty."""
        ...


class AsyncTransport(Protocol):
    """The same, awaited."""

    async def pull(self, request: PullRequest) -> Mapping[str, Any]:
        """The server's answer."""
        ...

    async def push(self, request: PushRequest) -> Mapping[str, Any] | None:
        """The server's answer, which may be empty."""
        ...


class WatermelonClient:
    """One device."""

    def __init__(
        self,
        schema: Schema,
        *,
        source: random.Random | None = None,
        now: Callable[[], int] = _milliseconds,
        send_created_as_updated: bool = True,
        resolver: Resolver | None = None,
        migrations_enabled_at: int | None = None,
        pages: bool = False,
    ) -> None:
        """`source` makes ids. `pages`: follow `experimentalHasMore`, which no released library does."""
        self.database = LocalDatabase(schema, source=source, now=now)
        self.manner = Manner(send_created_as_updated=send_created_as_updated, resolver=resolver)
        self.migrations_enabled_at = migrations_enabled_at
        self.pages = pages
        self.create = self.database.create
        self.update = self.database.update
        self.mark_as_deleted = self.database.mark_as_deleted
        self.destroy = self.database.destroy
        self.raw = self.database.raw
        self.rows = self.database.rows
        self.upgrade = self.database.upgrade
        self.reset = self.database.reset

    @property
    def last_pulled_at(self) -> int | None:
        """The cursor, as the next pull will send it."""
        return self._remembered(_CURSOR)

    @property
    def synced_version(self) -> int | None:
        """The schema's version at the last pull that settled it."""
        return self._remembered(_SYNCED_VERSION)

    @property
    def unsynced(self) -> bool:
        """Whether anything waits to be pushed."""
        return self.database.unsynced

    @property
    def errors(self) -> list[Diagnostic]:
        """What it logged as errors: a server that keeps the protocol causes none."""
        return [line for line in self.database.diagnostics if line.level == "error"]

    @property
    def warnings(self) -> list[Diagnostic]:
        """What it skipped."""
        return [line for line in self.database.diagnostics if line.level == "warning"]

    def begin(self) -> Synchronisation:
        """Begin to synchronise: the cursor and the migration are decided now."""
        return Synchronisation(self)

    def synchronize(self, transport: Transport, *, push: bool = True) -> Synchronisation:
        """Pull, apply, push, mark. Raises what the transport raises, and `DeviceFailure`."""
        sync = self.begin()
        for request in sync.pulls():
            sync.apply_pull(transport.pull(request))
        sent = sync.push_request() if push else None
        if sent is not None:
            sync.finish(transport.push(sent))
        return sync

    async def synchronize_async(self, transport: AsyncTransport, *, push: bool = True) -> Synchronisation:
        """The same with a transport that is awaited."""
        sync = self.begin()
        for request in sync.pulls():
            sync.apply_pull(await transport.pull(request))
        sent = sync.push_request() if push else None
        if sent is not None:
            sync.finish(await transport.push(sent))
        return sync

    def _remembered(self, key: str) -> int | None:
        return _parse_int(self.database.local.get(key, "")) or None


class Synchronisation:
    """One run, in steps. Dropping it at any point is a program that died there."""

    def __init__(self, client: WatermelonClient) -> None:
        self._client = client
        self._database = client.database
        self._resets = client.database.resets
        self._began_at = client.last_pulled_at
        self._page: float | None = None
        self._sent: PushRequest | None = None
        self._records: dict[tuple[str, str], Record] = {}
        self.applied: list[Applied] = []
        self.more = True
        self._migration, self._settles_version = self._decide_migration()

    # Pull

    def pulls(self) -> Iterator[PullRequest]:
        """The pulls to make: one, or as many as the server has pages."""
        while self.more:
            yield self.pull_request()

    def pull_request(self) -> PullRequest:
        """What the device asks now."""
        # A page's cursor is not saved; it only asks for the next page.
        cursor = self._began_at if self._page is None else int(self._page)
        return PullRequest(cursor, self._database.schema.version, self._migration)

    def apply_pull(self, answer: Mapping[str, Any]) -> Applied:
        """Take an answer in, and save its cursor with it. After a `DeviceFailure` nothing of it was taken."""
        changes = answer.get("changes")
        if changes:
            count_changes(changes)
        self._same_database()
        if self._began_at != self._client.last_pulled_at:
            raise DeviceFailure("concurrent")
        timestamp = _valid_timestamp(answer.get("timestamp"))
        if not isinstance(changes, Mapping):
            raise DeviceFailure("bad_changes")
        applied = apply_changes(
            self._database,
            changes,
            strategy=answer.get("experimentalStrategy"),
            manner=self._client.manner,
        )
        self.applied.append(applied)
        self._page = timestamp
        self.more = self._client.pages and answer.get("experimentalHasMore") is True
        if not self.more:
            self._save_cursor(timestamp)
        return applied

    def _save_cursor(self, timestamp: float) -> None:
        if timestamp < (self._client.last_pulled_at or 0):
            self._database.complain("error", "timestamp_went_back")
        self._database.local[_CURSOR] = _spelled(timestamp)
        if self._settles_version:
            self._database.local[_SYNCED_VERSION] = str(self._database.schema.version)

    def _decide_migration(self) -> tuple[dict[str, Any] | None, bool]:
        """The migration to ask for, and whether this pull settles the schema's version."""
        schema, enabled, synced = (
            self._database.schema,
            self._client.migrations_enabled_at,
            self._client.synced_version,
        )
        first = self._began_at is None
        if synced and first:
            self._database.complain("error", "synced_before_but_no_cursor")
        if enabled and not (schema.oldest <= enabled <= schema.version and (synced or 0) <= schema.version):
            raise DeviceFailure("bad_migrations")
        since = synced or enabled or 0
        due = bool(enabled) and since < schema.version and not first
        if not due:
            return None, first
        steps = schema.steps_since(since)
        if steps is None or schema.version != schema.newest:
            raise DeviceFailure("bad_migrations")
        if not synced:
            self._database.complain("warning", "migrating_from_the_fallback")
        return migration_block(steps, since=since), True

    # Push

    def push_request(self) -> PushRequest | None:
        """Everything that waits, as copies: of every table, also of those with nothing. None where nothing waits."""
        if self._page is None:
            raise RuntimeError("pull first")
        changes: Changes = {}
        for table in self._database.tables:
            records = list(self._database.live(table))
            for record in records:
                if record.status != "synced":
                    self._records[table, record.raw["id"]] = record
            changes[table] = {
                "created": [dict(record.raw) for record in records if record.status == "created"],
                "updated": [dict(record.raw) for record in records if record.status == "updated"],
                "deleted": self._database.deleted_ids(table),
            }
        self._same_database()
        if not any(rows for parts in changes.values() for rows in parts.values()):
            return None
        self._sent = PushRequest(changes, self._page)
        return self._sent

    def finish(self, answer: Mapping[str, Any] | None = None) -> None:
        """The server took the push: what is still as it was sent is synced, what it rejected or was edited is not."""
        if self._sent is None:
            raise RuntimeError("push first")
        self._same_database()
        rejected: Mapping[str, Any] = (answer or {}).get("experimentalRejectedIds") or {}
        for table, parts in self._sent.changes.items():
            refused = set(rejected.get(table) or ())
            for raw in [*parts["created"], *parts["updated"]]:
                self._settle(table, raw, refused)
            for row_id in parts["deleted"]:
                if row_id not in refused:
                    self._database.forget(table, row_id)
        self._sent = None

    def _settle(self, table: str, sent: Raw, refused: set[str]) -> None:
        record = self._records.get((table, sent.get("id", "")))
        if record is None:
            self._database.complain("error", "pushed_row_not_found", table=table)
        elif same_rows(record.raw, sent) and sent["id"] not in refused:
            record.raw = {**record.raw, "_status": "synced", "_changed": ""}

    def _same_database(self) -> None:
        if self._database.resets != self._resets:
            raise DeviceFailure("reset")


def _word(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _valid_timestamp(value: object) -> float:
    """A number above nothing; everything else, NaN too, breaks the synchronisation."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise DeviceFailure("bad_timestamp")
    return value


def _spelled(timestamp: float) -> str:
    """As JavaScript writes a number: with an exponent where it is very large or very small."""
    if timestamp == float("inf"):
        return "Infinity"
    if _PLAIN_FROM <= timestamp < _EXACT_TO:
        return str(int(timestamp)) if timestamp % 1 == 0 else f"{timestamp:f}"
    return f"{float(timestamp):e}"


def _parse_int(text: str) -> int:
    """The digits that a text begins with, which is all that is read of a cursor: 1500.7 becomes 1500."""
    digits = len(text) - len(text.lstrip("0123456789"))
    return int(text[:digits] or 0)
