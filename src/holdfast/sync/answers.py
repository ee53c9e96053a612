"""What a device is told of its push. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from holdfast.model.wire import spell_id
from holdfast.store.deciding import RowKey
from holdfast.sync.changeset import Changes
from holdfast.sync.verdict import Verdict


def answer_of(
    changes: Changes, verdicts: Sequence[Verdict], conflict_ids: Mapping[RowKey, UUID]
) -> dict[str, Any]:
    """The answer to a push. No field's value is in it."""
    rejected: list[dict[str, Any]] = []
    conflicts: list[dict[str, Any]] = []
    later: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.reason is None and not verdict.later:
            continue
        told = {"table": verdict.schema.relation, "id": spell_id(verdict.row_id)}
        if verdict.later:
            later.setdefault(verdict.schema.relation, []).append(told["id"])
        if verdict.rejected:
            rejected.append({**told, "code": verdict.reason, "retry": verdict.later})
        elif verdict.reason is not None:
            found = conflict_ids.get((verdict.schema.name, verdict.row_id))
            conflicts.append(
                {
                    **told,
                    "reason": verdict.reason,
                    "fields": rules_by_column(verdict),
                    "open": verdict.is_open,
                }
                | ({"conflict": str(found)} if found else {})
            )
    for row in changes.too_large:
        later.setdefault(row.schema.relation, []).append(spell_id(row.row_id))
        rejected.append(
            {
                "table": row.schema.relation,
                "id": spell_id(row.row_id),
                "code": "too_large",
                "retry": False,
            }
        )
    for table, ids in changes.unread.items():
        if ids:
            later[table] = ids
        rejected.extend({"table": table, "id": i, "code": "unknown_table", "retry": True} for i in ids)
    told_later = {"experimentalRejectedIds": later} if later else {}
    accepted = len(verdicts) - sum(verdict.rejected for verdict in verdicts)
    return {"accepted": accepted, "conflicts": conflicts, "rejected": rejected, **told_later}


def rules_by_column(verdict: Verdict) -> dict[str, str]:
    """The rules by the fields' stable names: as devices know them, and as they are stored. "" stands for the row."""
    fields = verdict.schema.by_name
    return {fields[name].column if name in fields else name: rule for name, rule in verdict.rules.items()}
