"""How two edits of one field meet, by the field's declared rule. Pure.

    last_writer   what arrives later stands         max, min   the larger, the smaller; a value beats none
    device        what the device sent stands       counter    both differences are added up
    server        what stands here stays            union      what either side added is in, what either removed is out
    manual        what stands here stays until a person decides

What loses is kept either way: what stood here as an old value, what was pushed beside it (`changes.PUSHED`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.changes.change import canonical
from holdfast.model.schema import FieldSchema


@dataclass(frozen=True, slots=True)
class Merged:
    """The value that stands from now on, and whether what was pushed is all in it."""

    value: Any
    pushed_stands: bool


def merge_field(field: FieldSchema, *, base: Any, current: Any, pushed: Any) -> Merged:
    """Settle one field that was changed on both sides since `base`. Values are normalised ones, or None."""
    match field.merge:
        case "last_writer" | "device":
            return Merged(pushed, pushed_stands=True)
        case "max":
            return _ordered(current, pushed, prefer=lambda new, old: new > old)
        case "min":
            return _ordered(current, pushed, prefer=lambda new, old: new < old)
        case "counter":
            return _counted(field, base, current, pushed)
        case "union":
            return Merged(_united(base, current, pushed), pushed_stands=True)
        case _:
            return Merged(current, pushed_stands=False)


def _ordered(current: Any, pushed: Any, *, prefer: Callable[[Any, Any], bool]) -> Merged:
    if pushed is None or current is None:
        return Merged(current if pushed is None else pushed, pushed_stands=pushed is not None)
    left, right = _comparable(pushed), _comparable(current)
    takes = prefer(left, right)
    return Merged(pushed if takes else current, pushed_stands=takes)


def _comparable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _counted(field: FieldSchema, base: Any, current: Any, pushed: Any) -> Merged:
    """The sum of both differences; what stands here where the sum does not fit the field."""
    total = (current or 0) + (pushed or 0) - (base or 0)
    try:
        return Merged(field.type.normalise(total), pushed_stands=True)
    except ValueError:
        return Merged(current, pushed_stands=False)


def _united(base: Any, current: Any, pushed: Any) -> Any:
    """The union of two lists by their elements, or of two objects by their members; otherwise what arrives later."""
    if isinstance(current, dict) and isinstance(pushed, dict):
        return _united_members(base if isinstance(base, dict) else {}, current, pushed)
    if not isinstance(current, list) or not isinstance(pushed, list):
        return pushed
    before = {canonical(item) for item in base} if isinstance(base, list) else set()
    here, there = {canonical(item) for item in current}, {canonical(item) for item in pushed}
    gone = (before - here) | (before - there)
    kept = [item for item in current if canonical(item) not in gone]
    return kept + [item for item in pushed if canonical(item) not in here | gone]


def _united_members(base: dict[str, Any], current: dict[str, Any], pushed: dict[str, Any]) -> dict[str, Any]:
    merged = dict(current)
    for name in {*base, *pushed}:
        if name not in pushed:
            merged.pop(name, None)
        elif name not in base or canonical(pushed[name]) != canonical(base[name]):
            merged[name] = pushed[name]
    return {name: merged[name] for name in sorted(merged)}
