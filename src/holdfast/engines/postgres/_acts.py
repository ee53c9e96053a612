"""What carries a step out, one act at a time: what is run, in which way, and where it is not needed any more.

Each act can be repeated: `when` tells from the catalog whether it is still to be done, so that whoever is killed between two
of them begins again and goes on. Values only; `_migrator` runs them, `review` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.engines.postgres._names import literal, quoted


@dataclass(frozen=True, slots=True)
class When:
    """A condition that the catalog tells, as SQL, and as people say it."""

    sql: str
    words: str

    def __and__(self, other: When) -> When:
        return When(f"({self.sql}) and ({other.sql})", f"{self.words}, and {other.words}")

    def __invert__(self) -> When:
        return When(f"not ({self.sql})", f"not: {self.words}")


@dataclass(frozen=True, slots=True)
class Ddl:
    """Statements in a short transaction of their own, under a lock timeout, tried again when others hold the table."""

    text: str
    when: When | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Concurrently:
    """A statement outside of any transaction that blocks nobody. `index` is what it makes; None: what it drops."""

    text: str
    index: str | None = None
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Rows that stand in the way: an error with their number and some of their ids. `where` is a FROM clause with its WHERE."""

    source: str
    message: str
    hint: str
    shown: str = "r.id"
    when: When | None = None
    unless_forced: bool = False


@dataclass(frozen=True, slots=True)
class Batches:
    """An UPDATE of a whole table in small transactions: `target` becomes `value` where it differs."""

    table: str
    target: str
    value: str
    condition: str
    journaled: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Acts that must see every row, although row security is forced on the owner as well.

    A policy lets the owner alone see the rows of `tables` meanwhile. To lift FORCE would do the same, and hold the table
    against everybody while it is read.
    """

    tables: tuple[str, ...]
    acts: tuple[Act, ...]


Act = Ddl | Concurrently | Probe | Batches | Seen

WINDOW = "migration"
"""The policy that lets the owner see rows while a step reads or fills them."""


# -- conditions, as the catalog tells them ------------------------------------------------------------------------------


def has_table(table: str) -> When:
    """Whether a table stands; `table` is quoted."""
    return When(f"to_regclass({literal(table)}) is not null", f"{table} is there")


def has_column(table: str, column: str, more: str = "", words: str = "is there") -> When:
    """Whether a column stands, and `more` about it (of `a`)."""
    also = f" and {more}" if more else ""
    sql = (
        f"exists (select from pg_attribute a where a.attrelid = to_regclass({literal(table)}) "
        f"and a.attname = {literal(column)} and not a.attisdropped{also})"
    )
    return When(sql, f"{column} {words}")


def has_constraint(table: str, name: str, more: str = "", words: str = "is there") -> When:
    """Whether a constraint stands, and `more` about it (of `c`)."""
    also = f" and {more}" if more else ""
    sql = (
        f"exists (select from pg_constraint c where c.conrelid = to_regclass({literal(table)}) "
        f"and c.conname = {literal(name)}{also})"
    )
    return When(sql, f"{name} {words}")


def window(table: str, owner: str) -> tuple[str, str]:
    """The statements that let the owner see a table's rows, and that end it."""
    name = quoted(WINDOW)
    drop = f"drop policy if exists {name} on {table}"
    make = f"create policy {name} on {table} for all to {quoted(owner)} using (true) with check (true)"
    return f"{drop}; {make}", drop
