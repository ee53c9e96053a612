"""What a server must do with a push."""

from __future__ import annotations

from typing import Any, Final

from holdfast.testing.sync.kit import (
    Bench,
    Device,
    Reply,
    Rule,
    as_created,
    as_updated,
    expect,
    pushed,
    rule,
    same,
)


@rule
def push_01(bench: Bench) -> str:
    """A push is taken whole or not at all: after an error the client sends everything again, and after a success nothing, so
    that a half is applied twice or lost.
    """
    device = bench.synced("a")
    refused = 0
    poisons: list[Any] = [{"name": "no id"}, {**bench.row(), "id": 12}, "no row"]
    for poison in poisons:
        good = bench.row()
        reply = device.send(created=[as_created(good), poison])
        stands = good["id"] in bench.standing()
        if reply.succeeded:
            expect(
                stands or good["id"] in rejected_ids(reply, bench.table),
                "a push succeeds and a row of it is lost",
            )
        else:
            refused += 1
            expect(not stands, f"a push is answered {reply.status}, and a row of it stands")
        device.pull()
    return f"{refused} of {len(poisons)} pushes with an unreadable row refused, none by halves"


@rule
def push_02(bench: Bench) -> str:
    """A row in `created` that exists already is an update, never an error: a row stays `created` on the device when it is
    edited while its push is on the way, and would be stuck there for ever.
    """
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    device.pull()
    again = {**row, bench.text: bench.word()}
    device.create(again)
    standing = bench.standing().get(row["id"], {})
    expect(standing.get(bench.text) == again[bench.text], "a row that is created again keeps its old value")
    return "created twice, the second values stand"


@rule
def push_03(bench: Bench) -> str:
    """A row in `updated` that the server has never seen is made. One that has been deleted is an error, or is settled by a
    policy that the pushing device then hears of: otherwise it keeps a row that nobody else has.
    """
    device, other = bench.synced("a"), bench.synced("b")
    unknown = bench.row()
    device.edit(unknown, **{bench.text: unknown[bench.text]})
    expect(unknown["id"] in bench.standing(), "an updated row that was not there has not been made")
    other.pull()
    device.pull()
    other.delete(unknown["id"])
    reply = device.send(updated=[as_updated({**unknown, bench.text: bench.word()}, bench.text)])
    if not reply.succeeded:
        expect(reply.status < 500, f"an edit of a deleted row is answered {reply.status}")
        return f"made where unknown; an edit of a deleted row is answered {reply.status}"
    return f"made where unknown; {_told(bench, device, unknown['id'])}"


def _told(bench: Bench, device: Device, row_id: str) -> str:
    pulled = device.pull()
    stands = row_id in bench.standing()
    if stands:
        return "an edit of a deleted row brings it back"
    expect(
        row_id in pulled.deleted,
        "an edit of a deleted row succeeds, and the device never hears that it is gone",
    )
    return "a deleted row stays deleted, and the device that edited it hears so"


@rule
def push_04(bench: Bench) -> str:
    """A delete of a row that is unknown or already deleted succeeds: rows that were made and deleted offline are pushed so,
    and an error would block the device for ever.
    """
    device, other = bench.synced("a"), bench.synced("b")
    row = bench.row()
    device.create(row)
    device.pull()
    other.pull()
    device.delete(row["id"], bench.new_id())
    expect(row["id"] not in bench.standing(), "a deleted row stands")
    device.delete(row["id"])
    pushed(other.send(deleted=[row["id"]]))
    expect(row["id"] not in bench.standing(), "a row stands again after a second delete")
    return "deleted by two devices, and with an id that never was"


@rule
def push_05(bench: Bench) -> str:
    """A push never undoes an edit that another device made since `last_pulled_at`: the server answers with an error and
    leaves the row alone, or merges the columns.
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
    standing = bench.standing().get(row["id"], {})
    expect(same(theirs[number], standing.get(number)), "an edit of another device is lost")
    if reply.succeeded:
        expect(standing.get(bench.text) == mine[bench.text], "a push succeeds and its edit does not stand")
        return "two edits of different columns both stand"
    expect(standing.get(bench.text) == row[bench.text], f"a push is answered {reply.status} and was applied")
    return f"the second edit is answered {reply.status} and not applied"


@rule
def push_06(bench: Bench) -> str:
    """`_status`, `_changed` and columns that the server does not know are neither stored nor a reason to refuse: every row
    that a client pushes carries the first two.
    """
    device = bench.synced("a")
    row = bench.row()
    pushed(device.send(created=[{**as_created(row), "no_such_column_here": 1}]))
    device.pull()
    pushed(
        device.send(
            updated=[{**as_updated(row, bench.text), "_changed": f"{bench.text},no_such_column_here"}]
        )
    )
    standing = bench.standing().get(row["id"])
    expect(standing is not None, "the row does not stand")
    stored = {"_status", "_changed", "no_such_column_here"} & set(standing or {})
    expect(not stored, f"the row has been given {', '.join(sorted(stored))}")
    return "taken, and not stored"


@rule
def push_07(bench: Bench) -> str:
    """A column that a pushed row lacks is left as it is: an app of an older version does not know it, and would empty it for
    everybody.
    """
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    device.pull()
    edited = {"id": row["id"], bench.text: bench.word()}
    pushed(device.send(updated=[as_updated(edited, bench.text)]))
    standing = bench.standing().get(row["id"], {})
    expect(standing.get(bench.text) == edited[bench.text], "the pushed column does not stand")
    for name, value in row.items():
        if name not in edited:
            expect(same(value, standing.get(name)), f"`{name}` was not pushed and is no longer what it was")
    return f"{len(row) - 2} columns that were not pushed are untouched"


@rule
def push_08(bench: Bench) -> str:
    """A value of the wrong type is mended or refused, never a crash and never stored as it is: every device that pulls it
    would silently hold something else.
    """
    number = bench.number
    device = bench.synced("a")
    row = bench.row(**{number: 1})
    device.create(row)
    device.pull()
    reply = device.send(
        updated=[as_updated({**row, number: "no number", bench.text: {"no": "text"}}, number, bench.text)]
    )
    expect(reply.status < 500, f"a value of the wrong type is answered {reply.status}")
    standing = bench.standing().get(row["id"], {})
    found = standing.get(number)
    expect(found is None or type(found) in (int, float), "a number that is none has been stored")
    expect(isinstance(standing.get(bench.text), str | None), "a text that is none has been stored")
    return "mended" if reply.succeeded else f"refused ({reply.status})"


@rule
def push_08_foreign(bench: Bench) -> str:
    """A push to a row that its user may not write changes nothing, whether it is an edit, a create under the same id, or a
    delete: ids are no secrets, and a device must not reach another person's rows with one.
    """
    other = bench.synced("b", second=True)
    device = bench.synced("a")
    row = bench.row()
    device.create(row)
    foreign = {**row, bench.text: bench.word()}
    replies = [
        other.send(updated=[as_updated(foreign, bench.text)]),
        other.send(created=[as_created(foreign)]),
        other.send(deleted=[row["id"]]),
    ]
    standing = bench.standing().get(row["id"])
    expect(standing is not None, "another user's delete takes a row away")
    expect((standing or {}).get(bench.text) == row[bench.text], "another user's push changes a row")
    expect(
        row["id"] not in bench.standing(second=True), "a push brings another user's row to the one who pushes"
    )
    return f"an edit, a create and a delete change nothing ({', '.join(str(r.status) for r in replies)})"


@rule
def push_09(bench: Bench) -> str:
    """Success is said when the change is stored for good: the client marks its rows as synced and sends them never again, so
    that what is lost after the answer is lost for good.
    """
    device, watcher = bench.synced("a"), bench.synced("b")
    for _ in range(5):
        row = bench.row()
        device.create(row)
        expect(row["id"] in watcher.pull().rows, "a pull right after the answer to a push lacks its row")
        device.pull()
    return "5 rows, each there as soon as its push was answered"


@rule
def push_10(bench: Bench) -> str:
    """Where the answer has `experimentalRejectedIds`, it is an object of tables and lists of pushed ids, and names no row
    that was stored: the client sends those rows again with every sync.
    """
    device = bench.synced("a")
    row, gone = bench.row(), bench.new_id()
    replies = [device.create(row)]
    device.pull()
    replies.append(pushed(device.send(updated=[as_updated({**row, bench.text: bench.word()}, bench.text)])))
    replies.append(pushed(device.send(deleted=[gone])))
    for reply in replies:
        named = rejected_ids(reply, bench.table)
        expect(named <= {row["id"], gone}, "ids are rejected that were not pushed")
        expect(not named, "rows are rejected that nothing is wrong with")
    expect(row["id"] in bench.standing(), "a row that was not rejected does not stand")
    return f"{len(replies)} pushes, nothing rejected"


def rejected_ids(reply: Reply, table: str) -> set[str]:
    """The ids of a table that a push's answer says were not taken. Raises Failed where no client could read it."""
    body = reply.json() if reply.text.strip() else None
    named = body.get("experimentalRejectedIds") if isinstance(body, dict) else None
    if named is None:
        return set()
    expect(isinstance(named, dict), "`experimentalRejectedIds` is no object of tables")
    for ids in named.values():
        expect(isinstance(ids, list), "`experimentalRejectedIds` has a table without a list")
        expect(
            all(isinstance(row_id, str) for row_id in ids),
            "`experimentalRejectedIds` has ids that are not text",
        )
    return set(named.get(table, ()))


RULES: Final[tuple[Rule, ...]] = (
    push_01,
    push_02,
    push_03,
    push_04,
    push_05,
    push_06,
    push_07,
    push_08,
    push_08_foreign,
    push_09,
    push_10,
)
