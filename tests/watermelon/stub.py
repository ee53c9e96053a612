"""A server that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass
class StubServer:
    """Answers to come stand in `pulls` and `pushes`, as data or as text; without one a pull is empty and a push is fine."""

    url: str
    pulls: deque[Any] = field(default_factory=deque)
    pushes: deque[Any] = field(default_factory=deque)
    push_status: int = 200
    asked: list[Asked] = field(default_factory=list)
    now: int = 1000

    def answer(self, timestamp: Any = None, /, **tables: Mapping[str, Any]) -> None:
        """The next pull brings these rows: `tasks={"updated": [...]}`. Arrays that are left out are empty."""
        full = {
            table: {"created": [], "updated": [], "deleted": [], **rows} for table, rows in tables.items()
        }
        self.pulls.append({"changes": full, "timestamp": self._tick() if timestamp is None else timestamp})

    @property
    def pushed(self) -> list[Asked]:
        return [one for one in self.asked if one.path == "/push"]

    @property
    def pulled(self) -> list[Asked]:
        return [one for one in self.asked if one.path == "/pull"]

    def _tick(self) -> int:
        self.now += 1
        return self.now

    def reply(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        if asked.path == "/push":
            return self.push_status, self.pushes.popleft() if self.pushes else {}
        return 200, self.pulls.popleft() if self.pulls else {"changes": {}, "timestamp": self._tick()}


@contextmanager
def stub_server() -> Iterator[StubServer]:
    """On a port of this machine that was free."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        stub = StubServer(f"http://127.0.0.1:{server.server_port}")
        server.stub = stub  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        stub: StubServer = self.server.stub  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        status, answer = stub.reply(Asked(self.command, parts.path, query, headers, body))
        content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """The tests say what went wrong."""
