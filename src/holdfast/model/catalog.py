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
        self._classes: dict[str, type[Entity]] = {}
        for pack, entities in packs.items():
            for entity in entities:
                self._add(entity, _qualified(schema_of(entity, pack=pack)))
        self._referrers = self._find_referrers()
        self._refuse_cycles()

    def _add(self, entity: type[Entity], schema: EntitySchema) -> None:
        if schema.name in self._by_name:
            raise DeclarationError("two entities have one table", where=schema.name)
        tables = {known.table for known in self._by_name.values() if known.synced}
        if schema.synced and schema.table in tables:
            raise DeclarationError("a synced table's name is unique in a deployment", where=schema.name)
        self._by_class[entity] = schema
        self._by_name[schema.name] = schema
        self._classes[schema.name] = entity

    def _find_referrers(self) -> dict[str, tuple[Referrer, ...]]:
        found: dict[str, list[Referrer]] = {}
        for schema in self:
            for field, reference in schema.references:
                if reference.table not in self._by_name:
                    raise DeclarationError(
                        f"refers to a table that is not declared: {reference.table}",
                        where=f"{schema.name}.{field.name}",
                    )
                found.setdefault(reference.table, []).append(Referrer(schema, field, reference.on_delete))
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
                if reference.table != name:
                    visit(reference.table, (*path, name))
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

    def entity(self, schema: EntitySchema) -> type[Entity]:
        """The class that declares `schema`."""
        return self._classes[schema.name]

    def referrers(self, schema: EntitySchema) -> tuple[Referrer, ...]:
        """The fields, of any table, that refer to rows of `schema`."""
        return self._referrers.get(schema.name, ())


def _qualified(schema: EntitySchema) -> EntitySchema:
    """References spelled `pack.table`."""
    fields = tuple(
        replace(
            field, reference=Reference(_full(field.reference.table, schema.pack), field.reference.on_delete)
        )
        if field.reference is not None
        else field
        for field in schema.fields
    )
    return replace(schema, fields=fields)


def _full(table: str, pack: str) -> str:
    return table if table == MEMBERS or "." in table else f"{pack}.{table}"
