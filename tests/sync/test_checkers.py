"""The checkers themselves: each passes what is right and catches what is not."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.testing.sync.schema import Column, Schema, Table
from tests.sync.checkers import (
    CURSOR_BITS,
    ClientReport,
    ConflictRecord,
    Pull,
    Removal,
    ServerState,
    Snapshot,
    Superseded,
    Write,
    checksum,
    checksums_agree,
    clients_are_content,
    cursors_go_forward,
    deleted_stays_deleted,
    no_invented_values,
    no_write_lost,
    nothing_outside_scope,
    pushes_are_whole,
    reads_go_forward,
    replay_changed_nothing,
    same_rows_everywhere,
    wire_rows,
)

SCHEMA = Schema(1, (Table("t", (Column("a"), Column("n", "number"), Column("b", "boolean"))), Table("u", ())))


def rows(**named: Any) -> dict[str, dict[str, dict[str, Any]]]:
    return {"t": dict(named)}


def pull(
    timestamp: int, *ids: str, cursor: int | None = 1, deleted: tuple[str, ...] = (), epoch: int = 0
) -> Pull:
    parts = {"created": [], "updated": [{"id": one} for one in ids], "deleted": deleted}
    return Pull("A", cursor, timestamp, {"t": parts}, epoch)


@pytest.mark.parametrize(
    ("theirs", "wrong"),
    [
        ({"a": "x", "n": 1.0, "b": False, "id": "r"}, []),
        ({"a": "x", "n": 2, "b": False}, ["C1 A: t/r"]),
        ({"a": "", "n": 1, "b": False}, ["C1 A: t/r"]),
        ({"a": "x", "n": 1, "b": True}, ["C1 A: t/r"]),
        (None, ["C1 A: t/r"]),
    ],
)
def test_c1_and_c10_rows_are_the_servers(theirs: Any, wrong: list[str]) -> None:
    server: dict[str, Any] = {**rows(r={"a": "x", "n": 1, "b": 0, "created_at": 5}), "unknown": {"z": {}}}
    device = {"t": {"r": theirs} if theirs is not None else {}, "u": {}}
    assert same_rows_everywhere(SCHEMA, server, {"A": device}) == wrong
    assert checksums_agree(SCHEMA, server, {"A": device}) == (["C10 A"] if wrong else [])


def test_c1_a_row_too_many() -> None:
    assert same_rows_everywhere(SCHEMA, {}, {"A": rows(r={})}) == ["C1 A: t/r"]


WRITE = Write("A", "t", "r", "a", "mine", after=5)


@pytest.mark.parametrize(
    ("current", "history", "conflicts", "kept"),
    [
        ("mine", [], [], True),
        ("theirs", [], [], False),
        ("theirs", [Superseded("t", "r", "a", "mine", 6)], [], True),
        ("theirs", [Superseded("t", "r", "a", "mine", 5)], [], False),
        ("theirs", [Superseded("t", "r", "a", "other", 6)], [], False),
        ("theirs", [Superseded("t", "r", "b", "mine", 6)], [], False),
        ("theirs", [Superseded("t", "r", "a", "mine", 4, pushed=True)], [], False),
        ("theirs", [], [ConflictRecord("t", "r", frozenset("a"), "server")], False),
        (
            "theirs",
            [Superseded("t", "r", "a", "mine", 4, pushed=True)],
            [ConflictRecord("t", "r", frozenset("a"), "server")],
            True,
        ),
        (
            "theirs",
            [Superseded("t", "r", "a", "mine", 4, pushed=True)],
            [ConflictRecord("t", "r", frozenset("a"), "")],
            False,
        ),
        (None, [Superseded("t", "r", "a", "mine", 9)], [], True),
        (None, [], [], False),
    ],
)
def test_c2_no_acknowledged_write_is_lost(current: Any, history: Any, conflicts: Any, kept: bool) -> None:
    found = no_write_lost([WRITE], rows(r={"a": current}) if current else {}, history, conflicts)
    assert found == ([] if kept else ["C2 A: t/r.a"])


@pytest.mark.parametrize(
    ("removals", "wrong"),
    [
        ([], False),
        ([Removal("t", "r", 5)], True),
        ([Removal("t", "r", 11)], False),
        ([Removal("t", "r", 6, undone=True), Removal("t", "r", 5)], False),
        ([Removal("t", "r", 5), Removal("t", "r", 6, undone=True), Removal("t", "r", 7)], True),
        ([Removal("t", "other", 5)], False),
    ],
)
def test_c3_deleted_stays_deleted(removals: list[Removal], wrong: bool) -> None:
    found = deleted_stays_deleted(removals, [Snapshot("A", 10, rows(r={}))])
    assert found == (["C3 A: t/r"] if wrong else [])


def test_c4_every_value_was_written() -> None:
    written = [Write("A", "t", "r", "n", 1), Write("A", "t", "s", "a", "x")]
    assert no_invented_values(rows(r={"id": "r", "n": 1.0, "a": None}), written) == []
    assert no_invented_values(rows(r={"n": True, "a": "x"}), written) == ["C4 t/r.n", "C4 t/r.a"]
    assert no_invented_values(rows(r={"n": 2}), written, merged=[("t", "n")]) == []
    assert no_invented_values(rows(r={"a": ""}), written, defaults={("t", "a"): [""]}) == []


def test_c5_rows_written_together_are_seen_together() -> None:
    group = [("t", "r"), ("t", "s")]
    whole, empty = rows(r={"n": 1}, s={"n": 1}), rows()
    torn, half = rows(r={"n": 1}, s={"n": 2}), rows(r={"n": 1})
    assert pushes_are_whole([Snapshot("A", 1, whole), Snapshot("A", 2, empty)], [group], "n") == []
    found = pushes_are_whole([Snapshot("A", 1, torn), Snapshot("B", 2, half)], [group], "n")
    assert found == ["C5 A at 1: t/r and others", "C5 B at 2: t/r and others"]


def test_c6_cursors_go_forward() -> None:
    forward = [pull(5, "r", cursor=None), pull(7, "r", cursor=5), pull(8, "r", "s", cursor=5)]
    assert cursors_go_forward(forward) == []
    back = "C6 A: the cursor went back, or changed its tag"
    assert cursors_go_forward([pull(7), pull(6, cursor=2)]) == [back]
    assert cursors_go_forward([pull(7), pull((1 << CURSOR_BITS) + 7, cursor=2)]) == [back]
    assert cursors_go_forward([pull(7), pull(6, epoch=1)]) == []


def test_c6_one_cursor_brings_the_same_or_more() -> None:
    assert cursors_go_forward([pull(7, "r", "s"), pull(7, "r", deleted=("s",))]) == []
    assert cursors_go_forward([pull(7, "r", "s"), pull(8, "r")]) == ["C6 A: t/s came once"]


def test_c7_a_replay_changes_nothing() -> None:
    state = ServerState(5, rows(r={"n": 1}), history=2, conflicts=1)
    assert replay_changed_nothing(state, state) == []
    other = ServerState(6, rows(r={"n": 2}), history=3, conflicts=2, tombstones=1)
    assert replay_changed_nothing(state, other) == [
        "C7 head",
        "C7 history",
        "C7 conflicts",
        "C7 tombstones",
        "C7 t/r",
    ]


def test_c8_nothing_leaves_its_scope() -> None:
    def own(_: str, place: tuple[str, str]) -> bool:
        return place[1].startswith("a")

    answers = [pull(5, "a1", "b1", deleted=("a2", "b2", "c2"))]
    assert nothing_outside_scope(answers, own) == ["C8 A: t/b1", "C8 A: t/b2", "C8 A: t/c2"]
    past = nothing_outside_scope(answers, own, might_have_seen=lambda _, place: place[1] != "c2")
    assert past == ["C8 A: t/b1", "C8 A: t/c2"]


def test_c9_clients_are_content() -> None:
    assert clients_are_content([ClientReport("A")]) == []
    found = clients_are_content([ClientReport("A", errors=["created_exists"], unsynced=True)])
    assert found == ["C9 A: created_exists", "C9 A: unsynced"]


def test_c10_a_checksum_does_not_hang_on_order_or_spelling() -> None:
    one = rows(r={"a": "x", "n": 1}, s={"a": "ü", "n": 0.1})
    two = rows(s={"n": 0.1, "a": "ü"}, r={"n": 1.0, "a": "x", "b": 0})
    assert checksum(SCHEMA, one) == checksum(SCHEMA, two)
    assert checksum(SCHEMA, one) != checksum(SCHEMA, rows(r={"a": "x", "n": 1}))


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (["x", "y", "z"], []),
        (["x", "z"], []),
        (["y", "y", None, "y"], []),
        (["x", "y", "x"], []),
        (["z", "y"], [2]),
        (["x", "unheard of", "z"], [2]),
    ],
)
def test_c11_reads_go_forward(seen: list[str | None], wrong: list[int]) -> None:
    snapshots = [
        Snapshot("A", index, rows(r={"a": value}) if value else rows())
        for index, value in enumerate(seen, start=1)
    ]
    order = {("t", "r", "a"): ["x", "y", "x", "z"]}
    assert reads_go_forward(snapshots, order) == [f"C11 A at {at}: t/r.a" for at in wrong]
    assert reads_go_forward([Snapshot("B", 9, rows(r={"a": "z"})), *snapshots[:1]], order) == []


def test_the_rows_that_answers_bring() -> None:
    answers = [pull(5, "r", "s", cursor=None), pull(6, "q", deleted=("s",))]
    assert wire_rows(answers) == rows(r={"id": "r"}, q={"id": "q"})
