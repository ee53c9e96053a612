"""A write plan as the JSON that the generated functions take, and what they answer as outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.changes.change import Operation, commitment, value_hash
from holdfast.engines.port import Outcome, PlannedWrite, Row, WritePlan
from holdfast.engines.postgres._statements import fields_json
from holdfast.engines.postgres.transaction import user_context
from holdfast.errors import NotFound, StaleVersion
from holdfast.model.plain import encode_fields
from holdfast.model.types import format_instant


def write_json(planned: PlannedWrite) -> dict[str, Any]:
    """One element of a plan's JSON argument."""
    write, scope = planned.write, planned.scope
    element: dict[str, Any] = {
        "u": user_context(scope),
        "a": str(scope.user_id) if scope.user_id else None,
        "d": scope.device,
        "at": format_instant(planned.at),
        "id": str(write.row_id),
    }
    if write.op is Operation.DELETE:
        return {**element, "if": write.if_version}
    schema = write.schema
    plain = encode_fields(schema, write.values) if write.plain is None else write.plain
    hashes = {schema.by_name[name].column: value_hash(value) for name, value in plain.items()}
    element["v"] = plain if schema.stores_plain else fields_json(schema, dict(write.values))
    if write.op is Operation.CREATE:
        element["s"] = "\\x" + write.salt.hex()
        element["c"] = "\\x" + commitment(write.salt, 1, hashes).hex()
    else:
        element["if"] = write.if_version
        element["h"] = {column: digest.hex() for column, digest in hashes.items()}
    return element


def outcomes_of(plan: WritePlan, records: Sequence[Any]) -> list[Outcome | Exception]:
    """What became of each write of the plan, in order."""
    if plan.op is Operation.CREATE:
        first = records[0][0] - len(plan.writes) + 1
        return [Outcome(1, first + index, row=_created(planned)) for index, planned in enumerate(plan.writes)]
    return [_outcome(plan, record) for record in records]


def _created(planned: PlannedWrite) -> Row:
    at = planned.at
    return {
        "id": planned.write.row_id,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        **planned.write.values,
    }


def _outcome(plan: WritePlan, record: Any) -> Outcome | Exception:
    status, number, version, body = record
    match status:
        case "missing":
            return NotFound(where=plan.schema.name)
        case "stale":
            return StaleVersion(where=plan.schema.name)
        case _:
            return Outcome(version, number, body.encode() if body is not None else None)
