"""All of it: the class that an engine's own test file subclasses."""

from __future__ import annotations

from holdfast.testing.conformance.port.bookkeeping import BookkeepingTests
from holdfast.testing.conformance.port.counter import CommitOrderTests, CounterTests
from holdfast.testing.conformance.port.guard import GuardTests
from holdfast.testing.conformance.port.ingest import IngestTests
from holdfast.testing.conformance.port.isolation import OwnerIsolationTests, TenantIsolationTests
from holdfast.testing.conformance.port.limits import LimitTests
from holdfast.testing.conformance.port.ordering import FilterTests, OrderTests
from holdfast.testing.conformance.port.paging import PagingTests
from holdfast.testing.conformance.port.position import PositionTests
from holdfast.testing.conformance.port.pruning import PruningTests, StalePlanTests
from holdfast.testing.conformance.port.read_plans import ReadPlanTests
from holdfast.testing.conformance.port.references import MemberReferenceTests, ReferenceTests
from holdfast.testing.conformance.port.secrecy import SecrecyTests
from holdfast.testing.conformance.port.steps import LifeTests, StepTests
from holdfast.testing.conformance.port.stream import SelectionTests, StreamTests, WireTests
from holdfast.testing.conformance.port.tombstones import CollectionTests, LogReadTests, TombstoneTests
from holdfast.testing.conformance.port.transactions import SnapshotTests, TransactionTests
from holdfast.testing.conformance.port.values import ValueTests
from holdfast.testing.conformance.port.write_plans import WritePlanTests
from holdfast.testing.conformance.port.writes import UniqueTests, WriteTests
from holdfast.testing.conformance.store.cascades import CascadeTests
from holdfast.testing.conformance.store.cursors import CursorTests
from holdfast.testing.conformance.store.grouping import GroupingTests
from holdfast.testing.conformance.store.history import HistoryTests
from holdfast.testing.conformance.store.permissions import PermissionTests
from holdfast.testing.conformance.store.sessions import SelectTests, SessionTests
from holdfast.testing.conformance.store.touching import TouchTests


class EngineConformance(
    BookkeepingTests,
    CommitOrderTests,
    CounterTests,
    GuardTests,
    IngestTests,
    OwnerIsolationTests,
    TenantIsolationTests,
    LimitTests,
    FilterTests,
    OrderTests,
    PagingTests,
    PositionTests,
    PruningTests,
    StalePlanTests,
    ReadPlanTests,
    WritePlanTests,
    MemberReferenceTests,
    ReferenceTests,
    SecrecyTests,
    LifeTests,
    StepTests,
    SelectionTests,
    StreamTests,
    WireTests,
    CollectionTests,
    LogReadTests,
    TombstoneTests,
    SnapshotTests,
    TransactionTests,
    ValueTests,
    UniqueTests,
    WriteTests,
    CascadeTests,
    CursorTests,
    GroupingTests,
    HistoryTests,
    PermissionTests,
    SelectTests,
    SessionTests,
    TouchTests,
):
    """Every promise. Subclass it, and override `harness`."""
