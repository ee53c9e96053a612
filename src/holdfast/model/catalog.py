"""The catalog: every entity of a deployment, found by class, by `pack.table`, or by who refers to whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from holdfast.errors import DeclarationError, NotFound
from holdfast.model.entity import Entity, schema_of
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema, Reference


@dataclass(frozen=True, slots=True)
class Referrer:
    """`field` of `schema` refers to some table."""

    schema: EntitySchema
    field: FieldSchema
    on_delete: str


class Catalog:
    """All declared entities, checked against one another. Immutable once made."""

    def __init__(self, packs: Mapping[str, Iterable[type[Entity]]]) -> None:
        """`packs` maps a pack's name to its entities. Raises DeclarationError where they do not fit together."""
        self._by_class: dict[type[Entity], EntitySchema] = {}
        self._by_name: dict[str, EntitySchema] = {}
        self._by_stable_name: dict[str, EntitySchema] = {}
        self._classes: dict[str, type[Entity]] = {}
        declared = [
            (entity, schema_of(entity, pack=pack)) for pack, entities in packs.items() for entity in entities
        ]
        stable = {schema.name: schema.stable_name for _, schema in declared}
        for entity, schema in declared:
            self._add(entity, _qualified(schema, stable))
        self._referrers = self._find_referrers()
        self._refuse_cycles()

    def _add(self, entity: type[Entity], schema: EntitySchema) -> None:
        if schema.name in self._by_name:
            raise DeclarationError("two entities have one table", where=schema.name)
        if schema.stable_name in self._by_stable_name:
            raise DeclarationError(
                f"two entities are stored in one table, {schema.stable_name}",
                where=schema.name,
                hint="Was names what a table was called before; no other entity may have that name now.",
            )
        tables = {known.relation for known in self._by_name.values() if known.synced}
        if schema.synced and schema.relation in tables:
            raise DeclarationError("a synced table's name is unique in a deployment", where=schema.name)
        self._by_class[entity] = schema
        self._by_name[schema.name] = schema
        self._by_stable_name[schema.stable_name] = schema
        self._classes[schema.name] = entity

    def _find_referrers(self) -> dict[str, tuple[Referrer, ...]]:
        found: dict[str, list[Referrer]] = {}
        for schema in self:
            for field, reference in schema.references:
                target = self._by_stable_name.get(reference.table)
                if target is None:
                    raise DeclarationError(
                        f"refers to a table that is not declared: {reference.table}",
                        where=f"{schema.name}.{field.name}",
                    )
                found.setdefault(target.name, []).append(Referrer(schema, field, reference.on_delete))
        return {name: tuple(referrers) for name, referrers in found.items()}

    def _refuse_cycles(self) -> None:
        """References between tables form no cycle; a table may refer to itself."""
        done: set[str] = set()

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                cycle = " → ".join((*path[path.index(name) :], name))
                raise DeclarationError(f"references form a cycle: {cycle}", where=name)
            if name in done:
                return
            for _, reference in self._by_name[name].references:
                target = self._by_stable_name[reference.table].name
                if target != name:
                    visit(target, (*path, name))
            done.add(name)

        for name in self._by_name:
            visit(name, ())

    def __iter__(self) -> Iterator[EntitySchema]:
        return iter(self._by_name.values())

    def schema(self, entity: type[Entity] | str) -> EntitySchema:
        """The schema of a class or of `pack.table`. Raises NotFound for a table that is not declared."""
        found = self._by_name.get(entity) if isinstance(entity, str) else self._by_class.get(entity)
        if found is None:
            name = entity if isinstance(entity, str) else entity.__name__
            raise NotFound("this entity is not declared in any enabled pack", where=name[:100])
        return found

    def logged(self, stable_name: str) -> EntitySchema:
        """The schema of what the log calls `pack.relation`. Raises NotFound for a table that is not declared."""
        found = self._by_stable_name.get(stable_name)
        if found is None:
            raise NotFound("this entity is not declared in any enabled pack", where=stable_name[:100])
        return found

    def entity(self, schema: EntitySchema) -> type[Entity]:
        """The class that declares `schema`."""
        return self._classes[schema.name]

    def referrers(self, schema: EntitySchema) -> tuple[Referrer, ...]:
        """The fields, of any table, that refer to rows of `schema`."""
        return self._referrers.get(schema.name, ())


def _qualified(schema: EntitySchema, stable: Mapping[str, str]) -> EntitySchema:
    """References spelled `pack.relation`."""
    fields = tuple(
        replace(
            field,
            reference=Reference(_full(field.reference.table, schema.pack, stable), field.reference.on_delete),
        )
        if field.reference is not None
        else field
        for field in schema.fields
    )
    return replace(schema, fields=fields)


def _full(table: str, pack: str, stable: Mapping[str, str]) -> str:
    if table == MEMBERS:
        return table
    full = table if "." in table else f"{pack}.{table}"
    return stable.get(full, full)
