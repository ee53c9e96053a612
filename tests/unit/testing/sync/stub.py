"""The least server that scripts get through: dictionaries, one counter, columns merged, deletes win."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.testing.sync.watermelon import PullRequest, PushRequest

Key = tuple[str, str]


@dataclass
class Row:
    values: dict[str, Any]
    number: int


@dataclass
class StubHub:
    """`echo_created` is a mistake that it can be told to make: new rows go into `created`."""

    echo_created: bool = False
    number: int = 1
    rows: dict[Key, Row] = field(default_factory=dict)
    tombstones: dict[Key, int] = field(default_factory=dict)
    bases: dict[str, dict[Key, dict[str, Any]]] = field(default_factory=dict)
    newest: dict[str, float] = field(default_factory=dict)

    def device(self, name: str) -> StubTransport:
        return StubTransport(self, name)

    def pull(self, device: str, cursor: int | None) -> dict[str, Any]:
        since, changes = cursor or 0, Changes()
        for (table, row_id), row in self.rows.items():
            if row.number > since:
                part = "created" if self.echo_created else "updated"
                changes.of(table)[part].append({"id": row_id, **row.values})
                self.base(device)[table, row_id] = dict(row.values)
        for (table, row_id), number in self.tombstones.items():
            if number > since and cursor is not None:
                changes.of(table)["deleted"].append(row_id)
        return {"changes": changes.tables, "timestamp": self.number}

    def push(self, device: str, changes: Mapping[str, Any], cursor: float) -> dict[str, Any]:
        if cursor < self.newest.get(device, 0):
            return {}  # a late duplicate: this device has pushed from further on
        self.newest[device] = cursor
        for table, parts in changes.items():
            for raw in parts["created"]:
                self._take(device, (table, raw["id"]), raw, cursor=cursor, listed=None)
            for raw in parts["updated"]:
                listed = raw["_changed"].split(",")
                self._take(device, (table, raw["id"]), raw, cursor=cursor, listed=listed)
            for row_id in parts["deleted"]:
                if self.rows.pop((table, row_id), None):
                    self.tombstones[table, row_id] = self._next()
        return {"accepted": 1}

    def _take(
        self, device: str, key: Key, raw: Mapping[str, Any], *, cursor: float, listed: list[str] | None
    ) -> None:
        values = {name: value for name, value in raw.items() if name not in {"id", "_status", "_changed"}}
        base, row = self.base(device).get(key, {}), self.rows.get(key)
        self.base(device)[key] = dict(values)
        if key in self.tombstones:
            if listed is not None or self.tombstones[key] > cursor:
                self.tombstones[key] = self._next()
                return
            del self.tombstones[key]
        if row is None:
            self.rows[key] = Row(values, self._next())
            return
        changed = {
            name: value
            for name, value in values.items()
            if (listed is None or name in listed) and (name not in base or base[name] != value)
        }
        merged = {**row.values, **changed}
        if merged != row.values or merged != values:
            self.rows[key] = Row(merged, self._next())

    def base(self, device: str) -> dict[Key, dict[str, Any]]:
        """The rows as the device last had them from here, or sent them."""
        return self.bases.setdefault(device, {})

    def _next(self) -> int:
        self.number += 1
        return self.number


@dataclass
class Changes:
    tables: dict[str, dict[str, list[Any]]] = field(default_factory=dict)

    def of(self, table: str) -> dict[str, list[Any]]:
        return self.tables.setdefault(table, {"created": [], "updated": [], "deleted": []})


@dataclass
class StubTransport:
    hub: StubHub
    name: str

    async def pull(self, request: PullRequest) -> dict[str, Any]:
        return copy.deepcopy(self.hub.pull(self.name, request.last_pulled_at))

    async def push(self, request: PushRequest) -> dict[str, Any]:
        return self.hub.push(self.name, copy.deepcopy(request.changes), request.last_pulled_at)
