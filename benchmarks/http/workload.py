"""What is asked of every target: four operations, on one tenant and on a thousand, as ready-made requests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.targets.accounts import account
from benchmarks.targets.target import Seeded

MOST_REQUESTS = 10_000
PAGE = 100


@dataclass(frozen=True, slots=True)
class Spread:
    """A part of the rows, and how many tenants hold it."""

    name: str
    rows: int
    tenants: int


ONE_TENANT = Spread("one tenant", 10_000, 1)
MANY_TENANTS = Spread("1,000 tenants", 100_000, 1_000)


@dataclass(frozen=True, slots=True)
class Operation:
    """`status` is the one right answer; `goal` the least ratio of Holdfast to the twin that we are content with."""

    name: str
    status: int
    goal: float
    requests: Callable[[str, Sequence[Seeded]], list[bytes]]
    """From the collection's path and the tenants, what to send, over and over again in this order."""


def read_requests(collection: str, seeded: Sequence[Seeded]) -> list[bytes]:
    return [request_bytes("GET", f"{collection}/{row}", token) for token, row in _rows(seeded)]


def list_requests(collection: str, seeded: Sequence[Seeded]) -> list[bytes]:
    return [request_bytes("GET", f"{collection}?limit={PAGE}", tenant.token) for tenant in seeded]


def create_requests(collection: str, seeded: Sequence[Seeded]) -> list[bytes]:
    return [
        request_bytes("POST", collection, seeded[number % len(seeded)].token, account(number))
        for number in range(max(len(seeded), MOST_REQUESTS))
    ]


def update_requests(collection: str, seeded: Sequence[Seeded]) -> list[bytes]:
    """Each row twice, with different values: however long a run goes on, no update is one that changes nothing."""
    return [
        request_bytes(
            "PATCH", f"{collection}/{row}", token, {"name": f"Renamed {turn}", "balance": f"{number}.{turn}5"}
        )
        for turn in range(2)
        for number, (token, row) in enumerate(_rows(seeded))
    ]


OPERATIONS = (
    Operation("point read", 200, 1.0, read_requests),
    Operation("list of 100", 200, 1.0, list_requests),
    Operation("create", 201, 1.0, create_requests),
    Operation("update", 200, 1.2, update_requests),
)


def _rows(seeded: Sequence[Seeded]) -> list[tuple[str, str]]:
    """Tokens and ids of some of the rows, in an order that jumps from tenant to tenant and is always the same."""
    rows = [(tenant.token, row) for tenant in seeded for row in tenant.ids]
    random.Random(len(rows)).shuffle(rows)
    return rows[:MOST_REQUESTS]


def request_bytes(method: str, path: str, token: str, body: object = None) -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: benchmark\r\nAuthorization: Bearer {token}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    content = json.dumps(body).encode()
    return (
        f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
    )
