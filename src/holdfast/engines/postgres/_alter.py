"""Changes of tables that stand, as acts. No act rewrites a table or reads it under a lock that others wait for."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from holdfast.engines.postgres._acts import (
    Act,
    Batches,
    Concurrently,
    Ddl,
    Probe,
    Seen,
    When,
    has_column,
    has_constraint,
    has_table,
)
from holdfast.engines.postgres._casts import converted
from holdfast.engines.postgres._ddl import (
    constraint_name,
    field_check,
    field_limit,
    marked_name,
    owner_policy,
    reference_clause,
    restrict,
)
from holdfast.engines.postgres._names import Roles, literal, quoted, record_type, sql_type
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.steps import (
    AddField,
    AddIndex,
    AddReference,
    AddUnique,
    Backfill,
    ChangeOwner,
    DropEntity,
    DropField,
    DropIndex,
    DropReference,
    DropUnique,
    LinkFields,
    NarrowField,
    PurgeField,
    ReleaseField,
    RestoreEntity,
    RestoreField,
    Step,
    UnlinkFields,
    WidenField,
)
from holdfast.model.types import BytesType, ChoiceType, DecimalType, FieldType, JsonType, TextType
from holdfast.model.widening import empty_value

ASIDE = "_dropped_"
_HEADS = '"holdfast"."tenant_heads"'
_MEND = "Change these rows first."


def alter(step: Step, roles: Roles) -> list[Act]:
    """What carries out a step that changes what stands."""
    match step:
        case AddField(table, field):
            return _add(_Column(table, field))
        case ReleaseField(table, field):
            return _release(_Column(table, field))
        case DropField(table, field):
            return _Column(table, field).set_aside()
        case RestoreField(table, field):
            column = _Column(table, field)
            return [*column.bring_back(), *([] if field.nullable else column.require())]
        case PurgeField(table, column):
            name = quoted(ASIDE + column)
            return [Ddl(f"alter table {sql_table(table)} drop column if exists {name}", table=table)]
        case WidenField(table, _, new):
            return _widen(_Column(table, new))
        case NarrowField(table, old, new):
            column = _Column(table, new)
            # Choices are a plain text that is checked, whatever length they had as text.
            acts = column.widen_type() if isinstance(new.type, ChoiceType) else []
            acts += column.recheck(narrower=True)
            return [*acts, *(column.require() if old.nullable and not new.nullable else [])]
        case LinkFields(table, old, new):
            return _link(table, old, new)
        case UnlinkFields(table, old, new):
            return _unlink(table, old, new)
        case Backfill():
            return [_backfill(step)]
        case AddIndex() | DropIndex():
            return _index(step)
        case AddUnique() | DropUnique():
            return _unique(step)
        case AddReference() | DropReference():
            return _reference(step)
        case ChangeOwner(table, _, new):
            return _owner(table, new, roles)
        case DropEntity(schema):
            return set_table_aside(schema, roles)
        case RestoreEntity(schema):
            return [*bring_table_back(schema), *_references_of(schema)]
        case _:
            raise TypeError(type(step).__name__)


def sql_table(table: str) -> str:
    """`pack.relation`, quoted."""
    pack, relation = table.split(".")
    return f"{quoted(pack)}.{quoted(relation)}"


def _relation(table: str) -> str:
    return table.split(".")[1]


def value_sql(kind: FieldType, plain: Any) -> str:
    """A value in plain form as a constant of its column's type."""
    match kind:
        case JsonType():
            return f"{literal(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode())}::jsonb"
        case BytesType():
            return f"'\\x{base64.b64decode(plain).hex()}'::bytea"
        case _ if isinstance(plain, bool):
            return str(plain).lower()
        case _ if isinstance(plain, str):
            return f"{literal(plain)}::{record_type(kind)}"
        case _:
            return repr(plain)


# -- columns ------------------------------------------------------------------------------------------------------------


class _Column:
    """A field's column in a table, and the acts on it."""

    def __init__(self, table: str, field: FieldSchema) -> None:
        self.table, self.field = table, field
        self.sql = sql_table(table)
        self.name = field.column
        self.quoted = quoted(self.name)

    def ddl(self, action: str, when: When | None = None) -> Ddl:
        """ALTER TABLE."""
        return Ddl(f"alter table {self.sql} {action}", when, self.table)

    def is_there(self, more: str = "", words: str = "is there") -> When:
        return has_column(self.sql, self.name, more, words)

    def stands_aside(self, more: str = "") -> When:
        return has_column(self.sql, ASIDE + self.name, more)

    def constraint(self, kind: str, of: str) -> str:
        """The name of a constraint that holds `of`."""
        return marked_name(self.table, self.name, kind, of)

    def set_aside(self) -> list[Act]:
        """Out of the way, under a name that no field has; what holds it stays with it."""
        text = (
            f"alter table {self.sql} alter column {self.quoted} drop not null; "
            f"alter table {self.sql} rename column {self.quoted} to {quoted(ASIDE + self.name)}"
        )
        return [Ddl(text, self.is_there(), self.table)]

    def bring_back(self) -> list[Act]:
        """Back, where it stands aside."""
        there, aside = self.is_there(), self.stands_aside()
        rename = f"rename column {quoted(ASIDE + self.name)} to {self.quoted}"
        return [self.ddl(rename, aside & ~there)]

    def require(self) -> list[Act]:
        """NOT NULL, with the one reading of the table under a lock that nobody waits for."""
        name = self.constraint("present", "")
        absent = self.is_there("not a.attnotnull", "may be absent")
        stands = has_constraint(self.sql, name)
        probe = Probe(
            f"{self.sql} r where r.{self.quoted} is null",
            f"rows of {self.table} hold nothing in {self.name}",
            f"Give them a value, or let the field be None. {_MEND}",
            when=absent,
        )
        return [
            Seen((self.table,), (probe,)),
            self.ddl(
                f"add constraint {quoted(name)} check ({self.quoted} is not null) not valid",
                absent & ~stands,
            ),
            self.validate(name),
            self.ddl(f"alter column {self.quoted} set not null", absent),
            self.ddl(f"drop constraint {quoted(name)}", stands),
        ]

    def validate(self, name: str) -> Ddl:
        """A constraint that holds for new rows, made to hold for all."""
        return self.ddl(
            f"validate constraint {quoted(name)}",
            has_constraint(self.sql, name, "not c.convalidated", "is not proved yet"),
        )

    def recheck(self, *, narrower: bool) -> list[Act]:
        """The checks of the column become those of the field: new ones first, then the old ones go."""
        acts: list[Act] = []
        keep = []
        wanted = [
            ("check", field_check(self.field), None),
            ("limit", field_limit(self.field), self._is_wider()),
        ]
        for kind, expression, when in wanted:
            if expression is None:
                continue
            name = self.constraint(kind, expression)
            keep.append(name)
            if narrower:
                acts.append(self._probe(expression, when))
            missing = ~has_constraint(self.sql, name)
            missing = missing & when if when else missing
            acts.append(self.ddl(f"add constraint {quoted(name)} check ({expression}) not valid", missing))
            acts.append(self.validate(name))
        return [*acts, self._drop_other_checks(keep)]

    def _probe(self, expression: str, when: When | None) -> Seen:
        probe = Probe(
            f"{self.sql} r where not ({expression})",
            f"rows of {self.table} hold in {self.name} what it will not take",
            _MEND,
            when=when,
        )
        return Seen((self.table,), (probe,))

    def _is_wider(self) -> When | None:
        """Whether the column takes more than the field's length or digits."""
        match self.field.type:
            case TextType(max_length=int(length)):
                wider = f"(a.atttypid = 'text'::regtype or a.atttypmod > {length + 4})"
                return self.is_there(wider, f"takes more than {length} characters")
            case DecimalType(precision=precision):
                wider = f"((a.atttypmod - 4) >> 16) & 65535 > {precision}"
                return self.is_there(wider, f"takes more than {precision} digits")
            case _:
                return None

    def _drop_other_checks(self, keep: list[str]) -> Ddl:
        kept = ", ".join(map(literal, keep)) or "''"
        others = (
            f"from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum] "
            f"where c.conrelid = to_regclass({literal(self.sql)}) and a.attname = {literal(self.name)} "
            f"and c.contype = 'c' and c.conname not in ({kept})"
        )
        text = (
            f"do $do$ declare n name; begin for n in select c.conname {others} loop "
            f"execute format('alter table {self.sql} drop constraint %I', n); end loop; end $do$"
        )
        return Ddl(text, When(f"exists (select {others})", f"{self.name} has other checks"), self.table)

    def widen_type(self) -> list[Act]:
        """A longer or more precise column: PostgreSQL changes its catalog alone."""
        kind = self.field.type
        match kind:
            case DecimalType(precision=precision):
                narrower = f"((a.atttypmod - 4) >> 16) & 65535 < {precision}"
            case TextType(max_length=int(length)):
                narrower = f"a.atttypid = 'varchar'::regtype and a.atttypmod < {length + 4}"
            case _ if sql_type(kind).startswith("text"):
                narrower = "a.atttypid = 'varchar'::regtype"
            case _:
                return []
        action = f"alter column {self.quoted} type {sql_type(kind)}"
        return [self.ddl(action, self.is_there(narrower, "takes less than that"))]


def _add(column: _Column) -> list[Act]:
    field = column.field
    default = None if field.default is None else value_sql(field.type, field.default)
    type_name = _spelled(field.type)
    other = f"format_type(a.atttypid, a.atttypmod) <> {literal(type_name)}"
    made = f"add column {column.quoted} {sql_type(field.type)}"
    if default is not None:
        made += f" default {default}"
    if not field.nullable:
        made += " not null"
    acts: list[Act] = [
        Probe(
            f"(select 1 as id where {(column.stands_aside(other) & ~column.is_there()).sql}) r",
            f"{column.table}.{column.name} was set aside with another type",
            f"Take its values over or lose them: a PurgeField step removes {ASIDE}{column.name}.",
            shown="null",
        ),
        *column.bring_back(),
        column.ddl(made, ~column.is_there()),
    ]
    if default is not None:
        undefaulted = column.is_there("not a.atthasdef", "has no default")
        acts.append(column.ddl(f"alter column {column.quoted} set default {default}", undefaulted))
    acts += column.recheck(narrower=False)
    return [*acts, *([] if field.nullable else column.require())]


def _spelled(kind: FieldType) -> str:
    """A column's type as `format_type` prints it."""
    name = sql_type(kind).partition(" collate ")[0].replace("varchar", "character varying")
    return {"timestamptz": "timestamp with time zone"}.get(name, name)


def _release(column: _Column) -> list[Act]:
    field = column.field
    held = field.default if field.default is not None else empty_value(field.type)
    return [column.ddl(f"alter column {column.quoted} set default {value_sql(field.type, held)}")]


def _widen(column: _Column) -> list[Act]:
    acts = [*column.widen_type(), *column.recheck(narrower=False)]
    if column.field.nullable:
        acts.append(
            column.ddl(
                f"alter column {column.quoted} drop not null",
                column.is_there("a.attnotnull", "may not be absent"),
            )
        )
    return acts


# -- two columns in step --------------------------------------------------------------------------------------------------


def _link(table: str, old: FieldSchema, new: FieldSchema) -> list[Act]:
    function, trigger = _link_names(table, old, new)
    a, b = quoted(old.column), quoted(new.column)
    there = converted(old.type, new.type, f"new.{a}")
    back = converted(new.type, old.type, f"new.{b}")
    body = f"""create or replace function {function}() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $link$
begin
  if tg_op = 'INSERT' then
    if new.{b} is null then new.{b} := {there}; elsif new.{a} is null then new.{a} := {back}; end if;
  elsif new.{b} is distinct from old.{b} then
    new.{a} := {back};
  elsif new.{a} is distinct from old.{a} then
    new.{b} := {there};
  end if;
  return new;
end $link$"""
    # The new code does not name the old column, and a default would stand in it before the trigger sees the row.
    text = (
        f"alter table {sql_table(table)} alter column {a} drop default, alter column {b} drop default; "
        f"create or replace trigger {trigger} before insert or update on {sql_table(table)} "
        f"for each row execute function {function}()"
    )
    return [Ddl(body), Ddl(f"revoke all on function {function}() from public"), Ddl(text, None, table)]


def _link_names(table: str, old: FieldSchema, new: FieldSchema) -> tuple[str, str]:
    pack, relation = table.split(".")
    first, second = sorted((old.column, new.column))
    name = constraint_name(relation, (first, second), "link")
    return f"{quoted(pack)}.{quoted(name)}", quoted(name)


def _unlink(table: str, old: FieldSchema, new: FieldSchema) -> list[Act]:
    function, trigger = _link_names(table, old, new)
    probe = Probe(
        f"{sql_table(table)} r where r.{quoted(old.column)} is not null and r.{quoted(new.column)} is null",
        f"rows of {table} hold in {old.column} what has no counterpart in {new.column}",
        _MEND,
    )
    there = has_column(sql_table(table), old.column)
    return [
        Seen((table,), (Probe(probe.source, probe.message, probe.hint, when=there),)),
        Ddl(
            f"drop trigger if exists {trigger} on {sql_table(table)}; "
            f"alter table {sql_table(table)} alter column {quoted(old.column)} drop not null",
            there,
            table,
        ),
        Ddl(f"drop function if exists {function}()"),
    ]


def _backfill(step: Backfill) -> Seen:
    target = quoted(step.target.column)
    if step.source is not None:
        value = converted(step.source.type, step.target.type, f"r.{quoted(step.source.column)}")
        condition = f"r.{target} is distinct from ({value})"
    else:
        value = value_sql(step.target.type, step.value)
        condition = f"r.{target} is null"
    table = sql_table(step.table)
    return Seen((step.table, "holdfast.tenant_heads"), (Batches(table, target, value, condition, _HEADS),))


# -- indexes, unique rules, references ------------------------------------------------------------------------------------


def _lead(columns: tuple[str, ...], *, realm: bool) -> str:
    return ", ".join(quoted(name) for name in (*(() if realm else ("tenant_id",)), *columns))


def _index(step: AddIndex | DropIndex) -> list[Act]:
    pack, relation = step.table.split(".")
    name = constraint_name(relation, step.columns[:-1], "idx")
    index = f"{quoted(pack)}.{quoted(name)}"
    if isinstance(step, DropIndex):
        return [Concurrently(f"drop index concurrently if exists {index}")]
    columns = _lead(step.columns, realm=step.realm)
    text = f"create index concurrently {quoted(name)} on {sql_table(step.table)} ({columns})"
    return [Concurrently(text, index)]


def _unique(step: AddUnique | DropUnique) -> list[Act]:
    pack, relation = step.table.split(".")
    table, when = sql_table(step.table), step.when
    name = constraint_name(relation, (*step.columns, *((when,) if when else ())), "key")
    index = f"{quoted(pack)}.{quoted(name)}"
    stands = has_constraint(table, name)
    if isinstance(step, DropUnique):
        return [
            Ddl(f"alter table {table} drop constraint {quoted(name)}", stands, step.table),
            Concurrently(f"drop index concurrently if exists {index}"),
        ]
    columns = _lead(step.columns, realm=step.realm)
    present = " and ".join(f"r.{quoted(c)} is not null" for c in step.columns)
    counted = f"{present} and r.{quoted(when)}" if when else present
    probe = Probe(
        f"(select r.id, count(*) over (partition by {columns}) as others from {table} r where {counted}) r "
        "where r.others > 1",
        f"rows of {step.table} hold the same {', '.join(step.columns)} as others",
        _MEND,
        when=~stands,
    )
    where = f" where {quoted(when)}" if when else ""
    text = f"create unique index concurrently {quoted(name)} on {table} ({columns}){where}"
    acts: list[Act] = [Seen((step.table,), (probe,)), Concurrently(text, index, ~stands)]
    if when is None:
        add = f"alter table {table} add constraint {quoted(name)} unique using index {quoted(name)}"
        acts.append(Ddl(add, ~stands, step.table))
    return acts


def _reference(step: AddReference | DropReference) -> list[Act]:
    table = sql_table(step.table)
    name = constraint_name(_relation(step.table), (step.column,), "fkey")
    stands = has_constraint(table, name)
    if isinstance(step, DropReference):
        return [Ddl(f"alter table {table} drop constraint {quoted(name)}", stands, step.table)]
    members = step.target == MEMBERS
    target = "realm.memberships" if members else step.target
    key = "user_id" if members else "id"
    same = "" if step.realm else "p.tenant_id = r.tenant_id and "
    column = quoted(step.column)
    orphan = Probe(
        f"{table} r where r.{column} is not null and not exists "
        f"(select from {sql_table(target)} p where {same}p.{key} = r.{column})",
        f"rows of {step.table} refer by {step.column} to no row of {target}",
        _MEND,
    )
    clause = reference_clause(_relation(step.table), step.column, step.target, realm=step.realm)
    add = Ddl(f"alter table {table} add {clause} not valid", ~stands, step.table)
    unproved = has_constraint(table, name, "not c.convalidated", "is not proved yet")
    validate = Ddl(f"alter table {table} validate constraint {quoted(name)}", unproved, step.table)
    return [Seen((step.table, target), (orphan, add, validate))]


def _references_of(schema: EntitySchema) -> list[Act]:
    realm = schema.visibility == "realm"
    return [
        act
        for field in schema.fields
        if field.reference is not None
        for act in _reference(AddReference(schema.stable_name, field.column, field.reference.table, realm))
    ]


def hold_references(schema: EntitySchema) -> list[Ddl]:
    """The foreign keys of a table that has come back without them."""
    table, realm = sql_table(schema.stable_name), schema.visibility == "realm"
    acts = []
    for field in schema.fields:
        if field.reference is not None:
            name = constraint_name(schema.relation, (field.column,), "fkey")
            clause = reference_clause(schema.relation, field.column, field.reference.table, realm=realm)
            missing = ~has_constraint(table, name)
            acts.append(Ddl(f"alter table {table} add {clause}", missing, schema.stable_name))
    return acts


def _owner(table: str, column: str | None, roles: Roles) -> list[Act]:
    policy = f"{_relation(table)}_owner"
    if column is None:
        return [Ddl(f"drop policy if exists {quoted(policy)} on {sql_table(table)}", None, table)]
    return [Ddl("; ".join(restrict(sql_table(table), policy, roles, owner_policy(column))), None, table)]


# -- whole tables -----------------------------------------------------------------------------------------------------------


def _aside(schema: EntitySchema) -> tuple[str, str]:
    """The SQL schema where a table stands aside, alone, so that its indexes keep their names; and the table there."""
    folder = quoted(ASIDE + schema.digest)
    return folder, f"{folder}.{quoted(schema.relation)}"


def aside_of(schema: EntitySchema) -> str:
    """The same, not quoted."""
    return f"{ASIDE}{schema.digest}.{schema.relation}"


def set_table_aside(schema: EntitySchema, roles: Roles) -> list[Act]:
    """Where no role but the owner reaches it, and the maintenance, which forgets tenants; holding nothing back: its references
    go.
    """
    table = sql_table(schema.stable_name)
    folder, there = _aside(schema)
    keys = f"from pg_constraint c where c.conrelid = to_regclass({literal(table)}) and c.contype = 'f'"
    probe = Probe(
        f"{table} r",
        f"{schema.stable_name} holds rows",
        "They are set aside with the table, where nothing reaches them: say so with --yes.",
        when=has_table(table),
        unless_forced=True,
    )
    drop_keys = (
        f"do $do$ declare n name; begin for n in select c.conname {keys} loop "
        f"execute format('alter table {table} drop constraint %I', n); end loop; end $do$"
    )
    return [
        Seen((schema.stable_name,), (probe,)),
        Ddl(drop_keys, When(f"exists (select {keys})", "it refers to others"), schema.stable_name),
        Ddl(
            f"create schema if not exists {folder}; grant usage on schema {folder} to {quoted(roles.maintenance)}; "
            f"alter table {table} set schema {folder}",
            has_table(table) & ~has_table(there),
            schema.stable_name,
        ),
    ]


def bring_table_back(schema: EntitySchema) -> list[Act]:
    """In its place, where it stands aside as exactly this schema."""
    table = sql_table(schema.stable_name)
    folder, there = _aside(schema)
    text = f"alter table {there} set schema {quoted(schema.pack)}; drop schema {folder}"
    return [Ddl(text, has_table(there) & ~has_table(table), None)]
