"""What a device had when it edited: the state of a row at a number, and what the device itself has pushed since. Pure.

The state comes from the row as it stands and the old values that later changes have left. It is taken at the cursor that
the device showed with its last pull, not at the one that this pull gave it: a device pulls right before it pushes, and of a
row that it has edited it keeps its own fields, so that the edit was made on what it had before.

What a device pushed, and not what was made of it, counts as had until it has shown a cursor from behind that push: before,
it may still hold its copy for unsent, because the answer got lost or the row was edited again meanwhile, and then it sends
the same once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from holdfast.changes.change import PUSHED, Change, OldValue, Operation, canonical
from holdfast.changes.devices import is_pushed_by, pushed_by
from holdfast.model.schema import EntitySchema

MISSING: Any = object()
"""No value: the device has none of this field, or one that the field cannot have any more."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a row's recent past: its changes and old values behind some number, both in number order."""

    changes: Sequence[Change] = ()
    old_values: Sequence[OldValue] = ()

    def latest(self) -> Change | None:
        """The last change, None where there was none."""
        return self.changes[-1] if self.changes else None

    def after(self, number: int) -> list[Change]:
        """The changes behind a number."""
        return [change for change in self.changes if change.number > number]


NOTHING_PAST: Final = Past()


def standing_at(
    schema: EntitySchema,
    row: Mapping[str, Any] | None,
    past: Past,
    number: int,
    names: Iterable[str] | None = None,
) -> dict[str, Any] | None:
    """The declared fields of a row, or of them `names`, as they stood at `number`; None where it was not there. `row` is it
    as it stands now. A value that its field cannot have any more is MISSING.
    """
    return _standing(schema, row, past, number, names, lambda value, _: value, _decoded)


def plain_at(
    schema: EntitySchema,
    row: Mapping[str, Any] | None,
    past: Past,
    number: int,
    names: Iterable[str] | None = None,
) -> dict[str, Any] | None:
    """The same in plain form, and as it was then: whether or not the field can still have it."""
    return _standing(
        schema,
        row,
        past,
        number,
        names,
        lambda value, name: plain_value(schema, name, value),
        lambda _, __, old: orjson.loads(old),
    )


def _standing(
    schema: EntitySchema,
    row: Mapping[str, Any] | None,
    past: Past,
    number: int,
    names: Iterable[str] | None,
    of_row: Callable[[Any, str], Any],
    of_old: Callable[[EntitySchema, str, bytes], Any],
) -> dict[str, Any] | None:
    wanted = [f.name for f in schema.fields] if names is None else [n for n in names if n in schema.by_name]
    later = past.after(number)
    if not later:
        return None if row is None else {name: of_row(row[name], name) for name in wanted}
    if later[0].op is Operation.CREATE:
        return None
    deleted = next((change.number for change in later if change.op is Operation.DELETE), None)
    if deleted is not None and later[0].number == deleted and later[0].version == 1:
        return None  # it never stood: a row that was refused
    state: dict[str, bytes] = {}
    for old in past.old_values:
        if old.number > number and (deleted is None or old.number <= deleted):
            state.setdefault(schema.current_name(old.field), old.value)
    left = None if deleted is not None else row
    return {
        name: of_old(schema, name, state[name])
        if name in state
        else of_row(None if left is None else left[name], name)
        for name in wanted
    }


@dataclass(frozen=True, slots=True)
class Base:
    """What a device had of a row: the fields it pulled, and over them what it pushed. `kept` are values of its that were
    not taken as they came, as canonical plain bytes; `said` is everything that it has pushed, so that an old push which
    comes again is no edit; `lapsed` is what it has of fields that cannot have it any more.
    """

    pulled: Mapping[str, Any] | None
    pushed: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, bytes] = field(default_factory=dict)
    said: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    lapsed: Mapping[str, bytes] = field(default_factory=dict)

    def of(self, name: str) -> Any:
        """A field's value, or MISSING."""
        if name in self.pushed:
            return self.pushed[name]
        return MISSING if self.pulled is None else self.pulled[name]


def known_from(past: Past, *, device: UUID, seen: int, pulled: int) -> int:
    """The number behind which the changes of a row are news to a device that has edited it.

    That is the last cursor it has shown; but a row that was not there then, and that it did not make itself, it can only
    have edited as the pull behind that cursor gave it.
    """
    first = next(iter(past.after(seen)), None)
    came = first is not None and first.op is Operation.CREATE and not is_pushed_by(first.device, device)
    return max(seen, pulled) if came else seen


def base_of(
    schema: EntitySchema,
    row: Mapping[str, Any] | None,
    past: Past,
    *,
    device: UUID,
    seen: int,
    before: int | None = None,
) -> Base:
    """What `device` had of a row that it has edited, when it knows the changes up to `seen`, and its own until `before`."""
    pushed: dict[str, Any] = {}
    kept: dict[str, bytes] = {}
    said: dict[str, frozenset[bytes]] = {}
    pulled = standing_at(schema, row, past, seen)
    lapsed = _lapsed(schema, row, past, seen, pulled)
    own = (pushed_by(device), pushed_by(device, returns=True)) if past.changes else ()
    for change in past.changes:
        if change.number <= seen or change.device not in own:
            continue
        if before is not None and change.number >= before:
            break
        names = [schema.current_name(column) for column in change.fields]
        state = standing_at(schema, row, past, change.number, names) or {}
        gone = _lapsed(schema, row, past, change.number, state)
        untaken = pushed_values(schema, past, change.number)
        for name in names:
            if name in state and name not in untaken:
                pushed[name] = state[name]
                kept.pop(name, None)
                lapsed.pop(name, None)
                if name in gone:
                    plain = lapsed[name] = gone[name]
                else:
                    plain = canonical(plain_value(schema, name, state[name]))
                said[name] = said.get(name, frozenset()) | {plain}
        for name, value in untaken.items():
            kept[name] = value
            said[name] = said.get(name, frozenset()) | {value}
            usable = _decoded(schema, name, value)
            if usable is not MISSING:
                pushed[name] = usable
    return Base(pulled, pushed, kept, said, lapsed)


def _lapsed(
    schema: EntitySchema,
    row: Mapping[str, Any] | None,
    past: Past,
    number: int,
    standing: Mapping[str, Any] | None,
) -> dict[str, bytes]:
    """Of what stood at a number, what its fields cannot have any more, in canonical plain bytes."""
    names = [name for name, value in (standing or {}).items() if value is MISSING]
    plain = plain_at(schema, row, past, number, names) if names else None
    return {name: canonical(value) for name, value in (plain or {}).items()}


def pushed_values(schema: EntitySchema, past: Past, number: int) -> dict[str, bytes]:
    """What was pushed with a change and not taken, by field."""
    return {
        schema.current_name(old.field.removesuffix(PUSHED)): old.value
        for old in past.old_values
        if old.number == number and old.field.endswith(PUSHED)
    }


def plain_value(schema: EntitySchema, name: str, value: Any) -> Any:
    """A field's value in plain form."""
    return None if value is None else schema.by_name[name].type.encode(value)


def _decoded(schema: EntitySchema, name: str, value: bytes) -> Any:
    """A kept or an old value, or MISSING where it is none that the field can have."""
    plain = orjson.loads(value)
    if plain is None:
        return None
    try:
        return schema.by_name[name].type.decode(plain)
    except (KeyError, TypeError, ValueError, OverflowError):
        return MISSING
