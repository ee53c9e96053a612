"""A key names itself, and shows itself to nobody."""

from __future__ import annotations

import copy
import pickle

import pytest

from holdfast.crypto.secret import SecretKey, framed


def test_an_id_is_the_keys_own_and_says_nothing_of_it() -> None:
    one, same, other = SecretKey(bytes(32)), SecretKey(bytes(32)), SecretKey.generate()
    assert one.id == same.id != other.id
    assert one.check == same.check != other.check
    assert len(one.id) == 16
    assert len(one.check) == 32
    assert one.check[:16] != one.id


def test_labels_of_different_parts_derive_different_keys() -> None:
    key = SecretKey.generate()
    assert key.derive(b"ab", b"c") != key.derive(b"a", b"bc")
    assert framed(b"ab", b"c") != framed(b"a", b"bc")
    assert framed(b"", b"a") != framed(b"a", b"")


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_has_256_bits(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SecretKey(bytes(length))


def test_a_key_is_not_shown_copied_or_pickled() -> None:
    key = SecretKey(b"planted-secret-planted-secret-ps")
    shown = f"{key} {key!r} {[key]}"
    assert "planted" not in shown
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied or pickled"):
            attempt(key)
    with pytest.raises(TypeError):
        hash(key)


def test_keys_are_compared_by_what_they_are() -> None:
    assert SecretKey(bytes(32)) == SecretKey(bytes(32))
    assert SecretKey(bytes(32)) != SecretKey.generate()
    assert SecretKey(bytes(32)) != bytes(32)


def test_a_destroyed_key_is_of_no_use() -> None:
    key = SecretKey.generate()
    held = key._raw
    key.destroy()
    assert not held
    assert key.is_destroyed
    with pytest.raises(ValueError, match="destroyed"):
        key.reveal()
