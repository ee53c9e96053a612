"""The real WatermelonDB, driven from Python: one Node.js process that holds local databases.

    with WatermelonDriver.start(installed()) as driver:
        phone = driver.open("phone", "sqlite", Schema(1, (Table("tasks", (Column("name", "string"),)),)))
        phone.create("tasks", {"id": "a", "name": "x"})
        result = phone.sync(Remote("http://127.0.0.1:8000/api/v1/sync", token=token))
        assert not driver.diagnostics

A synchronisation may call back at named points (`Point`), and whatever is done there happens in the middle of it: local
writes, requests of another device, a server's end. `node/driver.cjs` is the other side.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from tests.watermelon.install import DRIVER, Installation
from tests.watermelon.schema import Migration, Row, Schema

AdapterName = Literal["loki", "sqlite"]
Point = Literal["pulling", "pulled", "pushing", "sent", "answered"]
"""`pulling`: nothing sent. `pulled`: the answer is here, nothing applied. `pushing`: local changes are collected, nothing
sent. `sent`: the push is under way. `answered`: its answer is here and the client has not been told."""
Lost = Literal["pull", "push", "ack"]
"""The pull's answer; the push, before it is sent; the push's answer, after the server has done it."""

PATIENCE = 30.0
TAIL = 40


class DriverError(Exception):
    """The library, or the driver, refused an operation."""


class DriverDied(DriverError):
    """The Node.js process is gone, or says nothing any more."""


class SyncFailed(DriverError):
    """`synchronize()` threw."""

    def __init__(self, result: SyncResult) -> None:
        super().__init__(result.error)
        self.result = result


@dataclass(frozen=True)
class Write:
    """One operation of a local write. `delete` leaves a mark for the next push, `destroy` does not."""

    op: Literal["create", "update", "delete", "destroy"]
    table: str
    id: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def wire(self) -> Row:
        identity = {} if self.id is None else {"id": self.id}
        if self.op == "create":
            return {"op": self.op, "table": self.table, "values": {**self.values, **identity}}
        return {"op": self.op, "table": self.table, "values": dict(self.values), **identity}


@dataclass(frozen=True)
class LogLine:
    level: str
    text: str

    @property
    def is_error(self) -> bool:
        return self.level == "error"


@dataclass(frozen=True)
class Exchange:
    """A request and its answer. `body` is the text that was sent; `answer` is JSON where it was JSON."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: str | None
    status: int | None
    answer: Any

    @property
    def sent(self) -> Any:
        """The body as data."""
        return None if self.body is None else json.loads(self.body)


@dataclass(frozen=True)
class SyncResult:
    pulls: tuple[Exchange, ...]
    pushes: tuple[Exchange, ...]
    log: Mapping[str, Any]
    """What the library wrote into its SyncLog: resolvedConflicts, rejectedIds, phase, counts, …"""
    extras: Mapping[str, Any] | None
    """What of the pull's answer was handed to onDidPullChanges; None where nothing was applied."""
    error: str | None
    status: int | None
    """The HTTP status, where that was the error."""
    console: tuple[LogLine, ...]

    @property
    def pushed(self) -> Any:
        """The changes that were pushed first, or None."""
        if not self.pushes:
            return None
        sent = self.pushes[0].sent
        return sent["changes"] if "lastPulledAt" in sent else sent

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(line.text for line in self.console if line.is_error)


@dataclass(frozen=True)
class Pulled:
    """What a database remembers of its last pull."""

    at: int | None
    schema_version: int | None


@dataclass(frozen=True)
class Remote:
    """How an application talks to its server; the defaults are those of the library's documentation."""

    url: str
    """`/pull` and `/push` are below it."""
    token: str | None = None
    device: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    """Added to that of a pull."""
    send_created_as_updated: bool = True
    migrations_enabled_at: int | None = None
    pull_only: bool = False
    pull_method: Literal["GET", "POST"] = "GET"
    push_body: Literal["bare", "wrapped"] = "bare"
    cursor_name: Literal["last_pulled_at", "lastPulledAt"] = "last_pulled_at"
    first_sync: str | None = "null"
    """How a GET pull spells that there was none before; None: not at all."""
    whole_answer: bool = False
    """Hand all of a pull's answer to the library, not only `changes` and `timestamp`."""
    idempotent: bool = False
    server_wins: bool = False
    """With a conflictResolver that takes the server's row."""
    touch_pushed: bool = False
    """Like an application that takes `_status` and `_changed` out of the objects that it was given to push."""
    timeout: float = 20.0

    def wire(self, *, lose: Lost | None, send_twice: bool, points: Iterable[Point]) -> Row:
        return {
            "pullUrl": f"{self.url}/pull",
            "pushUrl": f"{self.url}/push",
            "token": self.token,
            "device": self.device,
            "headers": dict(self.headers),
            "query": dict(self.query),
            "sendCreatedAsUpdated": self.send_created_as_updated,
            "migrationsEnabledAtVersion": self.migrations_enabled_at,
            "pullOnly": self.pull_only,
            "pullMethod": self.pull_method,
            "pushBody": self.push_body,
            "cursorName": self.cursor_name,
            "firstSync": self.first_sync,
            "wholeAnswer": self.whole_answer,
            "idempotent": self.idempotent,
            "serverWins": self.server_wins,
            "touchPushed": self.touch_pushed,
            "timeout": int(self.timeout * 1000),
            "lose": lose,
            "sendTwice": send_twice,
            "points": list(points),
        }

    def but(self, **changes: Any) -> Remote:
        return replace(self, **changes)


class LocalDatabase:
    """One open database. Its methods are the library's; rows are raw, with `_status` and `_changed`."""

    def __init__(self, driver: WatermelonDriver, name: str, adapter: AdapterName) -> None:
        self.driver = driver
        self.name = name
        self.adapter = adapter

    def write(self, *operations: Write) -> list[str | None]:
        """All in one local write, as one batch; the ids."""
        ids: list[str | None] = self._call("write", operations=[operation.wire() for operation in operations])
        return ids

    def create(self, table: str, values: Mapping[str, Any]) -> None:
        """With the id that stands in `values`."""
        self.write(Write("create", table, values=values))

    def update(self, table: str, row_id: str, values: Mapping[str, Any]) -> None:
        self.write(Write("update", table, row_id, values))

    def delete(self, table: str, row_id: str) -> None:
        """Mark as deleted; the next push tells the server."""
        self.write(Write("delete", table, row_id))

    def destroy(self, table: str, row_id: str) -> None:
        """Delete for good; the server is not told."""
        self.write(Write("destroy", table, row_id))

    def stored(self, table: str) -> list[Row]:
        """All that is stored, ordered by id: rows that are marked as deleted too."""
        found: list[Row] = self._call("rows", table=table)
        return sorted(found, key=lambda row: str(row["id"]))

    def rows(self, table: str) -> list[Row]:
        """What the application sees, ordered by id."""
        return [row for row in self.stored(table) if row["_status"] != "deleted"]

    def get(self, table: str, row_id: str) -> Row | None:
        """As it is stored, whether or not it is marked as deleted."""
        found: list[Row] = self._call("rows", table=table, row=row_id)
        return found[0] if found else None

    def count(self, table: str) -> int:
        number: int = self._call("count", table=table)
        return number

    def has_unsynced_changes(self) -> bool:
        answer: bool = self._call("unsynced")
        return answer

    def pulled(self) -> Pulled:
        answer = self._call("pulled")
        return Pulled(answer["at"], answer["schemaVersion"])

    def set_last_pulled_at(self, at: int | None) -> None:
        self._call("setPulled", at=at)

    def sync(
        self,
        remote: Remote,
        *,
        at: Mapping[Point, Callable[[], object]] | None = None,
        lose: Lost | None = None,
        send_twice: bool = False,
    ) -> SyncResult:
        """`synchronize()`. What it throws is raised as `SyncFailed`, which has the result."""
        hooks = dict(at or {})
        wire = remote.wire(lose=lose, send_twice=send_twice, points=hooks)
        answer, console = self.driver.exchange("sync", {"name": self.name, "options": wire}, hooks)
        result = SyncResult(
            pulls=tuple(Exchange(**one) for one in answer.pop("pulls")),
            pushes=tuple(Exchange(**one) for one in answer.pop("pushes")),
            console=console,
            **answer,
        )
        if result.error is not None:
            raise SyncFailed(result)
        return result

    def save(self) -> None:
        """Write to the file now. Loki does it by itself every half second and on `close`; SQLite has always done it."""
        self._call("save")

    def reset(self) -> None:
        """unsafeResetDatabase: empty, and never synchronised."""
        self._call("reset")

    def close(self, *, keep: bool = True) -> None:
        """Without `keep` what was stored is removed. A database in memory is kept by the process, under its name."""
        self._call("close", keep=keep)

    def _call(self, op: str, **arguments: Any) -> Any:
        return self.driver.call(op, name=self.name, **arguments)


class WatermelonDriver:
    """One Node.js process. Not for several threads at once; a hook of `sync` may use it."""

    def __init__(self, process: subprocess.Popen[str], *, patience: float = PATIENCE) -> None:
        self._process = process
        self._patience = patience
        self._number = 0
        self._console: list[LogLine] = []
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._readers = [
            threading.Thread(target=self._read_answers, args=(_pipe(process.stdout),), daemon=True),
            threading.Thread(target=self._tail.extend, args=(_pipe(process.stderr),), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @classmethod
    def start(cls, installation: Installation, *, patience: float = PATIENCE) -> Self:
        """`patience`: how many seconds an operation may take before the process counts as dead."""
        process = subprocess.Popen(
            [installation.node.program, DRIVER, installation.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        return cls(process, patience=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def console(self) -> tuple[LogLine, ...]:
        """All that the library has said since the start or `forget_console`."""
        return tuple(self._console)

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """The errors among it. A client and a server that understand each other leave none."""
        return tuple(line.text for line in self._console if line.is_error)

    def forget_console(self) -> None:
        self._console.clear()

    def versions(self) -> dict[str, str]:
        """Of `node` and `watermelondb`."""
        answer: dict[str, str] = self.call("about")
        return answer

    def open(
        self,
        name: str,
        adapter: AdapterName,
        schema: Schema,
        *,
        path: Path | None = None,
        migrations: Iterable[Migration] | None = None,
    ) -> LocalDatabase:
        """Open or make a database: in `path` (which for SQLite has `.db` in it), or in this process' memory."""
        steps = None if migrations is None else [migration.wire() for migration in migrations]
        file = None if path is None else str(path)
        self.call("open", name=name, adapter=adapter, path=file, schema=schema.wire(), migrations=steps)
        return LocalDatabase(self, name, adapter)

    def resend(self, push: Exchange, *, timeout: float = 20.0) -> Exchange:
        """Send an earlier request again, as a network might: outside of a synchronisation, and nobody reads the answer."""
        message = {key: asdict(push)[key] for key in ("url", "method", "headers", "body")}
        return Exchange(**self.call("resend", message=message, timeout=int(timeout * 1000)))

    def call(self, op: str, **arguments: Any) -> Any:
        return self.exchange(op, arguments, {})[0]

    def exchange(
        self, op: str, arguments: Mapping[str, Any], hooks: Mapping[Point, Callable[[], object]]
    ) -> tuple[Any, tuple[LogLine, ...]]:
        """One operation, and what was said on the console meanwhile."""
        self._number += 1
        number = self._number
        before = len(self._console)
        self._send({"id": number, "op": op, **arguments})
        while "at" in (message := self._receive(number, op)):
            self._run_hook(hooks[message["at"]], number, op)
        if "error" in message:
            raise DriverError(f"{op}: {message['error']}")
        return message["ok"], tuple(self._console[before:])

    def _run_hook(self, hook: Callable[[], object], number: int, op: str) -> None:
        try:
            hook()
        except BaseException:
            if self._process.poll() is None:  # the synchronisation ends before the error goes on
                self.call("resume", of=number, fail=True)
                self._receive(number, op)
            raise
        self.call("resume", of=number)

    def stop(self) -> None:
        """End the process in order; databases in files are as they were last saved."""
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._clean_up()

    def kill(self) -> None:
        """End it like a crash."""
        self._process.kill()
        self._clean_up()

    def _clean_up(self) -> None:
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _send(self, message: Row) -> None:
        pipe = _pipe(self._process.stdin)
        try:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()
        except (BrokenPipeError, ValueError) as error:
            raise self._death(str(message["op"])) from error

    def _receive(self, number: int, op: str) -> Row:
        try:
            line = self._answers.get(timeout=self._patience)
        except queue.Empty:
            self._process.kill()
            raise DriverDied(f"no answer to {op} within {self._patience:.0f} s") from None
        if line is None:
            raise self._death(op)
        message: Row = json.loads(line)
        if message["id"] != number:
            raise DriverError(f"an answer to request {message['id']} while {op} is number {number}")
        self._console.extend(LogLine(**one) for one in message.pop("log", ()))
        return message

    def _death(self, op: str) -> DriverDied:
        code = self._process.wait()
        self._readers[1].join(1)
        return DriverDied(f"Node.js ended with {code} during {op}:\n{''.join(self._tail)}")

    def _read_answers(self, pipe: IO[str]) -> None:
        for line in pipe:
            self._answers.put(line)
        self._answers.put(None)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise DriverError("the process was started without pipes")
    return pipe
