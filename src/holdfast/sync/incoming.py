"""A pushed row, read before the counter is taken: values decoded, validated by the entity, and mended where they can be.

A device cannot mend what the server refuses, so a bad value is not a reason to refuse its row: text is cut and cleaned, and
of what cannot be mended the row keeps what it has, or begins with what the field is without being set. What was sent is
kept. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from holdfast.changes.change import canonical
from holdfast.model.entity import Entity
from holdfast.model.plain import encode_fields
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import IntegerType, TextType
from holdfast.model.wire import decode_wire, same_on_wire

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_EMPTY: Final[Mapping[str, Any]] = {
    "text": "",
    "integer": 0,
    "decimal": 0,
    "float": 0.0,
    "boolean": False,
    "json": {},
}
_ROOM: Final = 16
"""How many levels deeper an answer may hold what is kept."""
_UNUSABLE: Any = object()


@dataclass(slots=True)
class Incoming:
    """A row that a device created or updated. `values` are the usable ones of its columns; `refused` are those that were
    mended or left away, as they came; `replaced` names those of which the entity has made others; `sent` is all that it
    knows of the row; `listed` the columns that it says it edited.
    """

    schema: EntitySchema
    row_id: UUID
    created: bool
    values: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, bytes] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    sent: dict[str, Any] = field(default_factory=dict)
    listed: frozenset[str] | None = None
    since: frozenset[str] = frozenset()
    """Of a created row: the columns that were edited after it was made. All others the device lets the server set."""
    whole: dict[str, Any] | None = None
    """All declared fields of a new row, but for those that the server sets; None where it cannot be made."""
    plain: Mapping[str, Any] = field(default_factory=dict)
    """The plain form of the whole, or else of the values."""
    size: int = 0
    """Bytes of the values, and of what was refused."""


def read_row(
    schema: EntitySchema, entity: type[Entity], row_id: UUID, raw: Mapping[str, Any], *, created: bool
) -> Incoming:
    """What a device says of a row."""
    listed = _listed(schema, raw.get("_changed"))
    row = Incoming(schema, row_id, created, listed=None if created else listed)
    if created:
        row.since = listed or frozenset()
    row.sent = {f.name: raw[f.column] for f in schema.wire_fields if f.column in raw and f.name != "id"}
    for declared in schema.pushed_fields:
        if declared.column in raw:
            wire = raw[declared.column]
            try:
                missing = wire is None and declared.nullable
                row.values[declared.name] = None if missing else decode_wire(declared.type, wire)
            except (ValueError, OverflowError):
                _mend(row, declared, wire)
    _validate(row, entity)
    row.plain = encode_fields(schema, row.values if row.whole is None else row.whole)
    return row


def _listed(schema: EntitySchema, changed: Any) -> frozenset[str] | None:
    if not isinstance(changed, str):
        return None
    return frozenset(schema.current_name(column) for column in changed.split(",") if column) or None


def _mend(row: Incoming, declared: FieldSchema, wire: Any) -> None:
    """Keep a bad value as it was sent, and go on with what can be made of it."""
    row.refused[declared.name] = as_sent(wire)
    mended = _mended(declared, wire)
    if mended is not _UNUSABLE:
        row.values[declared.name] = mended


def _mended(declared: FieldSchema, wire: Any) -> Any:
    """Text without what no engine holds, cut to its length; anything else cannot be mended."""
    if not isinstance(declared.type, TextType) or not isinstance(wire, str):
        return _UNUSABLE
    text = _SURROGATES.sub("\ufffd", wire).replace("\x00", "")
    return text[: declared.type.max_length]


def _validate(row: Incoming, entity: type[Entity]) -> None:
    """Let the entity's own validators see the row as a whole. What they refuse, and what they make of a value and its field
    does not take, is left away; then they are asked again.
    """
    for _ in range(len(row.values) + 1):
        given = {"id": row.row_id, **_filled(row)}
        try:
            made = entity.model_validate(given)
        except ValidationError as error:
            at_fault = {
                str(problem["loc"][0]) for problem in error.errors(include_url=False) if problem["loc"]
            }
        else:
            at_fault = _take(row, made)
        at_fault &= set(row.values)
        if not at_fault:
            return
        for name in at_fault:
            row.refused.setdefault(name, as_sent(row.sent[name]))
            del row.values[name]


def _take(row: Incoming, made: Entity) -> set[str]:
    """Go on with what the entity has made of the row. Returns the fields that do not take what it has made of them; where
    one of them was sent, nothing is taken yet.
    """
    whole: dict[str, Any] = {}
    at_fault: set[str] = set()
    given, found = row.values, made.__dict__
    for declared in row.schema.fields:
        name = declared.name
        value = found[name]
        # A validator that has left a value alone need not be checked again.
        if value is not given.get(name):
            try:
                value = None if value is None else declared.type.normalise(value)
            except (ValueError, OverflowError):
                at_fault.add(name)
                continue
        if value is None and not declared.nullable and not declared.server_set:
            at_fault.add(name)
        whole[name] = value
    if not at_fault.isdisjoint(given):
        return at_fault
    if not at_fault:
        row.whole = whole
    for name, sent in given.items():
        value = whole[name]
        if value is not sent and not same_on_wire(row.schema.by_name[name].type, value, sent):
            row.replaced.add(name)
        given[name] = value
    return at_fault


def _filled(row: Incoming) -> dict[str, Any]:
    """The values, and for fields that a new row must have and this one has not, what is empty."""
    filled = dict(row.values)
    for declared in row.schema.demanded_fields:
        if declared.name not in filled:
            if declared.nullable:
                filled[declared.name] = None
            elif declared.type.kind in _EMPTY and not _is_bounded(declared):
                filled[declared.name] = _EMPTY[declared.type.kind]
    return filled


def _is_bounded(declared: FieldSchema) -> bool:
    return isinstance(declared.type, IntegerType) and not declared.type.minimum <= 0 <= declared.type.maximum


def as_sent(wire: Any) -> bytes:
    """What was sent, as canonical JSON; where that cannot hold it, its own JSON text as a text.

    That is half a character, a number beyond 64 bits, or what nests so deeply that no answer could hold it.
    """
    inside = wire
    for _ in range(_ROOM):
        inside = [inside]
    try:
        return canonical(inside)[_ROOM:-_ROOM]
    except TypeError:
        return canonical(_text(wire))


def _text(wire: Any) -> str:
    try:
        return json.dumps(wire, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return "nested too deeply to be kept"
