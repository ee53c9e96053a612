"""Traps that servers fall into: each loses or resurrects rows without any error.

T9 (what a user may see changes) and T15 (the app edits what it pushes) cannot be seen from outside, and have no rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

from holdfast.testing.sync.kit import (
    Bench,
    Device,
    NotChecked,
    Row,
    Rule,
    addressed,
    as_created,
    as_updated,
    expect,
    pushed,
    rule,
    same,
)
from holdfast.testing.sync.rules_push import rejected_ids

_WRITERS: Final = 4
_WRITES: Final = 6
_PAGES: Final = 100
_MANY: Final = 12
_LONG: Final = 9_000


@rule
def t1(bench: Bench) -> str:
    """While several devices push, a device that pulls in turn is given every row in the end: a cursor that runs ahead of a
    transaction which commits later, such as a clock's, loses that row for ever.
    """
    writers = [bench.synced(f"w{number}") for number in range(_WRITERS)]
    rows = [[bench.row() for _ in range(_WRITES)] for _ in writers]
    watcher, seen = bench.synced("b"), set[str]()

    def write(writer: Device, own: Sequence[Row]) -> None:
        for row in own:
            writer.create(row)

    _while_writing(
        [partial(write, writer, own) for writer, own in zip(writers, rows, strict=True)],
        lambda: seen.update(watcher.pull().rows),
    )
    lost = {row["id"] for own in rows for row in own} - seen
    expect(
        not lost, f"{len(lost)} of {_WRITERS * _WRITES} rows never came to a device that pulled all the while"
    )
    return f"{_WRITERS * _WRITES} rows of {_WRITERS} devices at once, none lost"


@rule
def t2(bench: Bench) -> str:
    """Rows and cursor of a pull are of one moment, and a push is in it whole or not at all: with a cursor that is read later
    than the rows, an edit in between is never sent, and a half of a push makes a device show what nobody ever saved.
    """
    writers = [bench.synced(f"w{number}") for number in range(_WRITERS)]
    pairs = [(bench.row(), bench.row()) for _ in writers]
    for writer, pair in zip(writers, pairs, strict=True):
        _edit_both(bench, writer, pair)
    watcher, held = bench.device("b"), dict[str, Row]()

    def write(writer: Device, pair: tuple[Row, Row]) -> None:
        for _ in range(_WRITES):
            writer.pull()
            _edit_both(bench, writer, pair)

    def pull() -> None:
        held.update(watcher.pull().rows)
        for pair in pairs:
            texts = {held.get(row["id"], {}).get(bench.text) for row in pair}
            expect(len(texts) == 1, "a pull has one of two edits that were pushed together")

    _while_writing([partial(write, w, p) for w, p in zip(writers, pairs, strict=True)], pull)
    standing = bench.standing()
    for row in (row for pair in pairs for row in pair):
        now = standing.get(row["id"], {}).get(bench.text)
        expect(
            held.get(row["id"], {}).get(bench.text) == now, "the last edit of a row never came to a device"
        )
    return f"{_WRITERS * _WRITES} pushes of two edits each, none torn, the last ones arrive"


def _edit_both(bench: Bench, writer: Device, pair: tuple[Row, Row]) -> None:
    """Push both with one new text."""
    text = bench.word()
    pushed(writer.send(updated=[as_updated({**row, bench.text: text}, bench.text) for row in pair]))


def _while_writing(writing: Sequence[Callable[[], None]], pull: Callable[[], None]) -> None:
    """Pull until all have written, and twice more."""
    with ThreadPoolExecutor(len(writing)) as pool:
        running = [pool.submit(one) for one in writing]
        while not all(one.done() for one in running):
            pull()
        for one in running:
            one.result()
    pull()
    pull()


@rule
def t3(bench: Bench) -> str:
    """A device's own rows never come back to it in `created`: when it has deleted one meanwhile, the client throws the delete
    away and makes the row again.
    """
    device, other = bench.synced("a"), bench.synced("b")
    row, touched = bench.row(), bench.row()
    device.create(row, touched)
    other.pull()
    other.edit(touched, **{bench.text: bench.word()})
    created = device.pull().created
    expect(row["id"] not in created, "a device is sent its own new row in `created`")
    expect(touched["id"] not in created, "a device is sent its own row, edited elsewhere, in `created`")
    return "own rows come back in `updated`, or not at all"


@rule
def t4(bench: Bench) -> str:
    """The same push twice succeeds twice and changes nothing the second time: the device that lost the first answer has no
    other way to go on.
    """
    device = bench.synced("a")
    row, gone = bench.row(), bench.row()
    device.create(row, gone)
    device.create(row, gone)
    device.pull()
    edited = {**row, bench.text: bench.word()}
    for _ in range(2):
        pushed(device.send(updated=[as_updated(edited, bench.text)], deleted=[gone["id"]]))
    standing = bench.standing()
    found = standing.get(row["id"], {})
    expect(gone["id"] not in standing, "a row that was deleted twice stands")
    expect(
        all(same(value, found.get(name)) for name, value in edited.items()),
        "the row is not what was pushed twice",
    )
    return "creates, an edit and a delete, each pushed twice"


@rule
def t5(bench: Bench) -> str:
    """A create that is pushed again after another device has edited the row does not undo that edit: it is an error, or
    changes nothing.
    """
    if bench.target.device_header is None:
        raise NotChecked("the server cannot tell devices apart: name a header with --device-header")
    number = bench.number
    device, other = bench.synced("a"), bench.synced("b")
    row = bench.row(**{number: 1})
    device.create(row)
    other.pull()
    theirs = other.edit(row, **{number: bench.amount()})
    reply = device.send(created=[as_created(row)])
    expect(reply.status < 500, f"a repeated create is answered {reply.status}")
    found = bench.standing().get(row["id"], {}).get(number)
    expect(same(theirs[number], found), "a repeated create undoes an edit of another device")
    return "the edit stands" if reply.succeeded else f"answered {reply.status}, the edit stands"


@rule
def t6(bench: Bench) -> str:
    """A device whose row was edited elsewhere gets its own edit through, at once or after one more pull, and is then sent
    the row as it stands: one busy row must not block a device, and a merge that it never sees is none.
    """
    number = bench.number
    device, other = bench.synced("a"), bench.synced("b")
    row = bench.row(**{number: 1})
    device.create(row)
    device.pull()
    other.pull()
    theirs = other.edit(row, **{number: bench.amount()})
    mine = {**row, bench.text: bench.word()}
    reply = device.send(updated=[as_updated(mine, bench.text)])
    if not reply.succeeded:
        pulled = device.pull()
        mine[number] = pulled.rows.get(row["id"], {}).get(number)
        device.edit(mine, **{bench.text: mine[bench.text]})
        how = f"after {reply.status} and a pull"
    else:
        mine[number] = device.pull().rows.get(row["id"], mine).get(number)
        how = "at once"
    expect(same(theirs[number], mine[number]), "the device is not sent the row as it was merged")
    found = bench.standing().get(row["id"], {})
    expect(found.get(bench.text) == mine[bench.text], "the device's own edit does not stand")
    return f"the edit got through {how}"


@rule
def t7(bench: Bench) -> str:
    """What a push that succeeds does not take as it was sent comes back corrected, and does not keep other rows from being
    stored: the device holds its own copy for the truth otherwise.
    """
    number = bench.number
    device = bench.synced("a")
    good, bad = bench.row(), bench.row(**{number: 1})
    device.create(bad)
    device.pull()
    reply = device.send(
        created=[as_created(good)], updated=[as_updated({**bad, number: "no number"}, number)]
    )
    if not reply.succeeded:
        raise NotChecked(
            f"a push with a value that cannot be is refused whole ({reply.status}), as the protocol allows"
        )
    expect(good["id"] in bench.standing(), "a good row is not stored because of another one")
    if bad["id"] in rejected_ids(reply, bench.table):
        return "the bad row is reported, the good one is stored"
    pulled = device.pull()
    expect(
        bad["id"] in pulled.rows or bad["id"] in pulled.deleted,
        "a value was not taken, and the row never comes back",
    )
    return "the bad row comes back corrected, the good one is stored"


@rule
def t8(bench: Bench) -> str:
    """A row that is made again under the id of a deleted one is there for everybody, and its delete is forgotten; a delete
    reaches a device that was away for many changes.
    """
    device, away = bench.synced("a"), bench.synced("b")
    back, gone = bench.row(), bench.row()
    device.create(back, gone)
    away.pull()
    device.delete(back["id"], gone["id"])
    for _ in range(5):
        device.pull()
        device.create(bench.row())
    device.pull()
    again = {**back, bench.text: bench.word()}
    device.create(again)
    pulled = away.pull()
    expect(gone["id"] in pulled.deleted, "a delete does not reach a device that was away")
    expect(back["id"] not in pulled.deleted, "a row that was made again comes as deleted")
    expect(
        pulled.rows.get(back["id"], {}).get(bench.text) == again[bench.text],
        "a row that was made again does not come",
    )
    expect(back["id"] in bench.standing(), "a row that was made again is not there on a first sync")
    return "made again, and the other delete arrives"


@rule
def t10(bench: Bench) -> str:
    """A cursor from beyond what the server has written is an error or a full answer, never an empty delta: after a restored
    backup every device would silently miss what is written next.
    """
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    known = device.pull().timestamp
    expect(type(known) is int, "the timestamp is not a whole number")
    reply = device.ask(min(known + 10**12, 2**53 - 1))
    if not reply.succeeded:
        return f"answered {reply.status}"
    expect(
        row["id"] in device.read(reply).rows,
        "a cursor from the future is answered as if nothing had been missed",
    )
    return "answered with everything"


@rule
def t11(bench: Bench) -> str:
    """The cursor never goes back: it does not follow a clock, which is set back, or differs from one server to the next."""
    device = bench.synced("a")
    cursors: list[Any] = [device.cursor]
    for number in range(9):
        if number % 3 == 2:
            device.create(bench.row())
        cursors.append(device.pull().timestamp)
    for before, after in pairwise(cursors):
        whole = type(before) is int and type(after) is int
        expect(whole and before <= after, "a pull's cursor lies before the one of the pull before it")
    return f"{len(cursors)} cursors, none before the last"


@rule
def t12(bench: Bench) -> str:
    """A `migration` that lists columns brings the rows in which one of them is not empty: a device that did not know the
    column has thrown its values away, and its cursor lies behind them.
    """
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    watcher = bench.synced("b")
    columns = [{"table": bench.table, "columns": [bench.text, "no_such_column_here"]}]
    pulled = watcher.pull(migration=json.dumps({"from": 1, "tables": [], "columns": columns}))
    expect(row["id"] in pulled.rows, "a column of the migration is not filled in")
    return f"{len(pulled.rows)} rows with a column that is new to the device"


@rule
def t13(bench: Bench) -> str:
    """An answer to a pull says `Cache-Control: no-store` (or `no-cache`): a proxy that keeps it sends a device the same old
    answer, or another user's.
    """
    device = bench.device("a")
    replies = [device.ask()]
    device.pull()
    replies.append(device.ask(device.cursor))
    for reply in replies:
        said = reply.headers.get("cache-control", "").lower()
        expect(
            "no-store" in said or "no-cache" in said, f"a pull may be kept: Cache-Control is {said[:60]!r}"
        )
    return replies[-1].headers["cache-control"]


@rule
def t14(bench: Bench) -> str:
    """A migration longer than an address may be (about 8 KB) gets through, by GET or by a POST with the same members in a
    JSON body: the app could not synchronise after an update otherwise.
    """
    device = bench.synced("a")
    columns = [{"table": bench.table, "columns": [f"column_{number}" for number in range(_LONG // 10)]}]
    migration = {"from": 1, "tables": [], "columns": columns}
    members = {"last_pulled_at": device.cursor, "schema_version": 2, "migration": migration}
    apart = urlsplit(bench.target.pull).path != urlsplit(bench.target.push).path
    by_post = device.ask_by_post(members) if apart else None  # at one address for both it would be a push
    if by_post is not None and by_post.succeeded:
        device.read(by_post)
        return f"POST with {len(json.dumps(migration))} characters"
    by_get = device.ask(device.cursor, migration=json.dumps(migration))
    refused = f"{by_post.status} by POST and {by_get.status} by GET" if by_post else f"{by_get.status}"
    expect(by_get.succeeded, f"a long migration is answered {refused}")
    return f"GET with {len(addressed('', {'migration': json.dumps(migration)}))} characters"


@rule
def t16(bench: Bench) -> str:
    """A pull that did not ask for pages is whole, and the cursor of a page never lies behind rows that are still to come:
    released clients cannot go on, and would never see the rest.
    """
    device, watcher = bench.synced("a"), bench.synced("b")
    start = watcher.cursor
    rows = [bench.row() for _ in range(_MANY)]
    device.create(*rows)
    ids = {row["id"] for row in rows}
    pulled = watcher.pull()
    expect(
        pulled.body.get("experimentalHasMore") is not True, "a pull that did not ask for pages is only a page"
    )
    expect(ids <= set(pulled.rows), f"a pull lacks {len(ids - set(pulled.rows))} of {_MANY} rows of one push")
    pages = 0
    for since, limit in ((start, 5), (None, 200)):
        found, count = _paged(bench, since, limit)
        expect(ids <= found, f"{count} pages lack {len(ids - found)} of {_MANY} rows")
        pages += count
    return f"{_MANY} rows at once, and in {pages} pages"


def _paged(bench: Bench, since: Any, limit: int) -> tuple[set[str], int]:
    device, found = bench.device("b"), set[str]()
    device.cursor = since
    for count in range(1, _PAGES):
        pulled = device.pull(paging="1", limit=str(limit))
        found |= set(pulled.rows)
        if pulled.body.get("experimentalHasMore") is not True:
            return found, count
    raise NotChecked(f"more than {_PAGES} pages: use an account with fewer rows")


RULES: Final[tuple[Rule, ...]] = (t1, t2, t3, t4, t5, t6, t7, t8, t10, t11, t12, t13, t14, t16)
