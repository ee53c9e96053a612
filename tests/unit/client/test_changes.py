"""How pages join, and how a push is divided."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.client.changes import (
    MOST_BYTES,
    Page,
    TableChanges,
    divide,
    entries,
    join_answers,
    join_pages,
)
from holdfast.errors import InvalidInput

IDS = st.sampled_from("abcdef")
TABLES = st.sampled_from(["notes", "jobs"])
ARRAYS = st.fixed_dictionaries(
    {
        "created": st.lists(IDS, max_size=4),
        "updated": st.lists(IDS, max_size=4),
        "deleted": st.lists(IDS, max_size=4),
    }
)


def changes_of(plain: dict[str, dict[str, list[str]]], mark: int = 0) -> dict[str, TableChanges]:
    return {
        table: TableChanges(
            created=[{"id": row_id, "mark": mark} for row_id in arrays["created"]],
            updated=[{"id": row_id, "mark": mark} for row_id in arrays["updated"]],
            deleted=arrays["deleted"],
        )
        for table, arrays in plain.items()
    }


@given(st.lists(st.dictionaries(TABLES, ARRAYS), min_size=1, max_size=5))
def test_of_several_pages_what_came_last_holds(plain: list[dict[str, Any]]) -> None:
    pages = [Page(changes_of(each, turn), turn + 1, more=True) for turn, each in enumerate(plain)]
    model = {
        (table, item if kind == "deleted" else item["id"]): (kind, item)
        for page in pages
        for table, kind, item in entries(page.changes)
    }
    joined = join_pages(pages)
    found = [(table, kind, item) for table, kind, item in entries(joined.changes)]
    assert len(found) == len(model)
    assert {(t, i if k == "deleted" else i["id"]): (k, i) for t, k, i in found} == model
    assert joined.cursor == len(pages)


@given(st.dictionaries(TABLES, ARRAYS), st.integers(1, 7))
def test_the_parts_of_a_push_hold_everything_once_and_in_order(plain: dict[str, Any], most: int) -> None:
    changes = changes_of(plain)
    parts = divide(changes, most)
    sizes = [sum(1 for _ in entries(part)) for part in parts]
    assert all(0 < size <= most for size in sizes)
    assert all(size == most for size in sizes[:-1])
    sent = [entry for part in parts for entry in entries(part)]
    key = ["created", "updated", "deleted"].index
    assert sorted(map(repr, sent)) == sorted(map(repr, entries(changes)))
    kinds = [sorted({key(kind) for _, kind, _ in entries(part)}) for part in parts]
    assert all(before[-1] <= after[0] for before, after in pairwise(kinds))


def test_nothing_is_no_part() -> None:
    assert divide({}) == []
    assert divide({"notes": TableChanges()}) == []
    assert join_answers([]).unsent == {}


def test_what_is_said_of_the_parts_is_one_answer() -> None:
    pushed = join_answers(
        [
            {"experimentalRejectedIds": {"notes": ["a"]}, "rejected": [{"id": "a"}]},
            {"conflicts": [{"id": "b"}]},
            {"experimentalRejectedIds": {"notes": ["a", "c"], "jobs": ["d"]}, "rejected": None},
        ]
    )
    assert pushed.unsent == {"notes": ["a", "c"], "jobs": ["d"]}
    assert (pushed.rejected, pushed.conflicts) == ([{"id": "a"}], [{"id": "b"}])


def test_the_parts_of_a_push_are_bounded_in_bytes_too() -> None:
    rows: list[dict[str, Any]] = [{"id": f"{turn:016}", "text": "\u00e9" * 6_000} for turn in range(1_000)]
    rows[500]["text"] = "x" * (MOST_BYTES + 1)
    parts = divide({"notes": TableChanges(created=rows, deleted=["a"])})
    assert [row for part in parts for row in part["notes"].get("created", [])] == rows
    bodies = [len(orjson.dumps({"changes": part, "lastPulledAt": 1})) for part in parts]
    assert [size > MOST_BYTES for size in bodies].count(True) == 1
    assert len(parts) == 3
    assert parts == divide({"notes": TableChanges(created=rows, deleted=["a"])})


def test_many_small_rows_are_counted_with_what_stands_around_them() -> None:
    rows = [{"id": str(turn), **{f"f{each}": None for each in range(40)}} for turn in range(900)]
    for most_bytes in (2_000, 20_000):
        for part in divide({"notes": TableChanges(updated=rows)}, most_bytes=most_bytes):
            assert len(orjson.dumps(part)) < most_bytes + 100


@pytest.mark.parametrize(
    "value",
    [float("nan"), [{"a": float("-inf")}], 2**70, "\ud800", {1: 2}, object()],
    ids=["nan", "inside", "large", "surrogate", "key", "object"],
)
def test_what_json_cannot_hold_is_refused_by_its_field(value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        divide({"notes": TableChanges(created=[{"id": "a", "none": None, "text": value}])})
    assert refused.value.where == "notes.text"
