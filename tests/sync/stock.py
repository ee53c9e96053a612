"""The stock client in small: whole rows, `_status` and `_changed`, local edits kept over what is pulled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.sync.device import Device, Row, as_changes, new_row_id


@dataclass
class Record:
    """A row of the local database."""

    raw: Row
    status: str = "synced"
    changed: set[str] = field(default_factory=set)


class Stock:
    """A local database of one table, and how it syncs. `lost` lets the answer to a push go astray."""

    def __init__(self, device: Device, table: str, empty: Row) -> None:
        self.device = device
        self.table = table
        self.records: dict[str, Record] = {}
        self._empty = empty

    def create(self, **fields: Any) -> str:
        """A new row."""
        row_id = new_row_id()
        self.records[row_id] = Record({"id": row_id, **self._empty, **fields}, "created")
        return row_id

    def edit(self, row_id: str, **fields: Any) -> None:
        """Change a row that is there."""
        record = self.records[row_id]
        changed = {name for name, value in fields.items() if record.raw[name] != value}
        record.raw = {**record.raw, **fields}
        record.changed |= changed
        if record.status == "synced" and changed:
            record.status = "updated"

    def delete(self, row_id: str) -> None:
        """Mark it as deleted."""
        self.records[row_id].status = "deleted"

    def alive(self) -> list[str]:
        """The ids of rows that a user sees."""
        return [row_id for row_id, record in self.records.items() if record.status != "deleted"]

    @property
    def dirty(self) -> bool:
        """Whether anything waits to be pushed."""
        return any(record.status != "synced" for record in self.records.values())

    async def sync(self, *, lost: bool = False, meanwhile: Any = None) -> None:
        """Pull, then push what is dirty. `meanwhile` is called while the push is under way."""
        self._apply((await self.device.pull()).get(self.table))
        sent = {i: (dict(r.raw), r.status) for i, r in self.records.items() if r.status != "synced"}
        if not sent:
            return
        answer = await self.device.ask_push(as_changes({self.table: self._payload()}))
        assert answer.status_code == 200, answer.text
        if meanwhile is not None:
            meanwhile(self)
        if not lost:
            later = set(answer.json().get("experimentalRejectedIds", {}).get(self.table, ()))
            for row_id, (raw, status) in sent.items():
                if row_id not in later:
                    self._acknowledge(row_id, raw, status)

    def _payload(self) -> dict[str, Any]:
        pushed: dict[str, Any] = {"created": [], "updated": [], "deleted": []}
        for row_id, record in self.records.items():
            if record.status == "deleted":
                pushed["deleted"].append(row_id)
            elif record.status != "synced":
                extra = {"_status": record.status, "_changed": ",".join(sorted(record.changed))}
                pushed[record.status].append({**record.raw, **extra})
        return pushed

    def _acknowledge(self, row_id: str, raw: Row, status: str) -> None:
        record = self.records.get(row_id)
        if record is None or record.status != status or (status != "deleted" and record.raw != raw):
            return
        if status == "deleted":
            del self.records[row_id]
        else:
            record.status, record.changed = "synced", set()

    def _apply(self, arrays: Any) -> None:
        if arrays is None:
            return
        for raw in (*arrays["created"], *arrays["updated"]):
            record = self.records.get(raw["id"])
            if record is None:
                self.records[raw["id"]] = Record(dict(raw))
            elif record.status != "deleted":
                record.raw = {**raw, **{name: record.raw[name] for name in record.changed}}
        for row_id in arrays["deleted"]:
            self.records.pop(row_id, None)
