"""The port: what every engine promises. `holdfast.testing.conformance` checks each promise, peeking at the raw medium.

1.  Every row belongs to the scope's tenant. A row of another tenant, or of another owner where the entity is owned, is
    not there: reads return None, writes find nothing.
2.  A transaction is all or nothing. Its reads come from one snapshot when it is read-only.
3.  `lock` takes the tenant's counter before anything else of a flush is read; whoever has it is alone in writing the
    tenant's journaled rows until its transaction ends. Number order is commit order, and there are no gaps.
4.  `write` writes rows, changes, old values, tombstones and the new head in the same transaction, each row only if it
    still has the version that the batch was planned on.
5.  A reference names a row of the same tenant, at the end of the transaction at the latest: ReferenceMissing. A unique
    rule holds within a tenant after each row that is written, in the order of the batch: Duplicate.
6.  A journaled table refuses a write that comes by another way than a flush.
7.  Text is ordered bytewise; lists come in the order of the sort field, ties by id, absent values first.
8.  Values come back as they were normalised: decimals at their scale, instants in UTC to the microsecond, JSON equal.
9.  `apply` is idempotent: a step that was carried out, in whole or in part, is completed when it is applied again.
10. An engine's own errors leave as one of `holdfast.errors`, without a value in them. What it cannot do is a capability
    that it lacks, and asking for it raises NotSupported.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, Self, TypeVar, runtime_checkable
from uuid import UUID

from holdfast.changes.change import Change, OldValue, Operation, Tombstone
from holdfast.model.query import Condition, Key, Op, Query
from holdfast.model.schema import MEMBERS, MEMBERSHIPS, EntitySchema, FieldSchema, Reference
from holdfast.model.steps import Phase, Step
from holdfast.tenancy.isolation import Isolation
from holdfast.tenancy.scope import REALM_TENANT, Scope

# Whoever writes an engine finds here every name that the port speaks of; beside them, `holdfast.errors`, the steps of
# `holdfast.model.steps` and the forms of values in `holdfast.model.plain` and `holdfast.model.wire`.
__all__ = [
    "CALM",
    "MEMBERS",
    "MEMBERSHIPS",
    "REALM_TENANT",
    "Applied",
    "Batch",
    "Body",
    "BodyPage",
    "Capability",
    "Change",
    "Condition",
    "Control",
    "Engine",
    "EntitySchema",
    "FieldSchema",
    "Foresees",
    "GetPlan",
    "GetTogetherPlan",
    "HistoryKey",
    "Inspection",
    "Isolation",
    "Key",
    "Limits",
    "ListPlan",
    "Marks",
    "OldValue",
    "Op",
    "Operation",
    "Outcome",
    "Phase",
    "Piece",
    "Plan",
    "PlannedWrite",
    "Position",
    "Pruned",
    "Query",
    "R",
    "Reference",
    "Resumes",
    "Row",
    "RowWrite",
    "Scope",
    "Selection",
    "Since",
    "Step",
    "Stored",
    "Tombstone",
    "Transaction",
    "UnderWay",
    "Walled",
    "Write",
    "WritePlan",
    "branch_of",
]

Row = dict[str, Any]
"""Field name → normalised Python value: the system fields and every declared one."""


class Capability(StrEnum):
    """What an engine may or may not be able to do."""

    PLANS = "plans"
    """Hot paths in one round trip: `run`."""
    ROW_SECURITY = "row_security"
    """The medium itself refuses another tenant's rows."""
    DURABLE = "durable"
    """What was committed survives the process."""
    LARGE_TRANSACTIONS = "large_transactions"
    """A transaction of a thousand rows and more is atomic."""
    INGEST = "ingest"
    """Bulk ingestion of unjournaled rows."""
    STREAM = "stream"
    """Rows in wire form, made by the medium and handed on as they come: `Transaction.stream`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes beyond which an engine refuses. Row and number limits are the strictest engine's, everywhere."""

    row_bytes: int = 400_000
    key_bytes: int = 1_024
    """The values of an index or unique rule together."""
    transaction_items: int | None = None
    """Rows, changes and history items together."""
    transaction_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A row with the salt of its commitments."""

    row: Row
    salt: bytes


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a tenant is. `head` is the number of its last change, 0 before the first; tombstones at or below `horizon`
    may have been collected.
    """

    head: int = 0
    horizon: int = 0


@dataclass(frozen=True, slots=True)
class Since:
    """What has changed: rows whose last change has a number in (after, upto]. With `device`, rows whose last change carries
    exactly that device are left out.
    """

    after: int
    upto: int
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of an entity's rows, of those that the scope sees: all, or those changed `since`, or in which one of the fields
    `differing` is neither absent nor empty (zero, false, the empty text); the two join.

    `start` is an id behind which to begin. `standing` leaves out rows that have changed after that number.
    """

    schema: EntitySchema
    since: Since | None = None
    differing: tuple[str, ...] = ()
    start: UUID | None = None
    standing: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """The JSON texts of some rows in wire form (`model.wire`), joined by commas; how many, and the id of the last."""

    json: bytes
    count: int
    last: UUID


@dataclass(frozen=True, slots=True)
class Position:
    """Where a medium stands in its own history. `medium` names this incarnation of it (another copy, another timeline, is
    another); within one, `moment` never falls unless the medium was taken back to an earlier state.
    """

    medium: str
    moment: int


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """An old value's place in the history of its tenant, by which the history is gone through in order."""

    entity: str
    row_id: UUID
    number: int
    field: str

    def to_plain(self) -> list[str | int]:
        """As JSON holds it."""
        return [self.entity, str(self.row_id), self.number, self.field]

    @classmethod
    def of_plain(cls, plain: Sequence[Any]) -> Self:
        """From what `to_plain` made of it."""
        entity, row_id, number, name = plain
        return cls(entity, UUID(row_id), number, name)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many old values were removed of those looked at, and the key of the last of these (None: there were no more)."""

    removed: int
    next: HistoryKey | None


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One row's write, planned: `row` is the whole new row (None: delete), `if_version` what it replaces (0: nothing)."""

    schema: EntitySchema
    row_id: UUID
    row: Row | None
    if_version: int
    salt: bytes
    plain: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The row's plain form, where it is known already."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a flush writes. For realm and unjournaled rows `changes` and `old_values` are empty and `head` is None.

    A change that deletes leaves a tombstone: `tombstones` has them, each replacing an earlier one of its row.
    """

    writes: Sequence[RowWrite]
    changes: Sequence[Change] = ()
    old_values: Sequence[OldValue] = ()
    head: int | None = None
    tombstones: Sequence[Tombstone] = ()


class Transaction(Protocol):
    """All or nothing, for one tenant."""

    async def act_as(self, scope: Scope) -> None:
        """From here on see and write as `scope`, which must be of the same tenant."""

    async def get(self, schema: EntitySchema, row_id: UUID) -> Row | None:
        """The row, or None."""

    async def batch_get(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Stored | None]:
        """The rows in the order asked for, None where there is none; an id may be asked for twice."""

    async def query(self, query: Query) -> list[Row]:
        """At most `query.limit` rows in the query's order."""

    async def lock(self) -> int:
        """Take the tenant's counter and return the head. Raises Busy after a bounded wait."""

    async def marks(self) -> Marks:
        """The tenant's head and horizon as this transaction sees them."""

    async def write(self, batch: Batch) -> None:
        """Carry the batch out. Raises StaleVersion, AlreadyExists, Duplicate, ReferenceMissing, TooLarge."""

    async def read_changes(self, after: int, *, limit: int) -> list[Change]:
        """The tenant's changes with numbers above `after`, in number order."""

    async def read_row_changes(self, row_ids: Sequence[UUID], after: int) -> list[Change]:
        """The changes with numbers above `after` of these rows, of whatever entity, in number order."""

    async def read_history(self, schema: EntitySchema, row_id: UUID) -> list[OldValue]:
        """What the row's fields held before, by number."""

    async def read_history_since(
        self, schema: EntitySchema, row_ids: Sequence[UUID], after: int
    ) -> list[OldValue]:
        """The old values of these rows that changes with numbers above `after` have left, by number."""

    async def read_tombstones(
        self, schema: EntitySchema, after: int, upto: int, *, limit: int
    ) -> list[Tombstone]:
        """The tombstones of an entity with numbers in (after, upto] that the scope may see, by number.

        There may be one of a row that stands again: it was made anew under its old id.
        """

    async def find_tombstones(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Tombstone]:
        """Those of these rows that have a tombstone which the scope may see, in no order."""

    def stream(self, selection: Selection) -> AsyncGenerator[Piece, None]:
        """The selected rows by id, as they come, in wire form. Needs `Capability.STREAM`; close it to stop early, after
        which the transaction can only be left.
        """


R_co = TypeVar("R_co", covariant=True)


class Plan(Generic[R_co]):
    """A compiled hot path of one entity; its type says what running it returns."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Body:
    """A row as the JSON text of its plain form, and its version."""

    json: bytes
    version: int


@dataclass(frozen=True, slots=True)
class BodyPage:
    """The JSON texts of some rows, joined by commas, and the id after which the next page begins (None: no more)."""

    json: bytes
    next: UUID | None


@dataclass(frozen=True, slots=True)
class GetPlan(Plan[Body | None]):
    """Read one row."""

    schema: EntitySchema
    row_id: UUID


@dataclass(frozen=True, slots=True)
class GetTogetherPlan(Plan[list[Row | None]]):
    """Read a few rows of the realm, of any of its entities, as they stand at one moment."""

    keys: tuple[tuple[EntitySchema, UUID], ...]


@dataclass(frozen=True, slots=True)
class ListPlan(Plan[BodyPage]):
    """List by id."""

    schema: EntitySchema
    limit: int
    after: UUID | None


@dataclass(frozen=True, slots=True)
class Write:
    """What a session wants done to one row. Values are normalised: all declared fields to create, some to update."""

    schema: EntitySchema
    op: Operation
    row_id: UUID
    values: Mapping[str, Any] = field(default_factory=dict)
    if_version: int | None = None
    salt: bytes = b""
    size: int = 0
    """Bytes of the values, as they were measured against the limits."""
    touch: bool = False
    """Give the row a new version even where nothing in it changes; delete a row that is not there, which leaves a
    tombstone. So that devices which hold something else hear of it.
    """
    kept: Mapping[str, bytes] = field(default_factory=dict)
    """Field → canonical plain value that came with the write and was not taken: kept in the history, see `changes.PUSHED`."""
    plain: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The values' plain form, where it is known already."""


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A write with who does it and when."""

    write: Write
    scope: Scope
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write: the row's version and JSON (None when deleted), its number (None when nothing changed)."""

    version: int
    number: int | None
    body: bytes | None = None
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class WritePlan(Plan[list["Outcome | Exception"]]):
    """Several writes of one kind to one entity of one tenant, each on its own: one that finds no row, or another version,
    comes back as the error that it is, and the others stand. Any other failure undoes all and is raised.
    """

    schema: EntitySchema
    op: Operation
    writes: Sequence[PlannedWrite]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an engine finds when it looks at its medium: findings are empty when all is as declared."""

    facts: dict[str, Any]
    findings: tuple[str, ...]


def branch_of(revision: str) -> str:
    """The pack whose revision it is."""
    return revision.rpartition("_")[0]


def _silent(_line: str) -> None:
    """Progress that nobody reads."""


def _unseen(_done: int, _all: int) -> None:
    """A bar that nobody sees."""


@dataclass(frozen=True, slots=True)
class Control:
    """How a schema change is gone about. `force`: a table is set aside although it holds rows."""

    tell: Callable[[str], None] = _silent
    """Told what is being done, step by step, and what it waits for."""
    progress: Callable[[int, int], None] = _unseen
    """Told how many rows of about how many a step has filled."""
    force: bool = False
    release: str = ""
    """Which release it is, for the ledger."""
    phase: Phase = "pre"
    """Of the revision: code from before a *pre* revision can live with it."""


CALM: Final = Control()


@dataclass(frozen=True, slots=True)
class Applied:
    """A revision in the ledger: when it was finished, how long it took where that is known, by whom, by which release."""

    revision: str
    checksum: str
    at: datetime
    seconds: float | None = None
    by: str = ""
    release: str = ""
    phase: Phase = "pre"


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A revision that is half applied, or half taken back: which of the steps there are done, and how many were begun."""

    revision: str
    back: bool
    done: frozenset[int]
    begun: int


@runtime_checkable
class Foresees(Protocol):
    """An engine that tells what stands in the way of steps before it carries out the first of them."""

    async def foresee(self, steps: Sequence[Step], *, control: Control = CALM) -> None:
        """Raises SchemaError where rows stand in the way, as far as that can be seen now. Changes nothing."""


@runtime_checkable
class Resumes(Protocol):
    """An engine whose schema change may stop half-way, and is gone on with, or abandoned."""

    async def under_way(self) -> list[UnderWay]:
        """What is half applied or half taken back."""

    async def is_migrating(self) -> bool:
        """Whether somebody changes the schema at this moment."""

    async def abandon(
        self, steps: Sequence[Step], *, revision: str, checksum: str, left: int, control: Control = CALM
    ) -> None:
        """What is half taken back becomes half applied: the first `left` of its steps stand, and `apply` does the others."""


@runtime_checkable
class Walled(Protocol):
    """An engine whose medium itself refuses other tenants' rows, and can be asked whether it does."""

    async def shows_bare(self, scope: Scope, schema: EntitySchema, row_id: UUID) -> bool:
        """Whether the medium shows a row to this scope when it is asked by id alone: no statement names tenant or owner."""


R = TypeVar("R")


class Engine(Protocol):
    """A place where entities live. Safe to share between tasks of one event loop."""

    name: str
    capabilities: frozenset[Capability]
    isolation: Isolation
    limits: Limits

    def begin(self, scope: Scope, *, read_only: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """A transaction in `scope`; committed when the block ends, undone when it raises."""

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        """Run a compiled hot path. Raises NotSupported without `Capability.PLANS`, MigrationsPending where it is missing."""

    async def ingest(self, scope: Scope, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """Append rows of an unjournaled or realm entity in bulk; all of them or an error."""

    async def apply(
        self, steps: Sequence[Step], *, revision: str, checksum: str, control: Control = CALM
    ) -> None:
        """Carry out a revision's steps and enter it in the ledger. One that is there already is left alone.

        Raises SchemaError where rows stand in the way of a step, which then changes nothing; Busy, which may be tried again.
        """

    async def revert(self, steps: Sequence[Step], *, revision: str, control: Control = CALM) -> None:
        """Carry out the steps that take a revision back, and strike it out of the ledger."""

    async def refresh(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """Make anew what this release makes otherwise than the one before, such as the hot paths of these schemas; returns
        what was made.
        """

    async def history(self) -> list[Applied]:
        """The ledger in the order in which it was written."""

    async def applied(self) -> dict[str, str]:
        """The ledger: revision → checksum. Empty for a medium that was never migrated. Raises SchemaError for a foreign one."""

    async def inspect(self, schemas: Iterable[EntitySchema]) -> Inspection:
        """Compare the medium with the declaration: tables, policies, grants, guards, plans, orphans."""

    async def collect(self, tenant_id: UUID, horizon: int) -> int:
        """Raise the tenant's horizon to `horizon` (never lower it, never beyond the head) and remove the tombstones at or
        below it, with the maintenance role; returns how many.
        """

    async def prune_history(
        self, tenant_id: UUID, upto: int, *, after: HistoryKey | None = None, limit: int = 5_000
    ) -> Pruned:
        """Look at the next `limit` old values of the tenant behind the key `after`, and remove those that changes with
        numbers at or below `upto` have left, with the maintenance role. None above the tenant's horizon is removed: a
        device may still need it. The log stays.
        """

    async def stale_plans(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """The compiled plans in the medium that none of these schemas has, by name: what other code uses, or used. Raises
        NotSupported without `Capability.PLANS`.
        """

    async def drop_plans(self, names: Sequence[str]) -> int:
        """Remove compiled plans of these names, as `stale_plans` gives them; returns how many there were. Raises
        ConfigurationError without an administrator's login where that takes one.
        """

    async def position(self) -> Position:
        """Where the medium stands in its own history: what a restored copy betrays itself by."""

    async def forget_tenant(self, tenant_id: UUID, schemas: Iterable[EntitySchema]) -> None:
        """Remove every row, change and old value of a tenant, with the maintenance role."""

    async def ping(self) -> None:
        """One cheap round trip. Raises Unavailable."""

    async def aclose(self) -> None:
        """Give everything back."""
