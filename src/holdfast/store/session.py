"""A session: reads at once, writes buffered until it is left or committed, then flushed as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from uuid import UUID

from holdfast.changes.change import Operation
from holdfast.engines.port import Outcome, Write
from holdfast.errors import Conflict, NotFound, UncommittedRead
from holdfast.model.entity import Entity
from holdfast.model.query import DEFAULT_LIMIT
from holdfast.model.schema import EntitySchema
from holdfast.store._prepare import prepare_create, prepare_delete, prepare_patch, prepare_replace
from holdfast.tenancy.scope import Scope

if TYPE_CHECKING:
    from holdfast.store.store import Store

E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """Some rows of a list, and the cursor with which the next ones are asked for (None: no more)."""

    items: list[E]
    next: str | None


class Receipt:
    """What became of a write: filled when the session commits."""

    __slots__ = ("_outcome", "entity")

    def __init__(self, entity: Entity | None = None) -> None:
        self.entity = entity
        self._outcome: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """Version, number and row. Raises UncommittedRead before the commit."""
        if self._outcome is None:
            raise UncommittedRead
        return self._outcome

    def fill(self, outcome: Outcome) -> None:
        """The store's: enter what became of it, also into the entity that was put."""
        self._outcome = outcome
        if self.entity is not None and outcome.row is not None:
            for name in ("version", "created_at", "updated_at"):
                self.entity.__dict__[name] = outcome.row[name]


class Session:
    """Reads and writes of one scope. `async with store.session(scope) as s:` commits at the end, unless it raises.

    A row that was written and not committed cannot be read (UncommittedRead): not every engine could.
    """

    def __init__(self, store: Store, scope: Scope) -> None:
        self._store = store
        self.scope = scope
        self._writes: dict[tuple[str, UUID], Write] = {}
        self._receipts: dict[tuple[str, UUID], list[Receipt]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.commit()
        self.discard()

    # -- reads ----------------------------------------------------------------------------------------------------

    async def get(self, entity: type[E], row_id: UUID) -> E:
        """The row. Raises NotFound where there is none for this scope."""
        found = await self.find(entity, row_id)
        if found is None:
            raise NotFound(where=self._store.catalog.schema(entity).name)
        return found

    async def find(self, entity: type[E], row_id: UUID) -> E | None:
        """The row, or None."""
        schema = self._store.catalog.schema(entity)
        self._refuse_uncommitted((schema.name, row_id))
        row = await self._store.read_row(self.scope, schema, row_id)
        return None if row is None else entity.stored(row)

    async def select(
        self,
        entity: type[E],
        where: Mapping[str, Any] | None = None,
        *,
        sort: str = "id",
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
    ) -> Page[E]:
        """A page of rows.

        `where` maps `field` or `field__gt|gte|lt|lte|in` to a value, `sort` is a field, with `-` for descending.
        Raises NotIndexed where no index serves it, BadCursor for an `after` of another list.
        """
        schema = self._store.catalog.schema(entity)
        if any(name == schema.name for name, _ in self._writes):
            raise UncommittedRead(where=schema.name)
        rows, cursor = await self._store.read_page(
            self.scope, schema, where or {}, sort=sort, limit=limit, after=after
        )
        return Page([entity.stored(row) for row in rows], cursor)

    # -- writes ---------------------------------------------------------------------------------------------------

    async def put(self, entity: Entity) -> Receipt:
        """Store a new row (version 0), or replace the one of which `entity` is a read copy (StaleVersion if it moved on)."""
        schema = self._store.catalog.schema(type(entity))
        prepare = prepare_create if entity.version == 0 else prepare_replace
        return self._buffer(prepare(self.scope, schema, entity, self._store.limits), Receipt(entity))

    async def batch(self, entities: Iterable[Entity]) -> list[Receipt]:
        """Put several."""
        return [await self.put(entity) for entity in entities]

    async def patch(
        self, entity: type[Entity], row_id: UUID, changes: Mapping[str, Any], *, if_version: int | None = None
    ) -> Receipt:
        """Change some fields of a row, of the given version if one is given."""
        schema = self._store.catalog.schema(entity)
        limits = self._store.limits
        write = prepare_patch(
            self.scope, schema, entity, row_id, changes, if_version=if_version, limits=limits
        )
        return self._buffer(write, Receipt())

    async def delete(self, entity: type[Entity], row_id: UUID, *, if_version: int | None = None) -> Receipt:
        """Delete a row, and what its references say goes with it."""
        schema = self._store.catalog.schema(entity)
        return self._buffer(prepare_delete(self.scope, schema, row_id, if_version=if_version), Receipt())

    async def commit(self) -> Sequence[Outcome]:
        """Flush what was buffered, all or nothing. The session goes on with an empty buffer."""
        writes, receipts = list(self._writes.values()), list(self._receipts.values())
        self.discard()
        if not writes:
            return []
        outcomes = await self._store.flusher.submit(self.scope, writes)
        for waiting, outcome in zip(receipts, outcomes, strict=True):
            for receipt in waiting:
                receipt.fill(outcome)
        return outcomes

    def discard(self) -> None:
        """Forget what was buffered."""
        self._writes, self._receipts = {}, {}

    def _buffer(self, write: Write, receipt: Receipt) -> Receipt:
        key = (write.schema.name, write.row_id)
        earlier = self._writes.get(key)
        self._writes[key] = write if earlier is None else _combined(write.schema, earlier, write)
        self._receipts.setdefault(key, []).append(receipt)
        return receipt

    def _refuse_uncommitted(self, key: tuple[str, UUID]) -> None:
        if key in self._writes:
            raise UncommittedRead(where=key[0])


def _combined(schema: EntitySchema, earlier: Write, later: Write) -> Write:
    """One write for a row that a session writes twice: a patch joins what came before it."""
    if later.op is Operation.UPDATE and earlier.op is not Operation.DELETE and later.if_version is None:
        values = {**earlier.values, **later.values}
        return Write(schema, earlier.op, earlier.row_id, values, earlier.if_version, earlier.salt)
    if later.op is Operation.DELETE and earlier.op is Operation.UPDATE:
        return Write(schema, Operation.DELETE, later.row_id, {}, later.if_version or earlier.if_version)
    raise Conflict(
        "this session writes the row in two ways that do not combine",
        where=schema.name,
        hint="Commit in between.",
    )
