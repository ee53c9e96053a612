"""The vault: keys for tenants and persons, made, leased, opened, forgotten, and never another's."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import pytest

from holdfast.crypto.envelope import key_id_of
from holdfast.crypto.hierarchy import KeyKind, KeyState, rewrap
from holdfast.crypto.providers.local import MemoryProvider
from holdfast.crypto.quota import Lease
from holdfast.crypto.recovery import make_code, open_kit
from holdfast.crypto.secret import SecretKey
from holdfast.crypto.vault import Vault
from holdfast.errors import Busy, Conflict, Unavailable, Unreadable, WrongKey
from holdfast.model.ids import new_id
from holdfast.testing.keys import MemoryKeyStore
from tests.unit.crypto.sealing import AT, OTHER_TENANT, PERSON, ROW, TENANT

pytestmark = pytest.mark.anyio
TABLE, COLUMN = "finance.transactions", "merchant"


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class World:
    """Records, a root, and vaults over them as processes have them."""

    def __init__(self) -> None:
        self.store, self.root, self.clock = MemoryKeyStore(), MemoryProvider(), Clock()

    def vault(self, **options: Any) -> Vault:
        return Vault(self.root, self.store, now=self.clock.now, clock=self.clock.monotonic, **options)

    def kinds(self) -> list[str]:
        return sorted(record.kind for record in self.store.records.values())


@pytest.fixture
def world() -> World:
    return World()


async def sealed(vault: Vault, subject: UUID | None = PERSON, *, tenant: UUID = TENANT) -> bytes:
    key = await vault.data_key(tenant, subject, messages=1)
    return key.cipher(TABLE, COLUMN).seal(b'"x"', ROW)


async def opened(vault: Vault, envelope: bytes, *, tenant: UUID = TENANT) -> bytes:
    keys = await vault.open_keys(tenant, [key_id_of(envelope)])
    return keys.open(TABLE, COLUMN, envelope, ROW)


async def test_keys_are_made_when_they_are_first_needed(world: World) -> None:
    envelope = await sealed(world.vault())
    assert world.kinds() == ["data", "subject", "tenant"]
    assert await opened(world.vault(), envelope) == b'"x"'
    await sealed(world.vault(), None)
    assert world.kinds() == ["data", "data", "subject", "tenant"]


async def test_each_hangs_where_it_belongs(world: World) -> None:
    await sealed(world.vault())
    await sealed(world.vault(), None)
    await world.vault().index_roots(TENANT)
    by_id = {record.id.hex(): record for record in world.store.records.values()}
    for record in by_id.values():
        above = by_id.get(record.wrapped_by)
        if record.kind is KeyKind.TENANT:
            assert record.wrapped_by == world.root.reference
        elif record.kind is KeyKind.DATA and record.subject_id:
            assert above is not None
            assert (above.kind, above.subject_id) == (KeyKind.SUBJECT, PERSON)
        else:
            assert above is not None
            assert above.kind is KeyKind.TENANT


async def test_a_restart_seals_under_the_same_key_with_a_new_lease(world: World) -> None:
    first, second = await sealed(world.vault()), await sealed(world.vault())
    assert key_id_of(first) == key_id_of(second)
    assert world.store.records[key_id_of(first)].leased == 2**8 + 2**9


async def test_leases_are_taken_as_they_are_used_up(world: World) -> None:
    vault = world.vault()
    for _ in range(2**8):
        envelope = await sealed(vault)
    assert world.store.records[key_id_of(envelope)].leased == 2**8
    envelope = await sealed(vault)
    assert world.store.records[key_id_of(envelope)].leased == 2**8 + 2**9


async def test_no_more_than_was_reserved_is_sealed(world: World) -> None:
    key = await world.vault().data_key(TENANT, PERSON, messages=2**8)
    seal = key.cipher(TABLE, COLUMN).seal
    for _ in range(2**8):
        seal(b"1", ROW)
    with pytest.raises(Unavailable):
        seal(b"1", ROW)


async def test_a_key_that_has_had_its_time_is_followed_by_another(world: World) -> None:
    vault = world.vault()
    old = await sealed(vault)
    world.clock.seconds = timedelta(days=90).total_seconds()
    new = await sealed(vault)
    assert key_id_of(old) != key_id_of(new)
    assert world.store.records[key_id_of(old)].state is KeyState.DECRYPT_ONLY
    assert [await opened(vault, envelope) for envelope in (old, new)] == [b'"x"'] * 2


async def test_a_key_that_has_sealed_its_number_is_followed_by_another(world: World) -> None:
    old = await sealed(world.vault())
    record = world.store.records[key_id_of(old)]
    world.store.records[record.id] = replace(record, leased=2**30)
    new = await sealed(world.vault())
    assert world.store.records[key_id_of(new)].version == 2


async def test_a_key_rolled_elsewhere_is_left_when_the_lease_ends_or_the_time_is_up(world: World) -> None:
    vault, other = world.vault(), world.vault()
    old = key_id_of(await sealed(vault))
    world.store.records[old] = replace(world.store.records[old], leased=2**30)
    new = key_id_of(await sealed(other))
    assert key_id_of(await sealed(vault)) == old
    world.clock.seconds = 301
    assert key_id_of(await sealed(vault)) == new


async def test_two_processes_that_begin_at_once_agree_on_one_key(world: World) -> None:
    envelopes: list[bytes] = []

    async def write() -> None:
        envelopes.append(await sealed(world.vault()))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(write)
    assert len({key_id_of(envelope) for envelope in envelopes}) == 1
    assert world.kinds() == ["data", "subject", "tenant"]
    for envelope in envelopes:
        assert await opened(world.vault(), envelope) == b'"x"'


async def test_whoever_comes_second_takes_the_firsts_record(world: World) -> None:
    class Late(MemoryKeyStore):
        """Another process is faster, each time."""

        async def current(self, tenant_id: UUID, subject_id: UUID | None, kind: KeyKind) -> Any:
            found = await super().current(tenant_id, subject_id, kind)
            if found is None:
                self.records |= world.store.records
            return found

    await sealed(world.vault())
    late = Late()
    envelope = await sealed(Vault(world.root, late, now=world.clock.now))
    assert key_id_of(envelope) in world.store.records
    assert len(late.records) == len(world.store.records)


async def test_a_fork_does_not_use_its_parents_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = world.vault()
    envelope = await sealed(vault)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert key_id_of(await sealed(vault)) == key_id_of(envelope)
    assert world.store.records[key_id_of(envelope)].leased == 2**8 + 2**9


async def test_more_than_any_flush_needs_is_a_mistake(world: World) -> None:
    for messages in (-1, 2**20 + 1):
        with pytest.raises(ValueError, match="At most"):
            await world.vault().data_key(TENANT, PERSON, messages=messages)
    assert not world.store.records
    assert await world.vault().data_key(TENANT, PERSON, messages=2**20)


async def test_endless_competition_ends_in_busy(world: World) -> None:
    class Contended(MemoryKeyStore):
        async def lease(self, tenant_id: UUID, key_id: bytes, lease: Lease) -> bool:
            return False

    with pytest.raises(Busy):
        await Vault(world.root, Contended()).data_key(TENANT, None, messages=1)


async def test_another_tenants_key_is_not_here(world: World) -> None:
    vault = world.vault()
    mine, theirs = await sealed(vault), await sealed(vault, tenant=OTHER_TENANT)
    for one in (vault, world.vault()):
        keys = await one.open_keys(TENANT, [key_id_of(mine), key_id_of(theirs), bytes(16)])
        assert list(keys.keys) == [key_id_of(mine)]
        assert keys.readable(mine)
        assert not keys.readable(theirs)
        with pytest.raises(Unreadable):
            keys.open(TABLE, COLUMN, theirs, ROW)


async def test_the_record_of_another_tenant_brought_here_opens_nothing(world: World) -> None:
    envelope = await sealed(world.vault(), tenant=OTHER_TENANT)
    await sealed(world.vault())
    stolen = replace(world.store.records[key_id_of(envelope)], tenant_id=TENANT)
    world.store.records[stolen.id] = stolen
    with pytest.raises(Unreadable):
        await opened(world.vault(), envelope)


async def test_an_erased_person_is_gone_and_nobody_else(world: World) -> None:
    vault, colleague = world.vault(), new_id()
    gone, kept = await sealed(vault), await sealed(vault, colleague)
    vault.forget(TENANT, world.store.erase(TENANT, PERSON))
    for one in (vault, world.vault()):
        keys = await one.open_keys(TENANT, [key_id_of(gone), key_id_of(kept)])
        assert not keys.readable(gone)
        assert keys.open(TABLE, COLUMN, kept, ROW) == b'"x"'
        with pytest.raises(Unreadable):
            keys.open(TABLE, COLUMN, gone, ROW)
        with pytest.raises(Conflict, match="destroyed"):
            await one.data_key(TENANT, PERSON, messages=1)


async def test_what_another_process_destroyed_is_gone_here_when_the_time_is_up(world: World) -> None:
    vault = world.vault()
    gone = await sealed(vault)
    world.store.erase(TENANT, PERSON)
    assert await opened(vault, gone) == b'"x"'
    world.clock.seconds = 301
    with pytest.raises(Unreadable):
        await opened(vault, gone)


async def test_a_persons_key_does_not_outlive_them_under_the_tenants(world: World) -> None:
    """A data key of a person that hangs on the tenant's key would survive the erasure: it is refused."""
    envelope = await sealed(world.vault())
    records = {record.kind: record for record in world.store.records.values()}
    forged = replace(records[KeyKind.DATA], wrapped_by=records[KeyKind.TENANT].id.hex())
    world.store.records[forged.id] = forged
    with pytest.raises(Unreadable):
        await opened(world.vault(), envelope)


async def test_one_spoilt_record_spoils_no_other(world: World) -> None:
    vault = world.vault()
    bad, good = await sealed(vault), await sealed(vault, new_id())
    record = world.store.records[key_id_of(bad)]
    for spoilt in ({"wrapped_by": "not an id"}, {"wrap": b"\x01" * 78}, {"check": bytes(32)}):
        world.store.records[record.id] = replace(record, **spoilt)
        keys = await world.vault().open_keys(TENANT, [key_id_of(bad), key_id_of(good)])
        assert keys.open(TABLE, COLUMN, good, ROW) == b'"x"'
        assert not keys.readable(bad)


async def test_another_root_is_told(world: World) -> None:
    envelope = await sealed(world.vault())
    world.root = MemoryProvider()
    with pytest.raises(WrongKey):
        await opened(world.vault(), envelope)
    with pytest.raises(WrongKey):
        await sealed(world.vault())


async def test_a_root_that_is_away_stops_new_tenants_and_nobody_else(world: World) -> None:
    vault = world.vault()
    envelope = await sealed(vault)
    world.root.close()
    assert await opened(vault, envelope) == b'"x"'
    await sealed(vault, new_id())
    with pytest.raises(Unavailable):
        await sealed(vault, tenant=OTHER_TENANT)
    vault.lock()
    with pytest.raises(Unavailable):
        await opened(vault, envelope)


async def test_the_provider_changes_and_no_row_is_touched(world: World) -> None:
    envelope = await sealed(world.vault())
    moved = MemoryProvider()
    for record in list(world.store.records.values()):
        if record.kind is KeyKind.TENANT:
            world.store.records[record.id] = rewrap(record, world.root, moved)
    world.root = moved
    assert await opened(world.vault(), envelope) == b'"x"'


async def test_a_tenants_key_lies_with_the_recovery_kit(world: World) -> None:
    kit = make_code()
    envelope = await sealed(world.vault(kit=kit.public))
    records = list(world.store.records.values())
    assert [record.kind for record in records if record.escrow] == [KeyKind.TENANT]
    tenant = next(record for record in records if record.kind is KeyKind.TENANT)
    assert open_kit(kit.parts).open(tenant.escrow, tenant.context).id == tenant.id
    assert envelope


async def test_index_roots_are_made_once_and_all_of_them_are_told(world: World) -> None:
    vault = world.vault()
    (first,) = await vault.index_roots(TENANT)
    assert (await vault.index_roots(TENANT))[0] is first
    tenant = next(record for record in world.store.records.values() if record.kind is KeyKind.TENANT)
    assert first.record.wrapped_by == tenant.id.hex()
    (again,) = await world.vault().index_roots(TENANT)
    entry = again.index(TABLE, COLUMN, "unique").entry(b"1")
    assert entry == first.index(TABLE, COLUMN, "unique").entry(b"1")


async def test_little_room_costs_time_and_nothing_else(world: World) -> None:
    vault, people = world.vault(room=2), [new_id() for _ in range(8)]
    envelopes = [await sealed(vault, person) for person in people]
    keys = await vault.open_keys(TENANT, [key_id_of(envelope) for envelope in envelopes])
    assert all(keys.open(TABLE, COLUMN, envelope, ROW) == b'"x"' for envelope in envelopes)


async def test_nothing_secret_is_in_what_is_kept(world: World) -> None:
    vault = world.vault()
    envelope = await sealed(vault)
    key = (await vault.open_keys(TENANT, [key_id_of(envelope)])).keys[key_id_of(envelope)]
    assert isinstance(key._key, SecretKey)
    raw = key._key.reveal()
    shown = repr(world.store.records) + repr(vault.__dict__)
    assert raw.hex() not in shown
    assert repr(raw)[2:20] not in shown
