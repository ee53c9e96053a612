"""How things are called in the file. Names come from checked declarations; they are quoted all the same."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.model.policies import Unique
from holdfast.model.schema import EntitySchema

OWN = "holdfast__"
"""What the log's and the ledger's tables begin with."""
MEDIUM = f"{OWN}medium"
HEADS = f"{OWN}tenant_heads"
CHANGES = f"{OWN}changes"
HISTORY = f"{OWN}field_history"
TOMBSTONES = f"{OWN}tombstones"
LEDGER = f"{OWN}revisions"
STEPS = f"{OWN}revision_steps"
SET_ASIDE = f"{OWN}set_aside"
ASIDE = "_dropped_"
"""What columns and tables that were set aside begin with."""


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def bare_name(schema: EntitySchema) -> str:
    """The table's name. SQLite has no schemas, so that the pack leads."""
    return table_of(schema.stable_name)


def table_of(stable_name: str) -> str:
    """The table of an entity's stable name."""
    return stable_name.replace(".", "__", 1)


def aside_name(schema: EntitySchema) -> str:
    """The table once it is set aside: by its digest, so that another of its name finds its place free."""
    return f"{ASIDE}{schema.digest}__{bare_name(schema)}"


def table_name(schema: EntitySchema) -> str:
    """The table, quoted."""
    return quoted(bare_name(schema))


def entity_of(table: str) -> str:
    """How the log and errors call a table."""
    return table.replace("__", ".", 1)


def unique_name(schema: EntitySchema, rule: Unique) -> str:
    """The name of a unique rule's index: names of indexes belong to the whole file."""
    columns = schema.columns((*rule.fields, *((rule.when,) if rule.when else ())))
    return made_name(bare_name(schema), columns, "key")


def made_name(table: str, columns: Sequence[str], kind: str) -> str:
    """The name of an index (`idx`) or a unique rule (`key`) on these columns."""
    return "__".join((table, *columns, kind))


def lead(columns: Sequence[str], *, realm: bool) -> str:
    """Columns with the tenant before them, where the table has one."""
    return ", ".join(quoted(name) for name in (*(() if realm else ("tenant_id",)), *columns))


def is_realm(schema: EntitySchema) -> bool:
    """Whether the rows belong to no tenant."""
    return schema.visibility == "realm"
