"""What a table ought to be, as values: derived from a schema, or written down for the log. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.engines.postgres._ddl import (
    LOG_OWNER_COLUMN,
    NOT_NIL,
    TENANT_POLICY,
    TOMBSTONES,
    VERSION_CHECK,
    constraint_name,
    field_check,
    index_name,
    limit_name,
    log_owner_policy,
    owner_column,
    owner_policy,
    unique_name,
)
from holdfast.engines.postgres._names import Roles, quoted, sql_type
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema

Grant = tuple[str, str]
"""Role and privilege."""
ColumnGrant = tuple[str, str, str]
"""Role, privilege and column."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column, its type as `format_type` prints it; `collation` where it is not the type's own."""

    name: str
    type: str
    not_null: bool = True
    collation: str | None = None
    has_default: bool = False
    limit: str | None = None
    """The constraint that holds a length or a number of digits where the column itself is wider."""


@dataclass(frozen=True, slots=True)
class Check:
    """What the values of a column must meet."""

    column: str
    expression: str


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference. NO ACTION, because the store cascades; deferred, save from a tenant's counter to its tenant."""

    name: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    deferred: bool = True


@dataclass(frozen=True, slots=True)
class Index:
    """An index, those behind keys included (`key` is then p for the primary one or u)."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    where: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A row policy for all commands, its condition for reading and for writing alike."""

    name: str
    permissive: bool
    condition: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table, `pack` being its SQL schema."""

    pack: str
    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    checks: tuple[Check, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    policies: tuple[Policy, ...] = ()
    grants: frozenset[Grant] = frozenset()
    column_grants: frozenset[ColumnGrant] = frozenset()
    guarded: bool = False

    @property
    def full_name(self) -> str:
        """As people and errors call it."""
        return f"{self.pack}.{self.name}"

    @property
    def sql_name(self) -> str:
        """As SQL calls it."""
        return f"{quoted(self.pack)}.{quoted(self.name)}"

    @property
    def walled(self) -> bool:
        """Whether row security holds it."""
        return bool(self.policies)


def table_of(schema: EntitySchema, roles: Roles) -> Table:
    """What `schema` asks for."""
    realm = schema.visibility == "realm"
    return Table(
        pack=schema.pack,
        name=schema.relation,
        columns=_columns(schema),
        indexes=_indexes(schema),
        checks=_checks(schema),
        foreign_keys=tuple(_foreign_key(schema, f) for f in schema.fields if f.reference is not None),
        policies=() if realm else _policies(schema.relation, owner=owner_column(schema)),
        grants=_grants(schema, roles),
        guarded=schema.journaled,
    )


def _columns(schema: EntitySchema) -> tuple[Column, ...]:
    realm = schema.visibility == "realm"
    columns = [] if realm else [Column("tenant_id", "uuid")]
    columns += [Column("id", "uuid"), Column("version", "bigint")]
    columns += [Column(name, "timestamp with time zone") for name in ("created_at", "updated_at")]
    if schema.journaled:
        columns.append(Column("commit_salt", "bytea"))
    return (*columns, *(_column(schema, field) for field in schema.fields))


def _column(schema: EntitySchema, field: FieldSchema) -> Column:
    kind, _, collation = sql_type(field.type).partition(" collate ")
    kind = kind.replace("varchar", "character varying")
    printed = {"timestamptz": "timestamp with time zone"}.get(kind, kind)
    return Column(
        field.column,
        printed,
        not field.nullable,
        collation.strip('"') or None,
        has_default=True,
        limit=limit_name(schema.stable_name, field),
    )


def _checks(schema: EntitySchema) -> tuple[Check, ...]:
    tenant = [] if schema.visibility == "realm" else [Check("tenant_id", NOT_NIL)]
    fields = [(field.column, field_check(field)) for field in schema.fields]
    declared = [Check(name, text) for name, text in fields if text is not None]
    return (*tenant, Check("version", VERSION_CHECK), *declared)


def _lead(schema: EntitySchema, fields: tuple[str, ...]) -> tuple[str, ...]:
    return fields if schema.visibility == "realm" else ("tenant_id", *fields)


def _indexes(schema: EntitySchema) -> tuple[Index, ...]:
    primary = Index(f"{schema.relation}_pkey", _lead(schema, ("id",)), unique=True, key="p")
    uniques = [
        Index(
            unique_name(schema, rule),
            _lead(schema, schema.columns(rule.fields)),
            unique=True,
            where=rule.when and quoted(schema.by_name[rule.when].column),
            key=None if rule.when else "u",
        )
        for rule in schema.uniques
    ]
    others = [Index(index_name(schema, columns), _lead(schema, columns)) for columns in schema.index_columns]
    return (primary, *uniques, *others)


def _foreign_key(schema: EntitySchema, field: FieldSchema) -> ForeignKey:
    assert field.reference is not None  # noqa: S101
    name = constraint_name(schema.relation, (field.column,), "fkey")
    if field.reference.table == MEMBERS:
        own, other = ("tenant_id", field.column), ("tenant_id", "user_id")
        return ForeignKey(name, own, "realm.memberships", other)
    return ForeignKey(
        name, _lead(schema, (field.column,)), field.reference.table, _lead(schema, ("id",)), deferred=True
    )


def _policies(stem: str, *, owner: str | None) -> tuple[Policy, ...]:
    wall = (
        Policy(f"{stem}_tenant", permissive=True, condition=TENANT_POLICY),
        Policy(f"{stem}_floor", permissive=False, condition=TENANT_POLICY),
    )
    if owner is None:
        return wall
    return (*wall, Policy(f"{stem}_owner", permissive=False, condition=owner_policy(owner)))


def _grants(schema: EntitySchema, roles: Roles) -> frozenset[Grant]:
    if schema.visibility == "realm":
        return _granted(roles.realm, "SELECT", "INSERT", "UPDATE", "DELETE")
    changes = schema.journaled or schema.bookkeeping
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE") if changes else ("SELECT", "INSERT")
    return _granted(roles.runtime, *verbs) | _granted(roles.maintenance, "SELECT", "DELETE")


def _granted(role: str, *privileges: str) -> frozenset[Grant]:
    return frozenset((role, privilege) for privilege in privileges)


# -- the log, as sql/log.sql and sql/tombstones.sql make it -----------------------------------------------------------------------------


def log_tables(roles: Roles) -> tuple[Table, ...]:
    """The counters, the change log, the field history, the tombstones and the ledger."""
    return (
        _heads(roles),
        _changes(roles),
        _history(roles),
        _tombstones(roles),
        _ledger(roles),
        _ledger_steps(roles),
    )


def _log_grants(roles: Roles, *runtime: str) -> frozenset[Grant]:
    return _granted(roles.runtime, *runtime) | _granted(roles.maintenance, "SELECT", "DELETE")


def _heads(roles: Roles) -> Table:
    key = ForeignKey("tenant_heads_tenant_id_fkey", ("tenant_id",), "realm.tenants", ("id",), deferred=False)
    return Table(
        pack="holdfast",
        name="tenant_heads",
        columns=(
            Column("tenant_id", "uuid"),
            Column("head", "bigint", has_default=True),
            Column("horizon", "bigint", has_default=True),
        ),
        indexes=(Index("tenant_heads_pkey", ("tenant_id",), unique=True, key="p"),),
        checks=(Check("head", "head >= 0"),),
        foreign_keys=(key,),
        policies=_policies("tenant_heads", owner=None),
        grants=_log_grants(roles, "SELECT", "INSERT", "UPDATE"),
        column_grants=frozenset({(roles.maintenance, "UPDATE", "horizon")}),
        guarded=True,
    )


def _changes(roles: Roles) -> Table:
    return Table(
        pack="holdfast",
        name="changes",
        columns=(
            Column("tenant_id", "uuid"),
            Column("number", "bigint"),
            Column("flush_end", "bigint"),
            Column("format", "smallint"),
            Column("entity", "text", collation="C"),
            Column("row_id", "uuid"),
            Column("op", "text", collation="C"),
            Column("fields", "text[]"),
            Column("version", "bigint"),
            Column("actor", "uuid", not_null=False),
            Column("device", "text", not_null=False),
            Column("at", "timestamp with time zone"),
            Column("commitment", "bytea"),
        ),
        indexes=(Index("changes_pkey", ("tenant_id", "number"), unique=True, key="p"),),
        checks=(Check("op", "op in ('c', 'u', 'd')"),),
        policies=_policies("changes", owner=None),
        grants=_log_grants(roles, "SELECT", "INSERT"),
        guarded=True,
    )


def _history(roles: Roles) -> Table:
    key = ("tenant_id", "entity", "row_id", "number", "field")
    owner = Policy("field_history_owner", permissive=False, condition=log_owner_policy())
    return Table(
        pack="holdfast",
        name="field_history",
        columns=(
            Column("tenant_id", "uuid"),
            Column("entity", "text", collation="C"),
            Column("row_id", "uuid"),
            Column("number", "bigint"),
            Column("field", "text", collation="C"),
            Column("value", "bytea"),
            Column(LOG_OWNER_COLUMN, "uuid", not_null=False),
        ),
        indexes=(Index("field_history_pkey", key, unique=True, key="p"),),
        policies=(*_policies("field_history", owner=None), owner),
        grants=_log_grants(roles, "SELECT", "INSERT"),
        guarded=True,
    )


def _tombstones(roles: Roles) -> Table:
    key = ("tenant_id", "entity", "row_id")
    owner = Policy(f"{TOMBSTONES}_owner", permissive=False, condition=log_owner_policy())
    return Table(
        pack="holdfast",
        name=TOMBSTONES,
        columns=(
            Column("tenant_id", "uuid"),
            Column("entity", "text", collation="C"),
            Column("row_id", "uuid"),
            Column("number", "bigint"),
            Column(LOG_OWNER_COLUMN, "uuid", not_null=False),
            Column("device", "text", not_null=False),
        ),
        indexes=(
            Index("tombstones_pkey", key, unique=True, key="p"),
            Index("tombstones_number_idx", ("tenant_id", "entity", "number")),
        ),
        policies=(*_policies(TOMBSTONES, owner=None), owner),
        grants=_log_grants(roles, "SELECT", "INSERT", "UPDATE"),
        guarded=True,
    )


def _ledger(roles: Roles) -> Table:
    readers = (roles.runtime, roles.realm, roles.maintenance)
    return Table(
        pack="holdfast",
        name="revisions",
        columns=(
            Column("revision", "text"),
            Column("checksum", "text"),
            Column("applied_at", "timestamp with time zone", has_default=True),
            Column("applied_by", "text", has_default=True),
        ),
        indexes=(Index("revisions_pkey", ("revision",), unique=True, key="p"),),
        grants=frozenset((role, "SELECT") for role in readers),
    )


def _ledger_steps(roles: Roles) -> Table:
    readers = (roles.runtime, roles.realm, roles.maintenance)
    return Table(
        pack="holdfast",
        name="revision_steps",
        columns=(
            Column("revision", "text"),
            Column("step", "integer"),
            Column("checksum", "text"),
            Column("release", "text", has_default=True),
            Column("phase", "text", has_default=True),
            Column("started_at", "timestamp with time zone", has_default=True),
            Column("finished_at", "timestamp with time zone", not_null=False),
            Column("cursor", "text", not_null=False),
        ),
        indexes=(Index("revision_steps_pkey", ("revision", "step"), unique=True, key="p"),),
        grants=frozenset((role, "SELECT") for role in readers),
    )
