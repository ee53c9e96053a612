"""The attack list has 41 vectors. Each has a test that carries its number, or stands here with what makes it out of reach."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attack.sources import lines_that_match
from tests.attack.wall import Wall, run, value

VECTORS = range(1, 42)


def no_channel_or_lock_is_named_after_a_tenant(wall: Wall) -> None:
    assert not lines_that_match(
        r"\b(pg_notify|notify|listen)\b\s*[\(\"'{a-z]*(app|tenant)", below="engines/postgres"
    )
    locks = lines_that_match(r"pg_(try_)?advisory", below="engines")
    assert all(re.search(r"advisory\w*\((\d+|\{_[A-Z_]+\})\)", line) for line in locks), (
        "a lock's key is one constant number"
    )


def no_explain_is_run(wall: Wall) -> None:
    assert not lines_that_match(r"[\"'(]\s*explain\s*(\(|analyze|select|verbose)")


def no_index_is_shared_by_distance(wall: Wall) -> None:
    """Another tenant's vectors change recall and latency in a shared HNSW or IVFFlat index; there are none."""
    with wall.runtime() as runtime:
        text = """select distinct m.amname from pg_class c join pg_am m on m.oid = c.relam
          join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'i' and n.nspname in ('app', 'holdfast', 'realm')"""
        assert run(runtime, text) == [("btree",)]


def no_pooler_stands_between(wall: Wall) -> None:
    """The logins go to the server itself: a session of ours is one backend, from login to logout."""
    with wall.runtime() as runtime:
        pid = value(runtime, "select pg_backend_pid()")
        run(runtime, "select pg_sleep(0)")
        assert value(runtime, "select pg_backend_pid()") == pid
    assert not lines_that_match(r"pgbouncer\s*[=(]", below="engines")


def nothing_reads_the_write_ahead_log(wall: Wall) -> None:
    with wall.connect("admin") as admin:
        assert value(admin, "select count(*) from pg_publication") == 0
        assert (
            value(admin, "select count(*) from pg_replication_slots where database = current_database()") == 0
        )


OUT_OF_REACH: dict[int, tuple[str, Callable[[Wall], None]]] = {
    24: ("no LISTEN, NOTIFY or advisory lock carries a tenant", no_channel_or_lock_is_named_after_a_tenant),
    34: ("no feature shows a query plan or an estimate", no_explain_is_run),
    40: ("no index is shared by distance", no_index_is_shared_by_distance),
}
ALSO_OUT_OF_REACH: dict[str, Callable[[Wall], None]] = {
    "15, 17, 18 through a pooler in transaction mode": no_pooler_stands_between,
    "22 by logical decoding": nothing_reads_the_write_ahead_log,
}


@pytest.mark.parametrize("number", sorted(OUT_OF_REACH), ids=lambda n: f"{n} {OUT_OF_REACH[n][0]}")
def test_a_vector_is_out_of_reach(wall: Wall, number: int) -> None:
    OUT_OF_REACH[number][1](wall)


@pytest.mark.parametrize("part", list(ALSO_OUT_OF_REACH))
def test_a_part_of_a_vector_is_out_of_reach(wall: Wall, part: str) -> None:
    ALSO_OUT_OF_REACH[part](wall)


def test_every_vector_is_attacked_or_out_of_reach() -> None:
    attacked = set()
    for path in Path(__file__).parent.glob("test_bypass_*.py"):
        names = [
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]
        attacked |= {int(found[1]) for name in names if (found := re.match(r"test_(\d\d)_", name))}
    assert attacked | set(OUT_OF_REACH) == set(VECTORS)
    assert not attacked & set(OUT_OF_REACH)
