"""A small server of the sync protocol that can be told to make mistakes, to test the tests that find them.

Without faults it keeps every rule, in either of the two ways that the protocol allows: it merges what meets, or aborts with
409. `FAULTS` names each mistake and the rule that has to catch it.
"""

from __future__ import annotations

import copy
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

TABLE = "notes"
TEMPLATE: dict[str, Any] = {"title": "a title", "amount": 1.5, "done": True, "note": None}
TOKENS = {"Bearer token-of-one": "one", "Bearer token-of-two": "two"}

FAULTS = {
    "spellings_of_a_first_sync": "pull_01",
    "edits_not_sent": "pull_01",
    "deletes_not_sent": "pull_01",
    "timestamp_zero": "pull_02",
    "timestamp_as_text": "pull_02",
    "timestamp_with_fraction": "pull_02",
    "arrays_missing": "pull_03",
    "id_in_two_arrays": "pull_04",
    "re_made_and_deleted": "pull_04",
    "status_stored": "pull_05",
    "numeric_ids": "pull_06",
    "ids_of_its_own": "pull_06",
    "numbers_as_text": "pull_07",
    "partial_rows": "pull_08",
    "migration_ignored": "pull_09",
    "everybodys_rows": "pull_10",
    "deletes_on_a_first_sync": "pull_11",
    "delta_called_replacement": "pull_12",
    "fourth_key": "pull_13",
    "half_applied": "push_01",
    "create_is_insert": "push_02",
    "unknown_update_dropped": "push_03",
    "ghost_kept": "push_03",
    "unknown_delete_fails": "push_04",
    "deletes_ignored": "push_04",
    "edit_lost": "push_05",
    "status_refused": "push_06",
    "missing_columns_emptied": "push_07",
    "anything_stored": "push_08",
    "crash_on_a_bad_value": "push_08",
    "anybodys_push": "push_08_foreign",
    "answered_before_stored": "push_09",
    "rejected_as_list": "push_10",
    "everything_rejected": "push_10",
    "cursor_of_a_clock": "T1",
    "cursor_after_the_rows": "T2",
    "row_by_row": "T2",
    "created_echo": "T3",
    "conflict_with_oneself": "T4",
    "create_overwrites": "T5",
    "conflict_for_ever": "T6",
    "merge_not_sent": "T6",
    "mended_in_silence": "T7",
    "tombstone_for_ever": "T8",
    "cursor_of_the_future": "T10",
    "cursor_goes_back": "T11",
    "columns_ignored": "T12",
    "cacheable": "T13",
    "short_addresses": "T14",
    "pages_unasked": "T16",
    "page_skips": "T16",
}


@dataclass
class Record:
    owner: str
    row: dict[str, Any]
    made: int
    version: int
    device: str
    deleted: bool = False
    was_deleted: bool = False
    differs: bool = False
    """Not what the device sent that wrote it last."""


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Caller:
    user: str
    device: str


@dataclass
class Protocol:
    """The rows of one table, and what devices do with them."""

    faults: frozenset[str] = frozenset()
    conflicts: Literal["merge", "abort"] = "merge"
    records: dict[str, Record] = field(default_factory=dict)
    head: int = 1
    pulls: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def has(self, fault: str) -> bool:
        assert fault in FAULTS
        return fault in self.faults

    # -- pull

    def pull(self, caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
        since = self._cursor(asked.get("last_pulled_at"))
        with self.lock:
            if since > self.head and not self.has("cursor_of_the_future"):
                raise Refused(410)
            answer = self._changes(caller, since, asked)
            timestamp = self.head
        if self.has("cursor_after_the_rows"):
            time.sleep(0.02)
            timestamp = self.head
        return {"changes": answer.pop(""), "timestamp": self._timestamp(timestamp), **answer}

    def _cursor(self, spelled: Any) -> int:
        first = (
            (None, "", "0", 0)
            if self.has("spellings_of_a_first_sync")
            else (None, "", "null", "undefined", "0", 0)
        )
        if spelled in first:
            return 0
        try:
            return int(float(spelled))
        except ValueError:
            raise Refused(400) from None

    def _timestamp(self, number: int) -> Any:
        self.pulls += 1
        if self.has("timestamp_zero"):
            return 0
        if self.has("timestamp_as_text"):
            return str(number)
        if self.has("timestamp_with_fraction"):
            return number + 0.5
        if self.has("cursor_goes_back"):
            return max(1, number - self.pulls % 2)
        return number

    def _changes(self, caller: Caller, since: int, asked: dict[str, Any]) -> dict[str, Any]:
        mine = [r for r in self.records.values() if r.owner == caller.user or self.has("everybodys_rows")]
        new = sorted((r for r in mine if self._goes_out(r, caller, since)), key=lambda r: r.version)
        rows = [r for r in new if not r.deleted]
        rows += [r for r in mine if r not in rows and not r.deleted and self._migrates(r, asked)]
        deleted = [r.row["id"] for r in new if r.deleted and self._tells_delete(since)]
        if self.has("re_made_and_deleted"):
            deleted += [r.row["id"] for r in rows if r.was_deleted]
        more: dict[str, Any] = {}
        if self.has("page_skips") and asked.get("paging"):
            rows = rows[:5]
        if self.has("pages_unasked"):
            rows = rows[:5]
        created = [r for r in rows if r.made > since] if self.has("created_echo") else []
        updated = [r for r in rows if r not in created]
        arrays: dict[str, Any] = {
            "created": [self._sent(r, since) for r in created],
            "updated": [self._sent(r, since) for r in updated],
            "deleted": deleted,
        }
        if self.has("id_in_two_arrays"):
            arrays["created"] += [self._sent(r, since) for r in updated if r.version > r.made]
        if self.has("arrays_missing"):
            arrays = {kind: items for kind, items in arrays.items() if items}
        if self.has("fourth_key"):
            arrays["count"] = len(rows)
        if self.has("delta_called_replacement"):
            more["experimentalStrategy"] = "replacement"
        return {"": {TABLE: arrays} if rows or deleted else {}, **more}

    def _goes_out(self, record: Record, caller: Caller, since: int) -> bool:
        if record.version <= since:
            return False
        if since and self.has("edits_not_sent") and not record.deleted and record.made <= since:
            return False
        own = since > 0 and record.device == caller.device != ""
        if own and (self.has("merge_not_sent") or self.has("mended_in_silence")):
            return False
        return not own or record.differs or self.has("created_echo")

    def _tells_delete(self, since: int) -> bool:
        return not self.has("deletes_not_sent") and (since > 0 or self.has("deletes_on_a_first_sync"))

    def _migrates(self, record: Record, asked: dict[str, Any]) -> bool:
        migration = asked.get("migration")
        if isinstance(migration, str):
            migration = json.loads(migration or "null")
        if not migration:
            return False
        tables, columns = migration.get("tables") or [], migration.get("columns") or []
        if TABLE in tables and not self.has("migration_ignored"):
            return True
        named = [name for one in columns if one["table"] == TABLE for name in one["columns"]]
        return not self.has("columns_ignored") and any(record.row.get(name) for name in named)

    def _sent(self, record: Record, since: int) -> dict[str, Any]:
        row = dict(record.row)
        if self.has("partial_rows") and record.made <= since:
            row.pop("done", None)
        if self.has("numbers_as_text"):
            row["amount"] = str(row["amount"])
        if self.has("numeric_ids"):
            row["id"] = record.made
        if self.has("ids_of_its_own"):
            row["id"] = f"note-{record.made}"
        return row

    # -- push

    def push(self, caller: Caller, last_pulled_at: Any, body: dict[str, Any]) -> dict[str, Any]:
        changes = body["changes"] if isinstance(body.get("changes"), dict) else body
        pulled = self._cursor(last_pulled_at)
        arrays = changes.get(TABLE, {})
        if self.has("answered_before_stored"):
            threading.Timer(0.1, self._apply, (caller, pulled, arrays)).start()
            return {}
        if self.has("row_by_row"):
            for kind, items in arrays.items():
                for item in items:
                    self._apply(caller, pulled, {kind: [item]})
                    time.sleep(0.005)
        elif self.has("cursor_of_a_clock"):
            self._apply_by_clock(caller, pulled, arrays)
        else:
            self._apply(caller, pulled, arrays)
        if self.has("rejected_as_list"):
            return {"experimentalRejectedIds": []}
        if self.has("everything_rejected"):
            return {"experimentalRejectedIds": {TABLE: [row["id"] for row in arrays.get("created", [])]}}
        return {}

    def _apply_by_clock(self, caller: Caller, pulled: int, arrays: dict[str, Any]) -> None:
        """The version is taken at the beginning, and the rows can be seen at the end."""
        with self.lock:
            self.head += 1
            version = self.head
        time.sleep(random.uniform(0, 0.03))
        with self.lock:
            head = self.head
            self._apply(caller, pulled, arrays)
            for record in self.records.values():
                if record.version > head:
                    record.version = version
            self.head = max(head, version)

    def _apply(self, caller: Caller, pulled: int, arrays: dict[str, Any]) -> None:
        with self.lock:
            before = copy.deepcopy(self.records), self.head
            try:
                for kind in ("created", "updated"):
                    for raw in arrays.get(kind) or []:
                        self._take(caller, pulled, raw, created=kind == "created")
                for row_id in arrays.get("deleted") or []:
                    self._delete(caller, pulled, row_id)
            except Refused:
                if not self.has("half_applied"):
                    self.records, self.head = before
                raise

    def _take(self, caller: Caller, pulled: int, raw: Any, *, created: bool) -> None:
        if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
            raise Refused(400)
        if self.has("status_refused") and "_status" in raw:
            raise Refused(422)
        record = self.records.get(raw["id"])
        if record is not None and record.owner != caller.user and not self.has("anybodys_push"):
            raise Refused(403)
        if record is None or (record.deleted and self._may_make_again(record, pulled, created=created)):
            self._make(caller, raw, record, created=created)
        elif record.deleted:
            self._meet_tombstone(caller, record)
        else:
            self._edit(caller, pulled, raw, record, created=created)

    def _may_make_again(self, record: Record, pulled: int, *, created: bool) -> bool:
        return created and record.version <= pulled and not self.has("tombstone_for_ever")

    def _make(self, caller: Caller, raw: dict[str, Any], gone: Record | None, *, created: bool) -> None:
        if not created and self.has("unknown_update_dropped"):
            return
        values, mended = self._values(raw)
        row = {**dict.fromkeys(TEMPLATE), **values, "id": raw["id"]}
        version = self._next()
        self.records[raw["id"]] = Record(
            caller.user, row, version, version, caller.device, was_deleted=gone is not None, differs=mended
        )

    def _meet_tombstone(self, caller: Caller, record: Record) -> None:
        if self.has("tombstone_for_ever"):
            return
        if self.has("ghost_kept"):
            record.device = caller.device
        elif self.conflicts == "abort":
            raise Refused(409)

    def _edit(
        self, caller: Caller, pulled: int, raw: dict[str, Any], record: Record, *, created: bool
    ) -> None:
        if created and self.has("create_is_insert"):
            raise Refused(409)
        values, mended = self._values(raw)
        equal = all(record.row.get(name) == value for name, value in values.items())
        theirs = record.version > pulled and record.device != caller.device
        if self._aborts(record, pulled, theirs=theirs, equal=equal):
            raise Refused(409)
        listed = {name for name in str(raw.get("_changed") or "").split(",") if name}
        if created and theirs and not self.has("create_overwrites"):
            values = {}
        elif listed and not self.has("edit_lost"):
            values = {name: value for name, value in values.items() if name in listed}
        if self.has("missing_columns_emptied"):
            values = dict.fromkeys(TEMPLATE) | values
        record.row.update(values)
        record.differs = mended or theirs
        record.version, record.device = self._next(), caller.device

    def _aborts(self, record: Record, pulled: int, *, theirs: bool, equal: bool) -> bool:
        if self.has("conflict_for_ever"):
            return record.version > record.made
        if self.has("conflict_with_oneself"):
            return record.version > pulled
        lenient = self.conflicts == "merge" or self.has("edit_lost") or self.has("create_overwrites")
        return theirs and not equal and not lenient

    def _values(self, raw: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """The usable values, and whether some are not."""
        known = [*TEMPLATE, "_status", "_changed"] if self.has("status_stored") else list(TEMPLATE)
        values = {name: raw[name] for name in known if name in raw}
        bad = [name for name in ("title", "amount") if name in values and not self._fits(name, values[name])]
        if bad and self.has("crash_on_a_bad_value"):
            raise Refused(500)
        if self.has("anything_stored"):
            return values, False
        if bad and self.conflicts == "abort":
            raise Refused(422)
        return {name: value for name, value in values.items() if name not in bad}, bool(bad)

    @staticmethod
    def _fits(name: str, value: Any) -> bool:
        return isinstance(value, str) if name == "title" else isinstance(value, int | float)

    def _delete(self, caller: Caller, pulled: int, row_id: str) -> None:
        record = self.records.get(row_id)
        if record is None or record.deleted or record.owner != caller.user:
            if self.has("unknown_delete_fails"):
                raise Refused(404)
            return
        if self.has("deletes_ignored"):
            return
        if self.conflicts == "abort" and record.version > pulled and record.device != caller.device:
            raise Refused(409)
        record.deleted, record.differs = True, False
        record.version, record.device = self._next(), caller.device

    def _next(self) -> int:
        self.head += 1
        return self.head


def _handler(protocol: Protocol) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=None)

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            self._answer(body=json.loads(self.rfile.read(length) or b"{}"))

        def _answer(self, body: Any) -> None:
            try:
                status, answer = 200, self._asked(body)
            except Refused as refused:
                status, answer = refused.status, {"code": "refused"}
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            if not protocol.has("cacheable"):
                self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(text)

        def _asked(self, body: Any) -> dict[str, Any]:
            parts = urlsplit(self.path)
            query: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
            user = TOKENS.get(self.headers.get("authorization", ""))
            if user is None:
                raise Refused(401)
            caller = Caller(user, self.headers.get("x-device", ""))
            if protocol.has("short_addresses") and (
                len(self.path) > 8_000 or (body and parts.path == "/pull")
            ):
                raise Refused(414)
            if parts.path == "/both":  # as the library's documentation has it
                parts = parts._replace(path="/pull" if body is None else "/push")
            if parts.path == "/pull":
                return protocol.pull(caller, query | (body or {}))
            if parts.path == "/push" and isinstance(body, dict):
                return protocol.push(caller, query.get("last_pulled_at"), body)
            raise Refused(404)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(protocol: Protocol) -> Iterator[str]:
    """The address of a server of this protocol."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(protocol))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
