"""`Entity`: the class that an application declares its rows with.

    class Account(Entity, table="accounts", policies=(Owned(by="user_id"), Synced(), Index("kind"))):
        user_id: UUID | None = None
        kind: Literal["checking", "savings"]
        name: Annotated[str, MaxLength(255)]
        balance: Annotated[Decimal, Digits(15, 2)] = Decimal(0)

Every entity has `id` (made by the application), `version` (0 until it is stored, then +1 with each change),
`created_at` and `updated_at` (both the store's).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from inspect import get_annotations
from typing import Any, ClassVar, Self, TypeVar, cast, get_args, get_type_hints
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from holdfast.errors import DeclarationError
from holdfast.model.ids import new_id
from holdfast.model.markers import Converted, Marker, Member, Merge, Ref, ServerSet, Was
from holdfast.model.merging import check_merge
from holdfast.model.policies import (
    Bookkeeping,
    Index,
    Keep,
    Owned,
    Personal,
    Policy,
    Realm,
    Shared,
    Synced,
    Unique,
    Unjournaled,
)
from holdfast.model.schema import MEMBERS, SYSTEM_FIELDS, EntitySchema, FieldSchema, Reference
from holdfast.model.sealing import check_sealing, sealed_fields
from holdfast.model.types import FieldType, Plain
from holdfast.model.values import check_values
from holdfast.model.walk import field_type, walk

P = TypeVar("P")
_NAME = re.compile(r"[a-z](?!.*__)[a-z0-9_]{0,47}\Z")
_RESERVED = frozenset({"tenant_id", "commit_salt"})


class Entity(BaseModel):
    """A row, and on its class how such rows live. Declare one by subclassing, with `table=` and `policies=`."""

    # Pydantic's own errors quote the input, and errors end up in logs.
    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, validate_default=False, hide_input_in_errors=True
    )

    table: ClassVar[str] = ""
    policies: ClassVar[tuple[Policy, ...]] = ()

    id: UUID = Field(default_factory=new_id)
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def __init_subclass__(cls, *, table: str = "", policies: tuple[Policy, ...] = (), **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.table = table
        cls.policies = policies

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if cls.table:
            schema_of(cls, pack="app")

    @classmethod
    def stored(cls, row: dict[str, Any]) -> Self:
        """The entity of a row that an engine returned: trusted, so not validated again."""
        return cast("Self", cls.model_construct(_fields_set=set(row), **row))


def schema_of(entity: type[Entity], *, pack: str) -> EntitySchema:
    """The schema that `entity` declares, as a member of `pack`. Raises DeclarationError naming what cannot be placed."""
    where = entity.__name__
    if not _NAME.match(entity.table) or len(entity.table) > 40:
        raise DeclarationError(
            "a table's name is lower case, at most 40 of a-z, 0-9 and single _", where=where
        )
    _check_said(entity)
    realm = _one(entity, Realm) is not None
    _refuse_model_validators(entity)
    fields = _fields(entity, realm=realm)
    schema = _with_policies(entity, pack, tuple(fields.values()))
    _check_policies(entity, schema)
    _check_sealing(entity, schema)
    _refuse_system_fields(entity)
    return schema


def _check_sealing(entity: type[Entity], schema: EntitySchema) -> None:
    sealed = sealed_fields(entity)
    check_sealing(entity.__name__, schema, entity.policies, sealed)
    for name in sealed:
        raise DeclarationError(
            "sealed fields need a key provider, and this release has none",
            where=f"{entity.__name__}.{name}",
            hint="Leave the Sealed marker away until keys are configured.",
        )


def _one(entity: type[Entity], kind: type[P]) -> P | None:
    found = [policy for policy in entity.policies if isinstance(policy, kind)]
    if len(found) > 1:
        raise DeclarationError(f"{kind.__name__} is said twice", where=entity.__name__)
    return found[0] if found else None


def _check_said(entity: type[Entity]) -> None:
    """Each policy is one, and says what it can mean."""
    where = entity.__name__
    if not isinstance(entity.policies, tuple | list):
        raise DeclarationError(
            "policies is a tuple, and this is none",
            where=where,
            hint="Is a comma missing? policies=(Shared(),)",
        )
    for policy in entity.policies:
        if isinstance(policy, type) and issubclass(policy, get_args(Policy)):
            name = policy.__name__
            raise DeclarationError(
                f"{name} stands without parentheses", where=where, hint=f"policies=({name}(), …)"
            )
        if not isinstance(policy, Policy):
            raise DeclarationError(
                f"{policy!r} is no policy"[:200],
                where=where,
                hint=f"Policies are {', '.join(kind.__name__ for kind in get_args(Policy))}.",
            )
        check_values(policy, where=where)


def _refuse_system_fields(entity: type[Entity]) -> None:
    for cls in entity.__mro__[: entity.__mro__.index(Entity)]:
        for name in SYSTEM_FIELDS:
            if name in get_annotations(cls):
                raise DeclarationError(
                    "this field name is reserved: every entity has one, set by Holdfast",
                    where=f"{entity.__name__}.{name}",
                    hint="Choose another name.",
                )


def _refuse_model_validators(entity: type[Entity]) -> None:
    decorators = entity.__pydantic_decorators__
    if decorators.model_validators or decorators.root_validators:
        raise DeclarationError(
            "a rule over several fields cannot be held when one of them is patched",
            where=entity.__name__,
            hint="Use field validators; keep rules across fields where the row is decided on.",
        )


def _fields(entity: type[Entity], *, realm: bool) -> dict[str, FieldSchema]:
    hints = get_type_hints(entity, include_extras=True)
    fields: dict[str, FieldSchema] = {}
    for name in entity.model_fields:
        if name in SYSTEM_FIELDS:
            continue
        where = f"{entity.__name__}.{name}"
        if not _NAME.match(name) or (name in _RESERVED and not realm):
            raise DeclarationError("this field name is reserved or not lower case", where=where)
        fields[name] = _field(entity, name, hints[name], where)
    _refuse_shared_columns(entity, fields.values())
    return fields


def _refuse_shared_columns(entity: type[Entity], fields: Iterable[FieldSchema]) -> None:
    seen: dict[str, str] = {name: name for name in SYSTEM_FIELDS}
    for field in fields:
        if field.column in seen:
            raise DeclarationError(
                f"two fields are stored as {field.column}: {seen[field.column]} and {field.name}",
                where=f"{entity.__name__}.{field.name}",
                hint="Was names what a field was called before; no other field may have that name now.",
            )
        seen[field.column] = field.name


def _field(entity: type[Entity], name: str, annotation: Any, where: str) -> FieldSchema:
    info = entity.model_fields[name]
    found = walk(annotation, where=where)
    extra = tuple(item for item in info.metadata if item not in found.metadata)
    found.metadata = (*found.metadata, *extra)
    for marker in found.markers():
        check_values(marker, where=where)
    markers = {type(marker): marker for marker in found.markers()}
    _check_markers(markers, len(found.markers()), where)
    kind = field_type(found, where=where)
    merge = cast("Merge | None", markers.get(Merge))
    if merge is not None:
        check_merge(merge.rule, kind, where=where)
    return FieldSchema(
        name=name,
        type=kind,
        nullable=found.nullable,
        required=info.is_required(),
        default=None if info.is_required() else _default(info, kind, where, nullable=found.nullable),
        reference=_reference(markers),
        server_set=ServerSet in markers,
        merge=merge.rule if merge else "last_writer",
        origin=_origin(markers, kind, name, where),
        source=_source(markers),
    )


def _origin(markers: dict[type[Marker], Marker], kind: FieldType, name: str, where: str) -> str | None:
    """The stable name, None where it is the field's own."""
    was, source = cast("Was | None", markers.get(Was)), _source(markers)
    if was is not None and source is not None:
        raise DeclarationError(
            "a converted field has the stable name that Converted gives it; Was says another", where=where
        )
    origin = was.name if was else f"{source}_{kind.kind}" if source else name
    if origin == name:
        return None
    if not _NAME.match(origin) or origin in _RESERVED or origin in SYSTEM_FIELDS:
        raise DeclarationError("a field was never stored under this name", where=where)
    return origin


def _source(markers: dict[type[Marker], Marker]) -> str | None:
    converted = cast("Converted | None", markers.get(Converted))
    return converted.name if converted else None


def _default(info: FieldInfo, kind: FieldType, where: str, *, nullable: bool) -> Plain:
    default = info.get_default(call_default_factory=True, validated_data={})
    if info.default_factory is not None and _is_made_anew(info, kind, default):
        return None
    if default is None:
        if not nullable:
            raise DeclarationError(
                "a field whose default is None may be None", where=where, hint="… | None = None"
            )
        return None
    try:
        return kind.encode(kind.normalise(default))
    except ValueError as error:
        raise DeclarationError(f"the default {error}", where=where) from None


def _is_made_anew(info: FieldInfo, kind: FieldType, default: Any) -> bool:
    """Whether each row gets a default of its own (the time, a random id), which no schema can write down."""
    again = info.get_default(call_default_factory=True, validated_data={})
    return kind.kind in {"instant", "date", "uuid"} or again != default


def _check_markers(markers: dict[type[Marker], Marker], count: int, where: str) -> None:
    if len(markers) < count:
        raise DeclarationError("a marker is said twice", where=where)
    if Ref in markers and Member in markers:
        raise DeclarationError("a field refers to a row or to a member, not to both", where=where)


def _reference(markers: dict[type[Marker], Marker]) -> Reference | None:
    ref = cast("Ref | None", markers.get(Ref))
    if ref is not None:
        return Reference(ref.table, ref.on_delete)
    return Reference(MEMBERS) if Member in markers else None


def _with_policies(entity: type[Entity], pack: str, fields: tuple[FieldSchema, ...]) -> EntitySchema:
    owned, shared, realm = _one(entity, Owned), _one(entity, Shared), _one(entity, Realm)
    if sum(policy is not None for policy in (owned, shared, realm)) != 1:
        raise DeclarationError(
            "an entity says who may see its rows",
            where=entity.__name__,
            hint="Add one of Owned(by=…) and Shared() to policies.",
        )
    if owned is not None:
        fields = tuple(_as_owner(entity, field) if field.name == owned.by else field for field in fields)
    synced, bookkeeping = _one(entity, Synced), _one(entity, Bookkeeping) is not None
    return EntitySchema(
        pack=pack,
        table=entity.table,
        fields=fields,
        visibility="owned" if owned else "shared" if shared else "realm",
        owner=owned.by if owned else None,
        write_role=shared.write if shared else "member",
        journaled=realm is None and not bookkeeping and _one(entity, Unjournaled) is None,
        synced=synced is not None,
        uniques=tuple(policy for policy in entity.policies if isinstance(policy, Unique)),
        indexes=tuple(policy for policy in entity.policies if isinstance(policy, Index)),
        read_role=shared.read if shared else "viewer",
        against_edit=synced.against_edit if synced else "delete_wins",
        bookkeeping=bookkeeping,
        origin=_table_origin(entity),
    )


def _table_origin(entity: type[Entity]) -> str | None:
    was = _one(entity, Was)
    if was is None or was.name == entity.table:
        return None
    if not _NAME.match(was.name) or len(was.name) > 40:
        raise DeclarationError("no table was ever called so", where=f"{entity.__name__}, Was")
    return was.name


def _as_owner(entity: type[Entity], field: FieldSchema) -> FieldSchema:
    if field.type.kind != "uuid" or not field.nullable or field.required:
        raise DeclarationError(
            "the owner's field is declared `UUID | None = None`: the store fills it",
            where=f"{entity.__name__}.{field.name}",
        )
    return FieldSchema(
        field.name, field.type, reference=Reference(MEMBERS), server_set=True, origin=field.origin
    )


def _check_policies(entity: type[Entity], schema: EntitySchema) -> None:
    for policy in entity.policies:
        for name in _named_fields(policy):
            if name not in schema.by_name:
                raise DeclarationError(
                    f"{type(policy).__name__} names a field that is not there: {name}", where=entity.__name__
                )
    if not schema.journaled and schema.synced:
        raise DeclarationError(
            "Synced needs the change log, and this entity leaves it", where=entity.__name__
        )
    if schema.bookkeeping and (schema.visibility == "realm" or _one(entity, Unjournaled) is not None):
        raise DeclarationError(
            "Bookkeeping stands alone, without Realm or Unjournaled", where=entity.__name__
        )
    for rule in schema.uniques:
        if rule.when is not None and schema.by_name[rule.when].type.kind != "boolean":
            raise DeclarationError(
                "`when` names a boolean: the rule counts the rows where it is true",
                where=f"{entity.__name__}.{rule.when}",
            )
    for fields in (*(i.fields for i in schema.indexes), *(u.fields for u in schema.uniques)):
        if not fields:
            raise DeclarationError("Index and Unique name at least one field", where=entity.__name__)
        for name in fields:
            if schema.by_name[name].type.kind in {"json", "float"}:
                raise DeclarationError("JSON and floats cannot be indexed", where=f"{entity.__name__}.{name}")
    for field in schema.fields:
        reference = field.reference
        if reference is None:
            continue
        if field.type.kind != "uuid":
            raise DeclarationError("a reference is a UUID", where=f"{entity.__name__}.{field.name}")
        if reference.on_delete == "set_null" and not field.nullable:
            raise DeclarationError(
                "set_null needs a field that may be None", where=f"{entity.__name__}.{field.name}"
            )


def _named_fields(policy: Policy) -> tuple[str, ...]:
    match policy:
        case Owned(by=name) | Personal(subject=name) | Keep(since=name):
            return (name,)
        case Unique(fields=names, when=flag):
            return names if flag is None else (*names, flag)
        case Index(fields=names):
            return names
        case _:
            return ()
