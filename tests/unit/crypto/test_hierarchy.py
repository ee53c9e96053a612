"""Key records: what wraps what, and that a wrap in the wrong record stays shut."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from holdfast.crypto.envelope import Suite, WrappingKey
from holdfast.crypto.hierarchy import (
    DataKey,
    KeyKind,
    KeyRecord,
    KeyState,
    destroyed,
    entrust,
    make_key,
    open_key,
    recover,
    rewrap,
)
from holdfast.crypto.recovery import make_code, open_kit
from holdfast.crypto.secret import SecretKey
from holdfast.errors import Unreadable
from tests.unit.crypto.sealing import AT, OTHER_TENANT, PERSON, ROW, TENANT


def made(wrapper: WrappingKey, kind: KeyKind = KeyKind.DATA) -> tuple[SecretKey, KeyRecord]:
    return make_key(kind, tenant_id=TENANT, subject_id=PERSON, wrapper=wrapper, at=AT)


def test_a_record_gives_its_key_back_to_what_wrapped_it() -> None:
    wrapper = WrappingKey(SecretKey.generate())
    key, record = made(wrapper)
    assert open_key(record, wrapper) == key
    assert record.id == key.id
    assert record.wrapped_by == wrapper.reference
    with pytest.raises(Unreadable):
        open_key(record, WrappingKey(SecretKey.generate()))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": KeyKind.SUBJECT},
        {"tenant_id": OTHER_TENANT},
        {"subject_id": None},
        {"version": 2},
        {"suite": Suite.AES_256_GCM_SIV},
        {"id": bytes(16)},
        {"check": bytes(32)},
        {"wrap": b""},
    ],
    ids=str,
)
def test_a_wrap_in_another_record_does_not_open(changes: dict[str, Any]) -> None:
    wrapper = WrappingKey(SecretKey.generate())
    _, record = made(wrapper)
    with pytest.raises(Unreadable):
        open_key(replace(record, **changes), wrapper)


def test_a_key_changes_hands_without_changing() -> None:
    old, new = WrappingKey(SecretKey.generate()), WrappingKey(SecretKey.generate())
    key, record = made(old)
    moved = rewrap(record, old, new)
    assert open_key(moved, new) == key
    assert moved == replace(record, wrap=moved.wrap, wrapped_by=new.reference)
    with pytest.raises(Unreadable):
        open_key(moved, old)


def test_a_destroyed_record_keeps_its_name_and_nothing_else() -> None:
    wrapper, kit = WrappingKey(SecretKey.generate()), make_code()
    _, record = make_key(KeyKind.TENANT, tenant_id=TENANT, wrapper=wrapper, at=AT, kit=kit.public)
    gone = destroyed(record)
    assert (gone.id, gone.state, gone.wrap, gone.escrow) == (record.id, KeyState.DESTROYED, b"", b"")
    with pytest.raises(Unreadable):
        open_key(gone, wrapper)
    with pytest.raises(Unreadable):
        recover(gone, open_kit(kit.parts), wrapper)


def test_a_lost_root_is_replaced_out_of_the_kit() -> None:
    lost, new, kit, renewed = (
        WrappingKey(SecretKey.generate()),
        WrappingKey(SecretKey.generate()),
        make_code(),
        make_code(),
    )
    key, record = make_key(KeyKind.TENANT, tenant_id=TENANT, wrapper=lost, at=AT, kit=kit.public)
    assert open_key(recover(record, open_kit(kit.parts), new), new) == key
    with pytest.raises(Unreadable):
        recover(record, open_kit(renewed.parts), new)
    trusted = entrust(record, lost, renewed.public)
    assert open_key(recover(trusted, open_kit(renewed.parts), new), new) == key
    with pytest.raises(Unreadable):
        recover(trusted, open_kit(kit.parts), new)
    with pytest.raises(Unreadable):
        recover(replace(record, version=2), open_kit(kit.parts), new)


def test_a_data_key_has_a_cipher_a_column_and_forgets_them() -> None:
    wrapper = WrappingKey(SecretKey.generate())
    key = DataKey(*made(wrapper))
    key.allowance.add(1)
    one = key.cipher("t", "c")
    assert key.cipher("t", "c") is one
    assert one.open(one.seal(b"1", ROW), ROW) == b"1"
    key.destroy()
    with pytest.raises(Unreadable):
        key.cipher("t", "c")


def test_a_record_may_be_shown_and_a_key_may_not() -> None:
    wrapper = WrappingKey(SecretKey.generate())
    key, record = made(wrapper)
    shown = repr(record) + repr(DataKey(key, record))
    assert repr(record.wrap)[2:20] not in shown
    assert repr(record.check)[2:20] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(DataKey(key, record))
