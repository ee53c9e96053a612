"""The vault: from a tenant and a person to the keys that seal and open their fields. What the store asks.

Key records are somebody else's to keep: `KeyStore` says what is needed of them. The root is asked once for a tenant; what was
unwrapped is held for `max_age` at most, and for at most so many keys, so that what another process has destroyed is soon gone
here too. Sealing itself waits for nothing: who asks for a data key says how many values are to be sealed, and has the right to
that many when the answer comes.

    key = await vault.data_key(tenant, person, messages=3)
    envelope = key.cipher("finance.transactions", "merchant").seal(encode_value(kind, value), row_id.bytes)

    keys = await vault.open_keys(tenant, {key_id_of(envelope) for envelope in envelopes})
    data = keys.open("finance.transactions", "merchant", envelope, row_id.bytes)
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

import anyio
import anyio.to_thread

from holdfast.crypto.blind import IndexRoot
from holdfast.crypto.envelope import KEY_ID, WrappingKey, key_id_of, unreadable
from holdfast.crypto.hierarchy import DataKey, KeyKind, KeyRecord, KeyState, make_key, open_key
from holdfast.crypto.providers.port import KeyProvider
from holdfast.crypto.quota import SUBJECT_QUOTA, TENANT_QUOTA, Lease, Quota, next_lease
from holdfast.crypto.recovery import RecoveryPublic
from holdfast.errors import Busy, Conflict, Unreadable

MOST_MESSAGES: Final = 2**20
_TRIES: Final = 8
"""How often a lease or a new key is tried for when other processes are faster."""
_TURNS: Final = 64
"""How many tenants' new keys and leases are worked on at once; those that share a remainder wait for one another."""


class KeyStore(Protocol):
    """What is needed of whoever keeps the records. Each call is a transaction of its own."""

    async def find(self, tenant_id: UUID, key_ids: Sequence[bytes]) -> list[KeyRecord]:
        """Those of these keys that are the tenant's, destroyed ones too. In no order."""

    async def current(self, tenant_id: UUID, subject_id: UUID | None, kind: KeyKind) -> KeyRecord | None:
        """The newest version of such a key, in whatever state; None where there never was one."""

    async def index_roots(self, tenant_id: UUID) -> list[KeyRecord]:
        """The tenant's index roots that are written and searched (pending, active or decrypt-only), by version."""

    async def add(self, record: KeyRecord) -> KeyRecord:
        """Keep a new version, and put the version before it, where it is active, to decrypt-only: both or neither.

        Where another process has been faster with this kind and version, or the person has been erased, nothing is changed; the
        record that stands is returned.
        """

    async def lease(self, tenant_id: UUID, key_id: bytes, lease: Lease) -> bool:
        """Raise `leased` from `lease.before` to `lease.after`, if it stands there and the key is active: whether it was done.

        Durable before this returns.
        """


@dataclass(frozen=True, slots=True)
class OpenKeys:
    """The data keys that could be opened, of those that were asked for. A key that is missing is destroyed, or no one's here."""

    keys: Mapping[bytes, DataKey]

    def open(self, table: str, column: str, envelope: bytes, row: bytes) -> bytes:
        """The data in an envelope of this place, named by stable names. Raises Unreadable."""
        key = self.keys.get(envelope[KEY_ID])
        if key is None:
            raise unreadable(f"{table}.{column}")
        return key.cipher(table, column).open(envelope, row)

    def readable(self, envelope: bytes) -> bool:
        """Whether the key that this envelope names is here: not, where the person was erased. Raises Unreadable for no envelope."""
        return key_id_of(envelope) in self.keys


Held = TypeVar("Held")


class _Kept(Generic[Held]):
    """What was unwrapped: the most recently used, and none for longer than `max_age` seconds."""

    def __init__(self, room: int, max_age: float, clock: Callable[[], float]) -> None:
        self._room, self._max_age, self._clock = room, max_age, clock
        self._held: OrderedDict[bytes, tuple[float, Held]] = OrderedDict()

    def get(self, key_id: bytes) -> Held | None:
        found = self._held.get(key_id)
        if found is None:
            return None
        if self._clock() - found[0] > self._max_age:
            del self._held[key_id]
            return None
        self._held.move_to_end(key_id)
        return found[1]

    def put(self, key_id: bytes, held: Held) -> Held:
        self._held[key_id] = (self._clock(), held)
        self._held.move_to_end(key_id)
        while len(self._held) > self._room:
            self._held.popitem(last=False)
        return held

    def pop(self, key_id: bytes) -> Held | None:
        found = self._held.pop(key_id, None)
        return found[1] if found else None

    def clear(self) -> list[Held]:
        held = [one for _, one in self._held.values()]
        self._held.clear()
        return held


@dataclass(frozen=True, slots=True)
class _Wrapping:
    """A key that wraps others, in use, and whose it is."""

    record: KeyRecord
    key: WrappingKey

    @property
    def owner(self) -> tuple[KeyKind, UUID | None]:
        return self.record.kind, self.record.subject_id


class Vault:
    """One a process. Not for several event loops at once."""

    def __init__(
        self,
        provider: KeyProvider,
        store: KeyStore,
        *,
        kit: RecoveryPublic | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        room: int = 10_000,
        max_age: float = 300.0,
    ) -> None:
        """`kit` is the public half of the recovery kit: without it, a lost root loses everything. `room` counts keys of each kind."""
        self._provider, self._store, self._kit, self._now = provider, store, kit, now
        self._wrapping: _Kept[_Wrapping] = _Kept(room, max_age, clock)
        self._data: _Kept[DataKey] = _Kept(room, max_age, clock)
        self._roots: _Kept[tuple[IndexRoot, ...]] = _Kept(room, max_age, clock)
        self._current: _Kept[DataKey] = _Kept(room, max_age, clock)
        self._turns = [anyio.Lock() for _ in range(_TURNS)]
        self._process = os.getpid()

    async def data_key(self, tenant_id: UUID, subject_id: UUID | None = None, *, messages: int) -> DataKey:
        """The key that seals for this person, or for the tenant at large, with so many messages reserved. Made where there is none.

        Raises Conflict for a person who has been erased, Unavailable where the root or the records do not answer, ValueError for
        more than `MOST_MESSAGES` at once.
        """
        if not 0 <= messages <= MOST_MESSAGES:
            raise ValueError(f"At most {MOST_MESSAGES:,} messages are reserved at once.")
        if (
            self._process != os.getpid()
        ):  # a fork shares its parent's lease, and would use it up a second time
            self.lock()
            self._process = os.getpid()
        quota = SUBJECT_QUOTA if subject_id else TENANT_QUOTA
        if (ready := self._reserved(tenant_id, subject_id, quota, messages)) is not None:
            return ready
        async with self._turns[tenant_id.int % _TURNS]:
            for _ in range(_TRIES):
                if (ready := self._reserved(tenant_id, subject_id, quota, messages)) is not None:
                    return ready
                await self._lease(tenant_id, subject_id, quota, messages)
        raise Busy("Too many processes want keys of the same tenant at once.", where=str(tenant_id))

    async def open_keys(self, tenant_id: UUID, key_ids: Iterable[bytes]) -> OpenKeys:
        """The tenant's data keys among these. Raises Unavailable where the root or the records do not answer."""
        found: dict[bytes, DataKey] = {}
        missing: list[bytes] = []
        for key_id in key_ids:
            held = self._data.get(key_id)
            if held is None:
                missing.append(key_id)
            elif held.record.tenant_id == tenant_id:
                found[key_id] = held
        if missing:
            found |= await self._opened(await self._store.find(tenant_id, missing))
        return OpenKeys(found)

    async def index_roots(self, tenant_id: UUID) -> tuple[IndexRoot, ...]:
        """The tenant's roots for blind indexes, by version, made where there is none: entries are written of each of them, and
        searched for by each. More than one while they are rotated.
        """
        held = self._roots.get(tenant_id.bytes)
        if held is not None:
            return held
        async with self._turns[tenant_id.int % _TURNS]:
            records = await self._store.index_roots(tenant_id)
            if not records:
                records = [await self._new(KeyKind.INDEX, tenant_id, None, None)]
            parents = await self._parents(records)
            roots = [
                IndexRoot(open_key(record, parents[record.wrapped_by]), record)
                for record in records
                if record.wrapped_by in parents
            ]
            if len(roots) < len(records):
                raise unreadable(f"index roots of {tenant_id}")
            return self._roots.put(tenant_id.bytes, tuple(roots))

    def forget(self, tenant_id: UUID, key_ids: Iterable[bytes]) -> None:
        """Let go of these keys and of what was made of them: they were destroyed, or replaced."""
        for key_id in key_ids:
            self._wrapping.pop(key_id)
            if (key := self._data.pop(key_id)) is not None:
                self._current.pop(_owner(tenant_id, key.record.subject_id))
                key.destroy()
        self._current.pop(_owner(tenant_id, None))
        self._roots.pop(tenant_id.bytes)

    def lock(self) -> None:
        """Let go of everything. The next call asks the root again."""
        self._wrapping.clear()
        self._current.clear()
        for key in self._data.clear():
            key.destroy()
        for roots in self._roots.clear():
            for root in roots:
                root.destroy()

    def _reserved(
        self, tenant_id: UUID, subject_id: UUID | None, quota: Quota, messages: int
    ) -> DataKey | None:
        key = self._current.get(_owner(tenant_id, subject_id))
        if key is None or self._now() - key.record.created_at >= quota.max_age:
            return None
        return key if key.allowance.reserve(messages) else None

    async def _lease(self, tenant_id: UUID, subject_id: UUID | None, quota: Quota, messages: int) -> None:
        """One try to have a current key with a lease that is large enough."""
        record = await self._store.current(tenant_id, subject_id, KeyKind.DATA)
        now = self._now()
        lease = None
        if record is not None and record.state is KeyState.ACTIVE:
            lease = next_lease(
                quota, leased=record.leased, wanted=messages, created_at=record.created_at, now=now
            )
        if record is None or lease is None:
            record = await self._new(KeyKind.DATA, tenant_id, subject_id, record)
            lease = next_lease(
                quota, leased=record.leased, wanted=messages, created_at=record.created_at, now=now
            )
        if lease is None or not await self._store.lease(tenant_id, record.id, lease):
            return
        key = (await self._opened([record])).get(record.id)
        if key is None:
            raise unreadable(f"data key {record.id.hex()}")
        key.allowance.add(lease.messages)
        self._current.put(_owner(tenant_id, subject_id), key)

    async def _new(
        self, kind: KeyKind, tenant_id: UUID, subject_id: UUID | None, before: KeyRecord | None
    ) -> KeyRecord:
        """The next version of a key: ours, or that of who has been faster."""
        if kind is KeyKind.TENANT:
            wrapper: KeyProvider | WrappingKey = self._provider
        elif kind is KeyKind.DATA and subject_id is not None:
            wrapper = await self._parent(KeyKind.SUBJECT, tenant_id, subject_id)
        else:
            wrapper = await self._parent(KeyKind.TENANT, tenant_id, None)

        def make() -> KeyRecord:
            _, record = make_key(
                kind,
                tenant_id=tenant_id,
                subject_id=subject_id,
                wrapper=wrapper,
                at=self._now(),
                version=before.version + 1 if before else 1,
                kit=self._kit if kind is KeyKind.TENANT else None,
            )
            return record

        record = await (_in_thread(make) if kind is KeyKind.TENANT else _here(make))
        return await self._store.add(record)

    async def _parent(self, kind: KeyKind, tenant_id: UUID, subject_id: UUID | None) -> WrappingKey:
        """The key of this kind that wraps new ones."""
        record = await self._store.current(tenant_id, subject_id, kind)
        if record is None:
            record = await self._new(kind, tenant_id, subject_id, None)
        if record.state is KeyState.DESTROYED:
            raise _erased()
        return await self._unwrapped(record)

    async def _unwrapped(self, record: KeyRecord) -> WrappingKey:
        """A tenant's or person's key, in use. Raises Unreadable where it, or what wraps it, does not open."""
        held = self._wrapping.get(record.id)
        if held is None:
            if record.kind is KeyKind.TENANT:
                key = await _in_thread(lambda: open_key(record, self._provider))
            else:
                parent = (await self._parents([record])).get(record.wrapped_by)
                if parent is None:
                    raise unreadable(f"{record.kind} key {record.id.hex()}")
                key = open_key(record, parent)
            held = self._wrapping.put(record.id, _Wrapping(record, WrappingKey(key)))
        return held.key

    async def _parents(self, records: Sequence[KeyRecord]) -> dict[str, WrappingKey]:
        """By reference, what wraps these records of one tenant, below the root; without those that do not open.

        A person's data key hangs on that person's key and everything else on the tenant's: one that hung on another would
        outlive an erasure.
        """
        held = {record.wrapped_by: self._wrapping.get(_id_of(record.wrapped_by)) for record in records}
        missing = [_id_of(reference) for reference, one in held.items() if one is None]
        if missing:
            for parent in await self._store.find(records[0].tenant_id, missing):
                if parent.kind in {KeyKind.TENANT, KeyKind.SUBJECT} and parent.wrap:
                    with suppress(Unreadable):  # what hangs on it is lost, and what hangs on others is not
                        held[parent.id.hex()] = _Wrapping(parent, await self._unwrapped(parent))
        found: dict[str, WrappingKey] = {}
        for record in records:
            parent_held = held[record.wrapped_by]
            personal = record.kind is KeyKind.DATA and record.subject_id is not None
            wanted = (KeyKind.SUBJECT, record.subject_id) if personal else (KeyKind.TENANT, None)
            if parent_held is not None and parent_held.owner == wanted:
                found[record.wrapped_by] = parent_held.key
        return found

    async def _opened(self, records: Sequence[KeyRecord]) -> dict[bytes, DataKey]:
        """Those data keys that can be used: neither they nor what wraps them were destroyed."""
        opened = {record.id: key for record in records if (key := self._data.get(record.id)) is not None}
        rest = [
            record
            for record in records
            if record.id not in opened and record.kind is KeyKind.DATA and record.wrap
        ]
        parents = await self._parents(rest) if rest else {}
        for record in rest:
            parent = parents.get(record.wrapped_by)
            try:
                if parent is not None:
                    opened[record.id] = self._data.put(record.id, DataKey(open_key(record, parent), record))
            except Unreadable:
                continue  # what it sealed is as good as gone, and what others sealed is not
        return opened


def _id_of(reference: str) -> bytes:
    """The id of a key by its reference; of what is none, an id that no key has."""
    try:
        return bytes.fromhex(reference)
    except ValueError:
        return b""


T = TypeVar("T")


async def _in_thread(work: Callable[[], T]) -> T:
    """A provider's work: it blocks, on a disk, a token or the network."""
    return await anyio.to_thread.run_sync(work)


async def _here(work: Callable[[], T]) -> T:
    return work()


def _owner(tenant_id: UUID, subject_id: UUID | None) -> bytes:
    return tenant_id.bytes + (subject_id.bytes if subject_id else b"")


def _erased() -> Conflict:
    return Conflict(
        "This person's keys have been destroyed: nothing can be sealed for them any more.",
        hint="Their data was erased for good; a person who comes back is a new one.",
    )
