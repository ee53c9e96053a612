"""What a keeper of key records promises: subclass `KeyStoreTests` and give it a `keys` fixture.

class TestMyKeys(KeyStoreTests):
    @pytest.fixture
    async def keys(self) -> KeyStore: ...            # empty
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import anyio
import pytest

from holdfast.crypto.envelope import WrappingKey
from holdfast.crypto.hierarchy import KeyKind, KeyRecord, KeyState, make_key
from holdfast.crypto.quota import Lease
from holdfast.crypto.secret import SecretKey
from holdfast.crypto.vault import KeyStore
from holdfast.model.ids import new_id

_AT = datetime(2026, 3, 1, tzinfo=UTC)
_WRAPPER = WrappingKey(SecretKey.generate())


def a_record(
    tenant_id: UUID, kind: KeyKind = KeyKind.DATA, *, subject_id: UUID | None = None, version: int = 1
) -> KeyRecord:
    """A whole record of a new key."""
    _, record = make_key(
        kind, tenant_id=tenant_id, subject_id=subject_id, version=version, wrapper=_WRAPPER, at=_AT
    )
    return record


class KeyStoreTests:
    """The promises of `KeyStore`."""

    @pytest.fixture
    def keys(self) -> KeyStore:
        """A keeper with no records. Yours."""
        raise NotImplementedError

    @pytest.fixture
    def tenant_id(self) -> UUID:
        return new_id()

    @pytest.mark.parametrize("kind", [KeyKind.TENANT, KeyKind.SUBJECT, KeyKind.DATA, KeyKind.INDEX])
    async def test_a_record_comes_back_as_it_was_added(
        self, keys: KeyStore, tenant_id: UUID, kind: KeyKind
    ) -> None:
        record = replace(a_record(tenant_id, kind, subject_id=new_id()), escrow=b"for the kit")
        assert await keys.add(record) == record
        assert await keys.current(tenant_id, record.subject_id, kind) == record
        assert await keys.find(tenant_id, [record.id]) == [record]

    async def test_what_was_never_there_is_not_found(self, keys: KeyStore, tenant_id: UUID) -> None:
        record = await keys.add(a_record(tenant_id))
        other = new_id()
        assert await keys.current(other, None, KeyKind.DATA) is None
        assert await keys.current(tenant_id, other, KeyKind.DATA) is None
        assert await keys.current(tenant_id, None, KeyKind.TENANT) is None
        assert await keys.find(tenant_id, []) == []
        assert await keys.find(tenant_id, [bytes(16), record.id]) == [record]
        assert await keys.index_roots(tenant_id) == []

    async def test_another_tenants_key_is_not_found_by_its_id(self, keys: KeyStore, tenant_id: UUID) -> None:
        record = await keys.add(a_record(new_id()))
        assert await keys.find(tenant_id, [record.id]) == []

    async def test_a_new_version_takes_over(self, keys: KeyStore, tenant_id: UUID) -> None:
        first = await keys.add(a_record(tenant_id))
        second = await keys.add(a_record(tenant_id, version=2))
        assert await keys.current(tenant_id, None, KeyKind.DATA) == second
        assert await keys.find(tenant_id, [first.id]) == [replace(first, state=KeyState.DECRYPT_ONLY)]

    async def test_a_pending_version_is_not_current_yet(self, keys: KeyStore, tenant_id: UUID) -> None:
        first = replace(a_record(tenant_id, KeyKind.TENANT), state=KeyState.PENDING)
        assert await keys.add(first) == first
        assert await keys.current(tenant_id, None, KeyKind.TENANT) is None
        active = await keys.add(a_record(tenant_id, KeyKind.TENANT, version=2))
        pending = replace(a_record(tenant_id, KeyKind.TENANT, version=3), state=KeyState.PENDING)
        assert await keys.add(pending) == pending
        assert await keys.current(tenant_id, None, KeyKind.TENANT) == active
        await keys.add(a_record(tenant_id, KeyKind.TENANT, version=4))
        assert await keys.find(tenant_id, [active.id]) == [replace(active, state=KeyState.DECRYPT_ONLY)]
        assert await keys.find(tenant_id, [pending.id]) == [pending]

    async def test_whoever_comes_second_gets_the_firsts_record(self, keys: KeyStore, tenant_id: UUID) -> None:
        first, late = a_record(tenant_id), a_record(tenant_id)
        assert await keys.add(first) == first
        assert await keys.add(late) == first
        assert await keys.find(tenant_id, [late.id]) == []

    async def test_of_many_at_once_one_is_kept(self, keys: KeyStore, tenant_id: UUID) -> None:
        standing: list[KeyRecord] = []

        async def add() -> None:
            standing.append(await keys.add(a_record(tenant_id)))

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(add)
        assert len({record.id for record in standing}) == 1
        assert await keys.current(tenant_id, None, KeyKind.DATA) == standing[0]

    async def test_a_lease_is_taken_from_where_the_record_stands(
        self, keys: KeyStore, tenant_id: UUID
    ) -> None:
        record = await keys.add(a_record(tenant_id))
        assert await keys.lease(tenant_id, record.id, Lease(0, 256))
        assert not await keys.lease(tenant_id, record.id, Lease(0, 256))
        assert await keys.lease(tenant_id, record.id, Lease(256, 512))
        assert await keys.current(tenant_id, None, KeyKind.DATA) == replace(record, leased=768)

    async def test_of_many_that_lease_the_same_one_does(self, keys: KeyStore, tenant_id: UUID) -> None:
        record = await keys.add(a_record(tenant_id))
        done: list[bool] = []

        async def lease() -> None:
            done.append(await keys.lease(tenant_id, record.id, Lease(0, 256)))

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(lease)
        assert sorted(done) == [False] * 7 + [True]

    async def test_nothing_more_is_leased_of_a_key_that_only_opens(
        self, keys: KeyStore, tenant_id: UUID
    ) -> None:
        first = await keys.add(a_record(tenant_id))
        await keys.add(a_record(tenant_id, version=2))
        assert not await keys.lease(tenant_id, first.id, Lease(0, 256))

    async def test_index_roots_come_by_version(self, keys: KeyStore, tenant_id: UUID) -> None:
        first = await keys.add(a_record(tenant_id, KeyKind.INDEX))
        second = await keys.add(a_record(tenant_id, KeyKind.INDEX, version=2))
        await keys.add(a_record(tenant_id))
        roots = await keys.index_roots(tenant_id)
        assert [root.id for root in roots] == [first.id, second.id]
