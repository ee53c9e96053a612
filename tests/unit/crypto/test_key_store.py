"""Key records in memory keep the promises of a keeper of key records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.crypto.hierarchy import KeyKind, KeyState
from holdfast.crypto.vault import KeyStore
from holdfast.testing.conformance.key_store import KeyStoreTests, a_record
from holdfast.testing.keys import MemoryKeyStore
from tests.unit.crypto.sealing import PERSON, TENANT

pytestmark = pytest.mark.anyio


class TestMemoryKeys(KeyStoreTests):
    @pytest.fixture
    def keys(self) -> KeyStore:
        return MemoryKeyStore()


async def test_an_erased_persons_key_is_not_followed_by_another() -> None:
    keys = MemoryKeyStore()
    record = await keys.add(a_record(TENANT, subject_id=PERSON))
    assert keys.erase(TENANT, PERSON) == [record.id]
    gone = replace(record, wrap=b"", state=KeyState.DESTROYED)
    assert await keys.find(TENANT, [record.id]) == [gone]
    assert await keys.add(a_record(TENANT, subject_id=PERSON, version=2)) == gone
    assert await keys.current(TENANT, PERSON, KeyKind.DATA) == gone


async def test_a_first_data_key_that_comes_after_the_erasure_is_not_kept() -> None:
    keys = MemoryKeyStore()
    person = await keys.add(a_record(TENANT, KeyKind.SUBJECT, subject_id=PERSON))
    keys.erase(TENANT, PERSON)
    assert (await keys.add(a_record(TENANT, subject_id=PERSON))).id == person.id
    assert await keys.current(TENANT, PERSON, KeyKind.DATA) is None
