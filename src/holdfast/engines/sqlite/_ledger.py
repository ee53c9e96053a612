"""The ledger: which revisions were applied, and of those under way how far they have come."""

from __future__ import annotations

import getpass
import os
import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from holdfast.engines.port import Applied, Control, UnderWay, branch_of
from holdfast.engines.sqlite import _ddl
from holdfast.engines.sqlite._names import HEADS, LEDGER, SET_ASIDE, STEPS
from holdfast.engines.sqlite._reshape import columns_of, is_there
from holdfast.errors import SchemaError
from holdfast.model.steps import Step, checksum

Raw = sqlite3.Connection
DOWN = ":down"
"""Behind a revision's name in the ledger of steps: it is being taken back."""


def is_settled(raw: Raw) -> bool:
    """Whether a file lacks nothing of what `settle` makes."""
    return is_there(raw, STEPS) and is_there(raw, SET_ASIDE) and not _lacks_count(raw)


def settle(raw: Raw) -> None:
    """Make what a file of an earlier release lacks."""
    for text in _ddl.ledger():
        raw.execute(text)
    if _lacks_count(raw):
        raw.execute(f"alter table {HEADS} add column tended integer not null default 0")


def _lacks_count(raw: Raw) -> bool:
    return is_there(raw, HEADS) and "tended" not in columns_of(raw, HEADS)


def read_ledger(raw: Raw) -> dict[str, str]:
    """Revision → checksum."""
    return dict(raw.execute(f"select revision, checksum from {LEDGER}").fetchall())


def read_history(raw: Raw) -> list[Applied]:
    """The ledger in the order in which it was written."""
    if is_there(raw, STEPS):
        text = f"""select r.revision, r.checksum, r.applied_at, max(s.finished_at) - min(s.started_at),
               coalesce(max(s.applied_by), ''), coalesce(max(s.release), ''), coalesce(max(s.phase), 'post')
          from {LEDGER} r left join {STEPS} s on s.revision = r.revision
         group by r.revision order by r.applied_at, r.revision"""
    else:  # of a release that kept no steps
        text = f"select revision, checksum, applied_at, null, '', '', 'post' from {LEDGER} order by 3, 1"
    return [_applied(*record) for record in raw.execute(text)]


def _applied(revision: str, mark: str, at: str, *others: Any) -> Applied:
    return Applied(revision, mark, datetime.fromisoformat(at), *others)


def begin(raw: Raw, key: str, steps: Sequence[Step], control: Control) -> set[int]:
    """Enter the steps, and return those that are done. Raises SchemaError for a revision that was changed half-way."""
    settle(raw)
    _refuse_half_taken_back(raw, key)
    mark = checksum(steps)
    text = f"select step, checksum, finished_at from {STEPS} where revision = ?"
    rows = raw.execute(text, [key]).fetchall()
    done = {step for step, _, finished in rows if finished is not None}
    if any(kept != mark for _, kept, _ in rows):
        if done:
            raise SchemaError(
                "a revision was changed while it was being applied",
                where=key,
                hint="Put the file back as it was, and finish it.",
            )
        # What was refused or killed within its first step may be written anew.
        raw.execute(f"delete from {STEPS} where revision = ?", [key])
    raw.executemany(
        f"""insert or ignore into {STEPS} (revision, step, checksum, release, phase, applied_by, started_at)
          values (?, ?, ?, ?, ?, ?, ?)""",
        [[key, at, mark, control.release, control.phase, _person(), time.time()] for at in range(len(steps))],
    )
    return done


def _refuse_half_taken_back(raw: Raw, key: str) -> None:
    text = f"""select distinct revision from {STEPS} where revision glob ? and revision <> ?
       and (finished_at is not null or cursor is not null)"""
    for (found,) in raw.execute(text, [f"*{DOWN}", key]).fetchall():
        revision = found.removesuffix(DOWN)
        if branch_of(revision) != branch_of(key.removesuffix(DOWN)):
            continue
        raise SchemaError(
            "a revision was being taken back, and that was interrupted",
            where=revision,
            hint=f"`holdfast migrate down {revision}` finishes it, `holdfast migrate up` brings back what was undone.",
        )


def read_under_way(raw: Raw) -> list[UnderWay]:
    """What is half applied or half taken back."""
    if not is_there(raw, STEPS):
        return []
    text = f"""select revision, group_concat(case when finished_at is not null then step end), max(step) + 1
      from {STEPS} where (finished_at is not null or cursor is not null)
       and revision not in (select revision from {LEDGER}) group by revision order by revision"""
    return [
        UnderWay(
            name.removesuffix(DOWN),
            DOWN in name,
            frozenset(int(n) for n in (done or "").split(",") if n),
            begun,
        )
        for name, done, begun in raw.execute(text)
    ]


def abandon(raw: Raw, revision: str, steps: Sequence[Step], left: int, control: Control) -> None:
    """What is half taken back becomes half applied: the first `left` of its steps stand."""
    text = f"delete from {STEPS} where revision = ?"
    if not raw.execute(text, [revision + DOWN]).rowcount:
        return  # somebody else was faster
    raw.execute(text, [revision])
    raw.execute(f"delete from {LEDGER} where revision = ?", [revision])
    begin(raw, revision, steps, control)
    for at in range(left):
        finish(raw, revision, at)


def _person() -> str:
    """Who this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def finish(raw: Raw, key: str, step: int) -> None:
    """Note that a step is done."""
    raw.execute(
        f"update {STEPS} set finished_at = ? where revision = ? and step = ?", [time.time(), key, step]
    )


def read_cursor(raw: Raw, key: str, step: int) -> str | None:
    """Where a fill goes on."""
    found = raw.execute(f"select cursor from {STEPS} where revision = ? and step = ?", [key, step]).fetchone()
    return None if found is None else found[0]


def keep_cursor(raw: Raw, key: str, step: int, cursor: str) -> None:
    """Note where a fill goes on."""
    raw.execute(f"update {STEPS} set cursor = ? where revision = ? and step = ?", [cursor, key, step])


def enter(raw: Raw, revision: str, mark: str) -> None:
    """Note that a revision is applied."""
    raw.execute(f"insert into {LEDGER} (revision, checksum) values (?, ?)", [revision, mark])


def strike(raw: Raw, revision: str) -> None:
    """Note that a revision is applied no longer."""
    raw.execute(f"delete from {LEDGER} where revision = ?", [revision])
    raw.execute(f"delete from {STEPS} where revision in (?, ?)", [revision, revision + DOWN])
