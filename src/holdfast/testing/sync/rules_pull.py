"""What a server must do on a pull."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from holdfast.testing.sync.kit import Bench, Device, Pull, Rule, as_created, expect, pushed, rule, same

_ID: Final = re.compile(r"[A-Za-z0-9_.-]+\Z")
_ARRAYS: Final = ("created", "updated", "deleted")
_FIRST: Final = (None, "", "null", "undefined", "0")


@rule
def pull_01(bench: Bench) -> str:
    """A pull without a cursor, in each of its spellings (absent, empty, `null`, `undefined`, `0`), brings every row that the
    user may see, and one with a cursor every create, edit and delete since: what is left out once never reaches the device.
    """
    a, b = bench.synced("a"), bench.synced("b")
    kept, gone = bench.row(), bench.row()
    a.create(kept, gone)
    expect({kept["id"], gone["id"]} <= set(b.pull().rows), "a pull lacks a row that another device made")
    a.pull()
    edited = a.edit(kept, **{bench.text: bench.word()})
    a.delete(gone["id"])
    came = b.pull()
    row = came.rows.get(kept["id"], {})
    expect(row.get(bench.text) == edited[bench.text], "a pull lacks an edit by another device")
    expect(gone["id"] in came.deleted, "a pull lacks a delete by another device")
    for spelling in _FIRST:
        found = bench.device("c").pull(spelling).rows
        expect(kept["id"] in found, f"a first sync spelled {spelling!r} lacks a row")
        expect(gone["id"] not in found, "a first sync brings a deleted row")
    return f"creates, edits and deletes arrive; {len(_FIRST)} spellings of a first sync are understood"


@rule
def pull_02(bench: Bench) -> str:
    """`timestamp` is a positive whole number of at most 2^53-1, also when nothing has changed, and passing it back goes on
    from there: a client throws on 0, null and text, and cuts a fraction off.
    """
    device = bench.device("a")
    first = _checked_cursor(device.pull())
    device.create(bench.row())
    second = _checked_cursor(device.pull())
    third = _checked_cursor(device.pull())
    return f"three cursors, {first} to {max(second, third)}"


def _checked_cursor(pulled: Pull) -> int:
    cursor = pulled.timestamp
    expect(type(cursor) is int, f"the timestamp is {json.dumps(cursor)[:40]}, not a whole number")
    expect(1 <= cursor < 2**53, f"the timestamp {cursor} does not lie between 1 and 2^53-1")
    return int(cursor)


@rule
def pull_03(bench: Bench) -> str:
    """A table that is named has all three arrays, `created`, `updated` and `deleted`: a client that misses one throws, and
    the sync dies.
    """
    device = bench.synced("a")
    row = bench.row()
    pulls = [bench.device("b").pull()]
    device.create(row)
    pulls += [bench.device("c").pull(), bench.synced("b").pull()]
    watcher = bench.synced("b")
    device.delete(row["id"])
    pulls.append(watcher.pull())
    for pulled in pulls:
        for name, table in pulled.changes.items():
            for kind in _ARRAYS:
                expect(isinstance(table.get(kind), list), f"`{name}` has no array `{kind}`")
    return f"{sum(len(pulled.changes) for pulled in pulls)} tables in {len(pulls)} pulls"


@rule
def pull_04(bench: Bench) -> str:
    """An id stands once in a table, across the three arrays: a row that is both created and updated makes the sync throw on
    every retry, and one that is both created and deleted stays on the device for ever.
    """
    watcher, device = bench.synced("b"), bench.synced("a")
    edited, gone, back = bench.row(), bench.row(), bench.row()
    device.create(edited, gone, back)
    device.edit(edited, **{bench.text: bench.word()})
    device.delete(gone["id"], back["id"])
    device.pull()
    device.create(back)
    for pulled in (watcher.pull(), bench.device("c").pull()):
        _expect_once(pulled)
    return "an edited, a deleted and a re-made row each stand once"


def _expect_once(pulled: Pull) -> None:
    for name, table in pulled.changes.items():
        seen: set[str] = set()
        for kind in _ARRAYS:
            for item in table.get(kind) or []:
                row_id = str(item.get("id") if isinstance(item, dict) else item)
                expect(row_id not in seen, f"`{name}` has the id {row_id[:40]} twice, again in `{kind}`")
                seen.add(row_id)


@rule
def pull_05(bench: Bench) -> str:
    """Rows have no `_status`, no `_changed` and no `__proto__` or `constructor`: the first two belong to the device, and the
    whole sync throws when one arrives.
    """
    device, watcher = bench.synced("a"), bench.synced("b")
    row = bench.row()
    device.create(row)
    count = _expect_no_own_columns(watcher.pull())
    device.edit(row, **{bench.text: bench.word()})
    count += _expect_no_own_columns(watcher.pull()) + _expect_no_own_columns(bench.device("c").pull())
    return f"{count} rows"


def _expect_no_own_columns(pulled: Pull) -> int:
    count = 0
    for name, table in pulled.changes.items():
        for row in [*(table.get("created") or []), *(table.get("updated") or [])]:
            found = {"_status", "_changed", "__proto__", "constructor"} & set(row)
            expect(not found, f"a row of `{name}` has {', '.join(sorted(found))}")
            count += 1
    return count


@rule
def pull_06(bench: Bench) -> str:
    """An id is text of letters, digits, `_`, `.` and `-`, and comes back as the device spelled it: in the place of anything
    else a client makes a row with an id of its own, at every pull.
    """
    device, watcher = bench.synced("a"), bench.synced("b")
    row = bench.row()
    device.create(row)
    pulled = watcher.pull()
    for item in [*pulled.listed("created"), *pulled.listed("updated")]:
        row_id = item.get("id")
        expect(isinstance(row_id, str), f"an id is {json.dumps(row_id)[:40]}, not text")
        expect(_ID.match(row_id), f"the id {row_id[:40]!r} has other characters")
    expect(row["id"] in pulled.rows, "a row does not come back under the id that the device gave it")
    device.delete(row["id"])
    expect(
        row["id"] in watcher.pull().deleted, "a delete does not come back under the id that the device gave"
    )
    return "a row and a delete come back under the device's id"


@rule
def pull_07(bench: Bench) -> str:
    """Values come back with the type that they were pushed with, numbers as JSON numbers: a client silently stores an empty
    text, 0 or false in the place of another type.
    """
    device, watcher = bench.synced("a"), bench.synced("b")
    row = bench.row()
    if bench.target.number is not None:
        row[bench.number] = bench.amount()
    device.create(row)
    came = watcher.pull().rows.get(row["id"])
    expect(came is not None, "the row did not come")
    for name, value in row.items():
        found = (came or {}).get(name)
        expect(same(value, found), f"`{name}` was pushed as {_brief(value)} and comes as {_brief(found)}")
    return f"{len(row)} columns come back as they were pushed"


def _brief(value: Any) -> str:
    return json.dumps(value)[:60]


@rule
def pull_08(bench: Bench) -> str:
    """An edited row comes whole, with every column: a client keeps its own value of a missing column, or in Turbo mode sets
    it to empty, so that two devices differ.
    """
    device, watcher = bench.synced("a"), bench.synced("b")
    row = bench.row()
    device.create(row)
    watcher.pull()
    device.edit(row, **{bench.text: bench.word()})
    came = watcher.pull().rows.get(row["id"])
    expect(came is not None, "the edit did not come")
    missing = set(row) - set(came or {})
    expect(not missing, f"an edited row comes without {', '.join(sorted(missing))}")
    return f"{len(row)} columns after an edit of one"


@rule
def pull_09(bench: Bench) -> str:
    """A pull with a `migration` brings all rows of the tables that it lists besides what has changed, and bears with tables
    that the server does not know: otherwise an app that has learnt of a table never sees its older rows.
    """
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    watcher = bench.synced("b")
    migration = {"from": 1, "tables": [bench.table, "no_such_table_here"], "columns": []}
    pulled = watcher.pull(migration=json.dumps(migration))
    expect(row["id"] in pulled.rows, "a table of the migration does not come with its older rows")
    _expect_once(pulled)
    return f"{len(pulled.rows)} rows of a table that is new to the device"


@rule
def pull_10(bench: Bench) -> str:
    """A pull brings only what its user may see, whole or since a cursor: what has reached another person's device cannot be
    taken back.
    """
    other = bench.synced("b", second=True)
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    expect(row["id"] not in other.pull().rows, "another user's pull brings the row")
    expect(row["id"] not in bench.standing(second=True), "another user's first sync brings the row")
    device.delete(row["id"])
    expect(row["id"] not in other.pull().rows, "another user's pull brings the row once it is deleted")
    return "a row of one user reaches no device of another"


@rule
def pull_11(bench: Bench) -> str:
    """On a first sync `deleted` is empty in every table: Turbo Login refuses the whole answer otherwise."""
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    device.delete(row["id"])
    pulled = bench.device("b").pull()
    for name, table in pulled.changes.items():
        expect(not table.get("deleted"), f"a first sync has deletes in `{name}`")
    return "no deletes after one was made"


@rule
def pull_12(bench: Bench) -> str:
    """An answer that is marked as a replacement holds everything, whoever asked for it: the client throws away each row that
    it does not find there.
    """
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    asked: list[tuple[Device, dict[str, str]]] = [
        (bench.synced("b"), {}),
        (bench.device("c"), {}),
        (bench.device("c"), {"replacement": "1"}),
    ]
    marked = 0
    for other, query in asked:
        pulled = other.pull(**query)
        if _replaces(pulled, bench.table):
            marked += 1
            expect(
                row["id"] in pulled.rows, "an answer is marked as a replacement and lacks a row that stands"
            )
    return f"{marked} of {len(asked)} answers replace, and nothing is missing there"


def _replaces(pulled: Pull, table: str) -> bool:
    strategy = pulled.body.get("experimentalStrategy")
    if isinstance(strategy, dict):
        strategy = (strategy.get("override") or {}).get(table, strategy.get("default"))
    expect(
        strategy in (None, "incremental", "replacement"), "`experimentalStrategy` is none that clients know"
    )
    return strategy == "replacement"


@rule
def pull_13(bench: Bench) -> str:
    """A table object has the three arrays and nothing else: Turbo Login reads the answer as text and refuses a fourth key;
    what the server wants to say besides belongs on the top level.
    """
    device, watcher = bench.synced("a"), bench.synced("b")
    pushed(device.send(created=[as_created(bench.row())]))
    for pulled in (watcher.pull(), bench.device("c").pull()):
        for name, table in pulled.changes.items():
            more = set(table) - set(_ARRAYS)
            expect(not more, f"`{name}` has besides its arrays: {', '.join(sorted(more))}")
    return "three keys in each table"


RULES: Final[tuple[Rule, ...]] = (
    pull_01,
    pull_02,
    pull_03,
    pull_04,
    pull_05,
    pull_06,
    pull_07,
    pull_08,
    pull_09,
    pull_10,
    pull_11,
    pull_12,
    pull_13,
)
