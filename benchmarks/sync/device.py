"""A device as a load: it pulls, keeps its cursor, and makes rows and requests that are ready to be sent."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from benchmarks.errors import BenchmarkError
from benchmarks.targets.accounts import account

TABLE = "financial_accounts"
DIFFERENT = 1_000
PIECE = 1 << 18
ROW_MARK = b'"id":"'
TIMEOUT = 120.0
IDLE = 2.0
"""After so many seconds a server may close a connection that nothing goes over."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull of many rows took, and how many there were. Seconds."""

    rows: int
    bytes: int
    first_byte: float
    seconds: float


class Device:
    """One local database of one person, on a connection of its own."""

    def __init__(self, base_url: str, path: str, token: str, name: str) -> None:
        self.path = path
        self.name = name
        self.token = token
        self.base_url = base_url
        self.cursor = 0
        self._headers = {
            "Authorization": f"Bearer {token}",
            "X-Holdfast-Device": name,
            "Content-Type": "application/json",
        }
        self._connection: HTTPConnection | None = None
        self._used = 0.0

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def pull(self) -> dict[str, Any]:
        """Pull and go on from there. Returns the changes of the accounts."""
        answer = self._json("GET", self.pull_path())
        self.cursor = answer["timestamp"]
        changes: dict[str, Any] = answer["changes"].get(TABLE, {"created": [], "updated": [], "deleted": []})
        return changes

    def push(self, *, created: Iterable[bytes] = (), updated: Iterable[bytes] = ()) -> dict[str, Any]:
        """Push rows on what was pulled last."""
        answer: dict[str, Any] = self._json("POST", self.push_path(), push_body(created, updated))
        return answer

    def first_pull(self, watch: Callable[[], None]) -> Pulled:
        """Read a first sync and keep none of it. `watch` is called now and then meanwhile."""
        self._wanted()
        started = perf_counter()
        answer = self._ask("GET", f"{self.path}/pull")
        piece = answer.read1(PIECE)
        first = perf_counter() - started
        rows = size = 0
        tail = b""
        while piece:
            size += len(piece)
            piece = tail + piece
            rows += piece.count(ROW_MARK)
            tail = piece[-len(ROW_MARK) + 1 :]
            watch()
            piece = answer.read1(PIECE)
        if not tail.endswith(b"}}"):
            raise BenchmarkError("a pull ended before its end")
        return Pulled(rows, size, first, perf_counter() - started)

    def pull_path(self) -> str:
        """Where the next pull goes."""
        return f"{self.path}/pull" + (f"?last_pulled_at={self.cursor}" if self.cursor else "")

    def push_path(self) -> str:
        """Where the next push goes."""
        return f"{self.path}/push?last_pulled_at={self.cursor}"

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A request as it goes over the wire."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return f"{method} {path} HTTP/1.1\r\nHost: benchmark\r\n{lines}{length}\r\n".encode() + body

    def _wanted(self) -> HTTPConnection:
        if perf_counter() - self._used > IDLE:
            self.close()
        self._used = perf_counter()
        if self._connection is None:
            self._connection = HTTPConnection(urlsplit(self.base_url).netloc, timeout=TIMEOUT)
            self._connection.connect()
        return self._connection

    def _ask(self, method: str, path: str, body: bytes | None = None) -> HTTPResponse:
        connection = self._wanted()
        connection.request(method, path, body, self._headers)
        answer = connection.getresponse()
        if answer.status != 200:
            answer.read()
            raise BenchmarkError(f"{method} {path.partition('?')[0]} answers {answer.status} instead of 200")
        return answer

    def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        return json.loads(self._ask(method, path, body).read())


def fresh_id() -> str:
    """An id as WatermelonDB makes it: 16 letters and digits."""
    while True:
        text = base64.b64encode(os.urandom(12)).decode()
        if text.isalnum():
            return text


def _ending(number: int) -> bytes:
    """A row as a device holds it, behind its id."""
    fields = account(number)
    wire = {
        **fields,
        "balance": float(str(fields["balance"])),
        "interest_rate": float(str(fields["interest_rate"])),
        "is_active": True,
        "metadata": json.dumps(fields["metadata"], sort_keys=True, separators=(",", ":")),
    }
    return b'",' + json.dumps(wire).encode()[1:]


ENDINGS = [_ending(number) for number in range(DIFFERENT)]


def new_row(number: int, row_id: str | None = None) -> bytes:
    """Account `number` as a new row."""
    head = f'{{"_status":"created","_changed":"","id":"{row_id or fresh_id()}'
    return head.encode() + ENDINGS[number % DIFFERENT]


def edited_row(row_id: str, number: int, balance: str) -> bytes:
    """Account `number` with another balance."""
    wire = json.loads(b'{"id":"' + row_id.encode() + ENDINGS[number % DIFFERENT])
    wire |= {"_status": "updated", "_changed": "balance", "balance": float(balance)}
    return json.dumps(wire).encode()


def push_body(created: Iterable[bytes], updated: Iterable[bytes] = ()) -> bytes:
    """The changes of a push, bare."""
    return b'{"%b":{"created":[%b],"updated":[%b],"deleted":[]}}' % (
        TABLE.encode(),
        b",".join(created),
        b",".join(updated),
    )
