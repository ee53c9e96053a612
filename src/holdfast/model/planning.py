"""What leads from one set of schemas to another: steps for before the new code runs, and for after the old code has gone.

Pure, and needs no database: `old` is what the revisions add up to, `new` what is declared. Entities and fields are matched by
their stable names, so that a rename is no step but the new hot paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from holdfast.errors import DeclarationError, NotSupported
from holdfast.model.conversions import can_convert
from holdfast.model.diff import in_reference_order
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.steps import (
    AddField,
    AddIndex,
    AddReference,
    AddUnique,
    Backfill,
    ChangeOwner,
    CreateEntity,
    CreatePlans,
    DropEntity,
    DropField,
    DropIndex,
    DropReference,
    DropUnique,
    LinkFields,
    NarrowField,
    ReleaseField,
    Step,
    UnlinkFields,
    WidenField,
    optional,
)
from holdfast.model.widening import empty_value, takes_the_same, union

UniqueRule = tuple[tuple[str, ...], str | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, by phase."""

    pre: tuple[Step, ...] = ()
    post: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pre or self.post)


def plan(old: Iterable[EntitySchema], new: Iterable[EntitySchema]) -> Plan:
    """The steps from `old` to `new`.

    Raises DeclarationError for a declaration that says nothing about rows that stand (a required field without a default, a
    name that never was), NotSupported for a change that no engine makes.
    """
    before = {schema.stable_name: schema for schema in old}
    after = {schema.stable_name: schema for schema in new}
    _refuse_unknown_origins(before, after)
    pre: list[Step] = []
    for schema in in_reference_order(s for name, s in after.items() if name not in before):
        pre.append(CreateEntity(schema))
        if schema.visibility != "realm":
            pre.append(CreatePlans(schema))
    post: list[Step] = []
    for name, schema in after.items():
        if name in before and before[name] != schema:
            made = _Change(before[name], schema).made()
            pre += made.pre
            post += made.post
    gone = [schema for name, schema in before.items() if name not in after]
    for schema in gone:
        pre += [DropReference(*_reference(schema, each)) for each in schema.fields if each.reference]
    post += [DropEntity(_without_references(s)) for s in reversed(in_reference_order(gone))]
    return Plan(tuple(pre), tuple(post))


def _refuse_unknown_origins(before: dict[str, EntitySchema], after: dict[str, EntitySchema]) -> None:
    for name, schema in after.items():
        if schema.origin is not None and name not in before:
            raise DeclarationError(
                f"Was names a table that never was: {schema.origin}",
                where=schema.name,
                hint="Was is for a table that a revision has made under its first name.",
            )


def _without_references(schema: EntitySchema) -> EntitySchema:
    """A table is set aside without its references, which would hold back rows that it refers to."""
    return replace(schema, fields=tuple(replace(each, reference=None) for each in schema.fields))


def _reference(schema: EntitySchema, each: FieldSchema) -> tuple[str, str, str, bool]:
    target = each.reference.table if each.reference else ""
    return schema.stable_name, each.column, target, schema.visibility == "realm"


@dataclass(slots=True)
class _Change:
    """One entity, from `old` to `new`."""

    old: EntitySchema
    new: EntitySchema
    pre: list[Step] = field(default_factory=list)
    post: list[Step] = field(default_factory=list)
    last: list[Step] = field(default_factory=list)
    """What parts with columns, behind everything else."""

    @property
    def table(self) -> str:
        return self.new.stable_name

    @property
    def realm(self) -> bool:
        return self.new.visibility == "realm"

    def made(self) -> Plan:
        self._refuse_other_lives()
        before = {each.column: each for each in self.old.fields}
        after = {each.column: each for each in self.new.fields}
        self._drop_references(before, after)
        self._uniques()
        converted = {each.source for column, each in after.items() if column not in before}
        for column, each in after.items():
            if column in before:
                self._changed(before[column], each)
            else:
                self._added(each, before, after)
        for column, each in before.items():
            if column not in after and column not in converted:
                self._removed(each)
        self._indexes()
        self._add_references(before, after)
        self._owner()
        return Plan((*self.pre, CreatePlans(self.new)), (*self.post, *self.last))

    def _refuse_other_lives(self) -> None:
        old, new = self.old, self.new
        same = (old.journaled, old.bookkeeping, old.visibility == "realm")
        if same != (new.journaled, new.bookkeeping, new.visibility == "realm"):
            raise NotSupported(
                "an entity does not change whether its rows have a log, or belong to a tenant",
                where=new.name,
                hint="Declare a new entity, and move the rows in code.",
            )

    # -- fields -------------------------------------------------------------------------------------------------------

    def _where(self, each: FieldSchema) -> str:
        return f"{self.new.name}.{each.name}"

    def _added(
        self, each: FieldSchema, before: dict[str, FieldSchema], after: dict[str, FieldSchema]
    ) -> None:
        if each.source is not None:
            self._converted(each, before, after)
            return
        if each.origin is not None:
            raise DeclarationError(
                f"Was names a field that never was: {each.origin}", where=self._where(each)
            )
        if not each.nullable and each.default is None:
            raise DeclarationError(
                "a new field must say what the rows that stand hold in it",
                where=self._where(each),
                hint="Give it a default, or let it be None; once every row has a value it can be required."
                + "".join(
                    f' If it is {c} under another name: Was("{c}").' for c in _gone(each, before, after)
                ),
            )
        self.pre.append(AddField(self.table, each))

    def _converted(
        self, each: FieldSchema, before: dict[str, FieldSchema], after: dict[str, FieldSchema]
    ) -> None:
        source = before.get(each.source or "")
        if source is None or source.column in after:
            raise DeclarationError(
                f"Converted names a field that {'is still declared' if source else 'never was'}: {each.source}",
                where=self._where(each),
            )
        if not can_convert(source.type, each.type) or self.new.synced:
            why = "a device cannot change the type of a column" if self.new.synced else "no engine converts"
            raise NotSupported(
                f"from {source.type.kind} to {each.type.kind}: {why}",
                where=self._where(each),
                hint="Add a new field and fill it in code; drop the old one when nothing reads it.",
            )
        loose = optional(each)
        self.pre += [
            AddField(self.table, loose),
            LinkFields(self.table, source, loose),
            Backfill(self.table, loose, source),
        ]
        self.last += [UnlinkFields(self.table, source, loose), DropField(self.table, optional(source))]
        if not each.nullable:
            self.last.insert(0, NarrowField(self.table, loose, each))

    def _changed(self, old: FieldSchema, new: FieldSchema) -> None:
        if takes_the_same(old, new):
            return
        wide = union(old, new)
        if wide is None:
            raise NotSupported(
                f"a field does not change from {old.type.kind} to {new.type.kind} in place",
                where=self._where(new),
                hint=f"Annotated[…, Converted({old.column!r})] takes its values over, where they can be converted; "
                "otherwise add a new field and fill it in code.",
            )
        if not takes_the_same(old, wide):
            self.pre.append(WidenField(self.table, old, wide))
        if not takes_the_same(wide, new):
            self.post.append(NarrowField(self.table, wide, new))

    def _removed(self, each: FieldSchema) -> None:
        if not each.nullable:
            held = each.default if each.default is not None else empty_value(each.type)
            if each.reference is None and held is not None:
                self.pre.append(ReleaseField(self.table, each))
            else:
                self.pre.append(WidenField(self.table, each, optional(each)))
                each = optional(each)
        self.last.append(DropField(self.table, replace(each, reference=None)))

    # -- what stands on fields ----------------------------------------------------------------------------------------

    def _indexes(self) -> None:
        old, new = set(self.old.index_columns), set(self.new.index_columns)
        for columns in self.new.index_columns:
            if columns not in old:
                self.pre.append(AddIndex(self.table, columns, self.realm))
        for columns in self.old.index_columns:
            if columns not in new:
                self.post.append(DropIndex(self.table, columns, self.realm))

    def _uniques(self) -> None:
        old, new = _rules(self.old), _rules(self.new)
        self.pre += [DropUnique(self.table, *rule, self.realm) for rule in old if rule not in new]
        self.post += [AddUnique(self.table, *rule, self.realm) for rule in new if rule not in old]

    def _drop_references(self, before: dict[str, FieldSchema], after: dict[str, FieldSchema]) -> None:
        for column, each in before.items():
            if each.reference is not None and _target(after.get(column)) != each.reference.table:
                self.pre.append(DropReference(*_reference(self.old, each)))

    def _add_references(self, before: dict[str, FieldSchema], after: dict[str, FieldSchema]) -> None:
        """One on a new column is there before the code that fills it; another when no old code writes past it."""
        for column, each in after.items():
            if each.reference is not None and _target(before.get(column)) != each.reference.table:
                into = self.post if column in before else self.pre
                into.append(AddReference(*_reference(self.new, each)))

    def _owner(self) -> None:
        old, new = (s.by_name[s.owner].column if s.owner else None for s in (self.old, self.new))
        if old != new:
            (self.post if new else self.pre).append(ChangeOwner(self.table, old, new))


def likely_renames(steps: Iterable[Step]) -> list[tuple[str, str, str]]:
    """Table, column that goes, and field of the same kind that comes: what may be one field under two names."""
    steps = list(steps)
    gone = [(s.table, s.field) for s in steps if isinstance(s, DropField)]
    return [
        (each.table, old.column, each.field.name)
        for each in steps
        if isinstance(each, AddField) and each.field.source is None
        for table, old in gone
        if table == each.table and old.type.kind == each.field.type.kind
    ]


def _rules(schema: EntitySchema) -> list[UniqueRule]:
    return [
        (schema.columns(rule.fields), schema.by_name[rule.when].column if rule.when else None)
        for rule in schema.uniques
    ]


def _gone(new: FieldSchema, before: dict[str, FieldSchema], after: dict[str, FieldSchema]) -> list[str]:
    """Fields of the same kind that are declared no longer."""
    return [c for c, old in before.items() if c not in after and old.type.kind == new.type.kind]


def _target(each: FieldSchema | None) -> str | None:
    return each.reference.table if each is not None and each.reference is not None else None
