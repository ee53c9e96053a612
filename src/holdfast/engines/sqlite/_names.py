"""How things are called in the file. Names come from checked declarations; they are quoted all the same."""

from __future__ import annotations

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


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def bare_name(schema: EntitySchema) -> str:
    """The table's name. SQLite has no schemas, so that the pack leads."""
    return f"{schema.pack}__{schema.table}"


def table_name(schema: EntitySchema) -> str:
    """The table, quoted."""
    return quoted(bare_name(schema))


def entity_of(table: str) -> str:
    """How the log and errors call a table."""
    return table.replace("__", ".", 1)


def unique_name(schema: EntitySchema, rule: Unique) -> str:
    """The name of a unique rule's index: names of indexes belong to the whole file."""
    return "__".join((bare_name(schema), *rule.fields, *((rule.when,) if rule.when else ()), "key"))


def index_name(schema: EntitySchema, fields: tuple[str, ...]) -> str:
    """The name of an index."""
    return "__".join((bare_name(schema), *fields, "idx"))


def lead(schema: EntitySchema, fields: tuple[str, ...]) -> str:
    """Columns with the tenant before them, where the table has one."""
    tenant = () if is_realm(schema) else ("tenant_id",)
    return ", ".join(quoted(name) for name in (*tenant, *fields))


def is_realm(schema: EntitySchema) -> bool:
    """Whether the rows belong to no tenant."""
    return schema.visibility == "realm"
