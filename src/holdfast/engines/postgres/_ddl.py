"""Each step as the statements that carry it out. Text only; nothing here talks to a database."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from holdfast.engines.postgres._names import (
    EVERYONE,
    TENANT,
    USER,
    Roles,
    literal,
    quoted,
    sql_type,
    table_name,
)
from holdfast.engines.postgres._plans import plan_functions, plan_signatures
from holdfast.model.policies import Unique
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.steps import CreateEntity, CreateLog, CreatePlans, CreateTombstones, DropPlans
from holdfast.model.types import ChoiceType, DecimalType, IntegerType, TextType

TENANT_POLICY = f"tenant_id = (select current_setting('{TENANT}'))::uuid"
"""Fails loudly without a context, is an InitPlan, and can be proved by third parties."""

Making = CreateLog | CreateTombstones | CreateEntity | CreatePlans | DropPlans
"""Steps that touch nothing that others use."""

LOG_TABLES = ("tenant_heads", "changes", "field_history")
TOMBSTONES = "tombstones"

NOT_NIL = "tenant_id <> '00000000-0000-0000-0000-000000000000'"
VERSION_CHECK = "version >= 1"
LOG_OWNER_COLUMN = "owner_id"
"""Whose the row was, in the history and on tombstones."""


def owner_policy(column: str) -> str:
    """Only the owner's rows, unless the scope acts for the whole tenant."""
    user = f"(select current_setting('{USER}'))"
    return f"{quoted(column)} = nullif({user}, '{EVERYONE}')::uuid or {user} = '{EVERYONE}'"


def log_owner_policy() -> str:
    """Old values and tombstones of an owned row are its owner's; those of other rows are the tenant's."""
    return f"{LOG_OWNER_COLUMN} is null or {owner_policy(LOG_OWNER_COLUMN)}"


def statements(step: Making, roles: Roles) -> list[str]:
    """What carries out a step that makes something new, in order."""
    match step:
        case CreateLog():
            return _log(roles)
        case CreateTombstones():
            return _tombstones(roles)
        case CreateEntity(schema=schema):
            return _entity(schema, roles)
        case CreatePlans(schema=schema):
            return _plans(schema, roles)
        case DropPlans(schema=schema):
            return [f"drop function if exists {signature}" for signature in plan_signatures(schema)]


def ledger(roles: Roles) -> str:
    """What makes the ledger of revisions; idempotent."""
    return _file("sql/ledger.sql", roles)


def _file(name: str, roles: Roles) -> str:
    text = files("holdfast.engines.postgres").joinpath(name).read_text()
    for role in ("owner", "runtime", "realm", "maintenance"):
        text = text.replace(f":{role}", quoted(getattr(roles, role)))
    return text


def _log(roles: Roles) -> list[str]:
    text = _file("sql/log.sql", roles)
    wall = [s for table in LOG_TABLES for s in _wall(f"holdfast.{table}", table, roles, owner=None)]
    wall += restrict("holdfast.field_history", "field_history_owner", roles, log_owner_policy())
    return [text, *wall, *(_guard(f"holdfast.{table}") for table in LOG_TABLES)]


def _tombstones(roles: Roles) -> list[str]:
    table = f"holdfast.{TOMBSTONES}"
    return [
        _file("sql/tombstones.sql", roles),
        *_wall(table, TOMBSTONES, roles, owner=None),
        *restrict(table, f"{TOMBSTONES}_owner", roles, log_owner_policy()),
        _guard(table),
    ]


def _plans(schema: EntitySchema, roles: Roles) -> list[str]:
    made = list(plan_functions(schema))
    for signature in plan_signatures(schema):
        made.append(f"revoke all on function {signature} from public")
        made.append(f"grant execute on function {signature} to {quoted(roles.runtime)}")
    return made


def _entity(schema: EntitySchema, roles: Roles) -> list[str]:
    realm = schema.visibility == "realm"
    made = [f"create schema if not exists {quoted(schema.pack)}", create_table(schema), *_indexes(schema)]
    if realm:
        return [*made, *_realm_grants(schema, roles)]
    made += _wall(table_name(schema), schema.relation, roles, owner=owner_column(schema))
    made += _grants(schema, roles)
    if schema.journaled:
        made.append(_guard(table_name(schema)))
    return made


def create_table(schema: EntitySchema) -> str:
    """The table with its keys, checks and references, the tenant leading each."""
    realm = schema.visibility == "realm"
    lines = [] if realm else [f"tenant_id uuid not null check ({NOT_NIL})"]
    lines += ["id uuid not null", f"version bigint not null check ({VERSION_CHECK})"]
    lines += ["created_at timestamptz not null", "updated_at timestamptz not null"]
    if schema.journaled:
        lines.append("commit_salt bytea not null")
    lines += [_column(field) for field in schema.fields]
    lines.append("primary key (id)" if realm else "primary key (tenant_id, id)")
    lines += [line for field in schema.fields for line in (_reference(schema, field),) if line]
    lines += [_unique(schema, rule) for rule in schema.uniques if rule.when is None]
    return f"create table if not exists {table_name(schema)} (\n  " + ",\n  ".join(lines) + "\n)"


def owner_column(schema: EntitySchema) -> str | None:
    """The column that names a row's owner."""
    return schema.by_name[schema.owner].column if schema.owner else None


def _column(field: FieldSchema) -> str:
    name = quoted(field.column)
    text = f"{name} {sql_type(field.type)}" + ("" if field.nullable else " not null")
    check = field_check(field)
    return text if check is None else f"{text} check ({check})"


def field_check(field: FieldSchema) -> str | None:
    """What a column's values must meet, beyond their type."""
    name = quoted(field.column)
    match field.type:
        case ChoiceType(values=values):
            return f"{name} in ({', '.join(map(literal, values))})"
        case IntegerType(minimum=low, maximum=high) if (low, high) != (-(2**63), 2**63 - 1):
            return f"{name} between {low} and {high}"
        case _:
            return None


def field_limit(field: FieldSchema) -> str | None:
    """What a column's type holds of its own, as a condition: for a column that is wider than the field has become."""
    name = quoted(field.column)
    match field.type:
        case TextType(max_length=int(length)):
            return f"char_length({name}) <= {length}"
        case DecimalType(precision=precision, scale=scale):
            return f"abs({name}) < 1e{precision - scale}"
        case _:
            return None


def limit_name(table: str, field: FieldSchema) -> str | None:
    """The name of the constraint that holds that condition."""
    limit = field_limit(field)
    return None if limit is None else marked_name(table, field.column, "limit", limit)


def marked_name(table: str, column: str, kind: str, of: str) -> str:
    """A constraint's name, which tells what it holds from what an earlier one of this column held."""
    mark = hashlib.sha256(of.encode()).hexdigest()[:6]
    return constraint_name(table.split(".")[1], (column, mark), kind)


def _reference(schema: EntitySchema, field: FieldSchema) -> str | None:
    if field.reference is None:
        return None
    realm = schema.visibility == "realm"
    return reference_clause(schema.relation, field.column, field.reference.table, realm=realm)


def reference_clause(relation: str, column: str, target: str, *, realm: bool) -> str:
    """The foreign key of a reference."""
    name = constraint_name(relation, (column,), "fkey")
    deferred = "deferrable initially deferred"
    if target == MEMBERS:
        to = "realm.memberships (tenant_id, user_id)"
    else:
        pack, table = target.split(".")
        to = f"{quoted(pack)}.{quoted(table)} " + ("(id)" if realm else "(tenant_id, id)")
    own = quoted(column) if realm else f"tenant_id, {quoted(column)}"
    return f"constraint {quoted(name)} foreign key ({own}) references {to} on delete no action {deferred}"


def constraint_name(relation: str, columns: tuple[str, ...], kind: str) -> str:
    """A constraint's or index's name, within PostgreSQL's 63 bytes; the error translation recognises it."""
    return f"{relation[:30]}_{'_'.join(columns)}"[: 62 - len(kind)] + f"_{kind}"


def _lead(schema: EntitySchema, fields: tuple[str, ...]) -> str:
    lead = () if schema.visibility == "realm" else ("tenant_id",)
    return ", ".join(quoted(name) for name in (*lead, *fields))


def _unique(schema: EntitySchema, rule: Unique) -> str:
    return f"constraint {quoted(unique_name(schema, rule))} unique ({_lead(schema, schema.columns(rule.fields))})"


def unique_name(schema: EntitySchema, rule: Unique) -> str:
    """The name of a unique rule's constraint or index."""
    named = schema.columns((*rule.fields, *((rule.when,) if rule.when else ())))
    return constraint_name(schema.relation, named, "key")


def index_name(schema: EntitySchema, columns: tuple[str, ...]) -> str:
    """The name of an index; `columns` with the id that ends them."""
    return constraint_name(schema.relation, columns[:-1], "idx")


def _indexes(schema: EntitySchema) -> list[str]:
    made = [
        f"create index if not exists {quoted(index_name(schema, columns))} "
        f"on {table_name(schema)} ({_lead(schema, columns)})"
        for columns in schema.index_columns
    ]
    made += [
        f"create unique index if not exists {quoted(unique_name(schema, rule))} "
        f"on {table_name(schema)} ({_lead(schema, schema.columns(rule.fields))}) where {quoted(schema.by_name[rule.when].column)}"
        for rule in schema.uniques
        if rule.when is not None
    ]
    return made


def _wall(table: str, stem: str, roles: Roles, *, owner: str | None) -> list[str]:
    """Row-level security, forced; the tenant's policy, a RESTRICTIVE floor, and the owner's where there is one."""
    to = f"{quoted(roles.runtime)}, {quoted(roles.maintenance)}"
    name = quoted(f"{stem}_tenant")
    made = [
        f"alter table {table} enable row level security",
        f"alter table {table} force row level security",
        f"drop policy if exists {name} on {table}",
        f"create policy {name} on {table} for all to {to} using ({TENANT_POLICY}) with check ({TENANT_POLICY})",
        *restrict(table, f"{stem}_floor", roles, TENANT_POLICY),
    ]
    if owner is not None:
        made += restrict(table, f"{stem}_owner", roles, owner_policy(owner))
    return made


def restrict(table: str, policy: str, roles: Roles, condition: str) -> list[str]:
    """A RESTRICTIVE policy for the logins that reach rows, in the place of one of its name."""
    to = f"{quoted(roles.runtime)}, {quoted(roles.maintenance)}"
    checks = f"using ({condition}) with check ({condition})"
    return [
        f"drop policy if exists {quoted(policy)} on {table}",
        f"create policy {quoted(policy)} on {table} as restrictive for all to {to} {checks}",
    ]


def _guard(table: str) -> str:
    return (
        f"create or replace trigger guard before insert or update or delete on {table} "
        "for each statement execute function holdfast.guard()"
    )


def _grants(schema: EntitySchema, roles: Roles) -> list[str]:
    table = table_name(schema)
    changes = schema.journaled or schema.bookkeeping
    verbs = "select, insert, update, delete" if changes else "select, insert"
    return [
        f"grant usage on schema {quoted(schema.pack)} to {quoted(roles.runtime)}, {quoted(roles.maintenance)}",
        f"grant {verbs} on {table} to {quoted(roles.runtime)}",
        f"grant select, delete on {table} to {quoted(roles.maintenance)}",
    ]


def _realm_grants(schema: EntitySchema, roles: Roles) -> list[str]:
    return [
        f"grant usage on schema {quoted(schema.pack)} to {quoted(roles.realm)}",
        f"grant select, insert, update, delete on {table_name(schema)} to {quoted(roles.realm)}",
    ]
