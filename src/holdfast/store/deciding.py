"""Writes that can only be decided on once the tenant's counter is held, because they rest on the rows as they then stand.

A decider reads what it needs and says what to write; the flush does it, with everything that belongs to a write. It runs
under the counter, so it is the platform's own code, and what it thinks long about it thinks about before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from holdfast.engines.port import Outcome, PlannedWrite, Stored, Transaction
from holdfast.errors import HoldfastError

RowKey = tuple[str, UUID]
"""An entity's name and a row's id."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Writes, no two of one row, and the rows that were read for them, which need not be read again."""

    writes: Sequence[PlannedWrite]
    stored: Mapping[RowKey, Stored] = field(default_factory=dict)


class Decider(Protocol):
    """Decides on the writes of one write set."""

    async def decide(self, tx: Transaction, head: int, refused: Mapping[RowKey, HoldfastError]) -> Decided:
        """What to write, now that `head` is the tenant's last number. `refused` holds deletes that it asked for before and
        that rows which refer to them do not allow: it is asked again until none is among its writes.
        """

    def record(self, outcomes: Sequence[Outcome]) -> Sequence[PlannedWrite]:
        """What to write down about it besides, in the same transaction: rows without a log. `outcomes` are those of the
        writes that were decided on last, in their order.
        """
