"""That the requests are what they are said to be, and reach the data that they are meant for."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from benchmarks.http.workload import OPERATIONS, Operation, update_requests
from benchmarks.targets.accounts import account
from benchmarks.targets.target import Seeded

SEEDED = [Seeded(f"token-{tenant}", [f"row-{tenant}-{row}" for row in range(7)]) for tenant in range(5)]


def parsed(request: bytes) -> tuple[str, str, str, bytes]:
    """Method, path, tenant's number and body; the announced length is the body's."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers.get("Content-Length", 0)) == len(body)
    method, path, _ = first.split(" ")
    return method, path, headers["Authorization"].removeprefix("Bearer token-"), body


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_tenant_takes_part_and_touches_its_own_rows_only(operation: Operation) -> None:
    seen = set()
    for request in operation.requests("/accounts", SEEDED):
        _, path, tenant, _ = parsed(request)
        seen.add(tenant)
        if "/row-" in path:
            assert path.startswith(f"/accounts/row-{tenant}-")
    assert seen == {"0", "1", "2", "3", "4"}


def test_no_update_leaves_its_row_as_it_was() -> None:
    bodies: dict[str, list[object]] = {}
    for request in update_requests("/accounts", SEEDED) * 2:
        _, path, _, body = parsed(request)
        bodies.setdefault(path, []).append(json.loads(body))
    assert len(bodies) == 35
    for changes in bodies.values():
        assert all(before != after for before, after in pairwise(changes))


def test_seed_data_is_always_the_same_and_differs_from_row_to_row() -> None:
    assert account(3) == account(3)
    assert len({json.dumps(account(number)) for number in range(1_000)}) == 1_000
