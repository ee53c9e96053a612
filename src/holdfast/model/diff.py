"""The difference of two sets of schemas, and the steps that lead from one to the other. Needs no database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.errors import NotSupported
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import CreateEntity, CreatePlans, Step


@dataclass(frozen=True, slots=True)
class Difference:
    """What stands in one set and not in the other; `changed` names what differs inside an entity, field by field."""

    added: tuple[EntitySchema, ...] = ()
    removed: tuple[EntitySchema, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def diff(old: Iterable[EntitySchema], new: Iterable[EntitySchema]) -> Difference:
    """What leads from `old` to `new`, entities matched by their stable names, in an order in which references exist first."""
    before = {schema.stable_name: schema for schema in old}
    after = {schema.stable_name: schema for schema in new}
    return Difference(
        added=tuple(in_reference_order(after[name] for name in after if name not in before)),
        removed=tuple(before[name] for name in before if name not in after),
        changed=tuple(
            line for name in after if name in before for line in _changes(before[name], after[name])
        ),
    )


def in_reference_order(schemas: Iterable[EntitySchema]) -> list[EntitySchema]:
    """The same schemas, each behind those it refers to."""
    waiting = {schema.stable_name: schema for schema in schemas}
    ordered: list[EntitySchema] = []
    while waiting:
        ready = [
            s
            for s in waiting.values()
            if all(r.table not in waiting or r.table == s.stable_name for _, r in s.references)
        ]
        for schema in ready:
            ordered.append(waiting.pop(schema.stable_name))
        if not ready:
            raise NotSupported("references form a cycle", where=", ".join(waiting))
    return ordered


def _changes(old: EntitySchema, new: EntitySchema) -> list[str]:
    before = {field.column: field for field in old.fields}
    after = {field.column: field for field in new.fields}
    lines = [f"{new.name} was {old.name}"] if new.name != old.name else []
    lines += [f"{new.name}.{after[column].name} is new" for column in after if column not in before]
    lines += [f"{new.name}.{before[column].name} is gone" for column in before if column not in after]
    lines += [
        f"{new.name}.{after[column].name} is declared otherwise"
        for column in after
        if column in before and before[column] != after[column]
    ]
    if not lines and old != new:
        lines.append(f"{new.name} has other policies")
    return lines


def first_steps(difference: Difference) -> tuple[Step, ...]:
    """The steps of a branch's first revision. Raises NotSupported where the difference is more than new entities."""
    if difference.removed or difference.changed:
        raise NotSupported(
            "the declaration has moved on from what was applied",
            where="; ".join((*difference.changed, *(f"{s.name} is gone" for s in difference.removed)))[:500],
            hint='`holdfast migrate make -m "…"` writes the revision.',
        )
    steps: list[Step] = []
    for schema in difference.added:
        steps.append(CreateEntity(schema))
        if schema.visibility != "realm":
            steps.append(CreatePlans(schema))
    return tuple(steps)
