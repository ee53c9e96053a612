"""The passphrase file: written strong, read down to a floor, refused where others can read it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from holdfast.crypto.envelope import WrappingKey
from holdfast.crypto.providers import passphrase as module
from holdfast.crypto.providers.passphrase import Argon2id, Kdf, PassphraseFile, Pbkdf2, kdf_of
from holdfast.crypto.secret import SecretKey
from holdfast.errors import ConfigurationError, HoldfastError, Unavailable, WrongKey

PASSPHRASE = b"planted: a quiet evening at home"
FAST = Argon2id(memory_kib=19 * 1024, passes=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root.key"


def told(error: pytest.ExceptionInfo[HoldfastError]) -> str:
    text = str(error.value) + repr(error.value.__dict__)
    assert "planted" not in text
    return text


def test_what_was_wrapped_opens_after_a_restart(path: Path) -> None:
    key = SecretKey.generate()
    first = PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    wrapped = first.wrap(key, b"here")
    again = PassphraseFile.unlock(path, PASSPHRASE, target=FAST)
    assert again.unwrap(wrapped, b"here") == key
    assert again.reference == first.reference
    with pytest.raises(WrongKey):
        again.unwrap(wrapped, b"there")
    info = again.describe()
    assert (info.kind, info.durable, info.hardware, info.where) == (
        "passphrase-file",
        True,
        False,
        str(path),
    )


def test_the_file_is_for_its_owner_and_holds_no_root(path: Path) -> None:
    root = SecretKey.generate()
    PassphraseFile.create(path, PASSPHRASE, kdf=FAST, root=root)
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    assert base64.b64encode(root.reveal()) not in content
    assert b"planted" not in content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="Others can read") as caught:
        PassphraseFile.unlock(path, PASSPHRASE)
    assert "chmod 600" in told(caught)


def test_a_wrong_passphrase_is_one_clear_error(path: Path) -> None:
    PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    with pytest.raises(WrongKey, match="passphrase does not open") as caught:
        PassphraseFile.unlock(path, b"planted: another one")
    told(caught)


def test_what_is_written_is_argon2id_as_advised() -> None:
    assert Argon2id() == Argon2id(memory_kib=65_536, passes=3, lanes=1)
    assert Pbkdf2() == Pbkdf2(600_000)


@pytest.mark.parametrize(
    ("weak", "target"),
    [
        (Pbkdf2(100_000), FAST),
        (FAST, Argon2id(memory_kib=20 * 1024, passes=2)),
        (Pbkdf2(100_000), Pbkdf2(110_000)),
    ],
    ids=str,
)
def test_a_weak_file_is_written_anew_when_it_is_opened(path: Path, weak: Kdf, target: Kdf) -> None:
    key = SecretKey.generate()
    wrapped = PassphraseFile.create(path, PASSPHRASE, kdf=weak).wrap(key, b"")
    before = path.read_bytes()
    assert PassphraseFile.unlock(path, PASSPHRASE, upgrade=False).unwrap(wrapped, b"") == key
    assert path.read_bytes() == before
    assert PassphraseFile.unlock(path, PASSPHRASE, target=target).unwrap(wrapped, b"") == key
    assert kdf_of(path) == target
    assert path.stat().st_mode & 0o777 == 0o600
    after = path.read_bytes()
    assert PassphraseFile.unlock(path, PASSPHRASE, target=target).unwrap(wrapped, b"") == key
    assert path.read_bytes() == after


def test_chosen_pbkdf2_is_left_alone(path: Path) -> None:
    PassphraseFile.create(path, PASSPHRASE, kdf=Pbkdf2())
    PassphraseFile.unlock(path, PASSPHRASE)
    assert kdf_of(path) == Pbkdf2()


@pytest.mark.parametrize(
    "kdf",
    [
        {"name": "pbkdf2-sha256", "iterations": 99_999},
        {"name": "pbkdf2-sha256", "iterations": 5_000},
        {"name": "pbkdf2-sha256", "iterations": 0},
        {"name": "pbkdf2-sha256", "iterations": 10_000_001},
        {"name": "argon2id", "memory_kib": 8, "passes": 3, "lanes": 1},
        {"name": "argon2id", "memory_kib": 65_536, "passes": 1, "lanes": 1},
        {"name": "argon2id", "memory_kib": 2**40, "passes": 3, "lanes": 1},
    ],
    ids=str,
)
def test_below_the_floor_and_beyond_the_ceiling_nothing_is_tried(path: Path, kdf: dict[str, Any]) -> None:
    rewrite(path, kdf=kdf)
    with pytest.raises(ConfigurationError, match="less, or costlier") as caught:
        PassphraseFile.unlock(path, PASSPHRASE)
    told(caught)


def test_the_floor_itself_is_read(path: Path) -> None:
    PassphraseFile.create(path, PASSPHRASE, kdf=Pbkdf2(100_000))
    assert PassphraseFile.unlock(path, PASSPHRASE, upgrade=False).reference


def test_costs_are_bound_to_what_they_protect(path: Path) -> None:
    PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    rewrite(path, kdf={"name": "argon2id", "memory_kib": 19 * 1024, "passes": 3, "lanes": 1})
    with pytest.raises(WrongKey):
        PassphraseFile.unlock(path, PASSPHRASE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "root": "", "kdf": 7, "wrap": ""}',
        b"\xff",
    ],
)
def test_a_damaged_file_is_told_from_a_wrong_passphrase(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="no key file, or it is damaged"):
        PassphraseFile.unlock(path, PASSPHRASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"root": 7},
        {"wrap": "?"},
        {"kdf": {"name": "scrypt"}},
        {"kdf": {"name": ["argon2id"]}},
        {"kdf": {"name": "pbkdf2-sha256", "iterations": True}},
        {"kdf": {"name": "pbkdf2-sha256", "iterations": 1.5e5}},
        {"kdf": {"name": "argon2id", "memory_kib": 20_000, "passes": 3, "lanes": 1, "more": 1}},
    ],
    ids=str,
)
def test_a_file_with_other_parts_is_refused(path: Path, changes: dict[str, Any]) -> None:
    rewrite(path, **changes)
    with pytest.raises(ConfigurationError, match="no key file, or it is damaged"):
        PassphraseFile.unlock(path, PASSPHRASE)


def test_there_is_one_root_a_file(path: Path) -> None:
    PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    with pytest.raises(ConfigurationError, match="already"):
        PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    with pytest.raises(ConfigurationError, match="no key file"):
        PassphraseFile.unlock(path.with_name("other.key"), PASSPHRASE)


def test_a_passphrase_is_not_short(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 12"):
        PassphraseFile.create(path, b"short")
    assert not path.exists()


def test_the_passphrase_changes_and_the_root_does_not(path: Path) -> None:
    first = PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    PassphraseFile.change(path, PASSPHRASE, b"another one altogether", kdf=FAST)
    assert PassphraseFile.unlock(path, b"another one altogether", target=FAST).reference == first.reference
    with pytest.raises(WrongKey):
        PassphraseFile.unlock(path, PASSPHRASE)
    with pytest.raises(WrongKey):
        PassphraseFile.change(path, PASSPHRASE, b"another one altogether", kdf=FAST)
    with pytest.raises(ConfigurationError, match="at least"):
        PassphraseFile.change(path, b"another one altogether", b"short")


def test_a_crash_while_writing_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PassphraseFile.create(path, PASSPHRASE, kdf=Pbkdf2(100_000))

    def crash(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(OSError):
            PassphraseFile.unlock(path, PASSPHRASE, target=FAST)
    assert kdf_of(path) == Pbkdf2(100_000)
    assert PassphraseFile.unlock(path, PASSPHRASE, target=FAST).reference


def test_a_root_that_was_put_away_says_so(path: Path) -> None:
    provider = PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    provider.health()
    provider.close()
    provider.close()
    with pytest.raises(Unavailable):
        provider.health()
    assert provider.reference in repr(provider)


def rewrite(path: Path, **changes: Any) -> None:
    """Change parts of a file, as somebody would who can write it."""
    if not path.exists():
        PassphraseFile.create(path, PASSPHRASE, kdf=FAST)
    plain = orjson.loads(path.read_bytes())
    salt = plain["kdf"]["salt"]
    plain |= changes
    if isinstance(plain["kdf"], dict):
        plain["kdf"].setdefault("salt", salt)
    path.write_bytes(orjson.dumps(plain))


def test_the_stretched_passphrase_is_bound_to_the_format() -> None:
    """What another implementation needs to open the file stands in its documentation: nothing else goes in."""
    root, salt = SecretKey.generate(), bytes(16)
    file = module._sealed(root, PASSPHRASE, FAST)
    stretched = SecretKey(FAST.stretch(PASSPHRASE, file.salt))
    costs = b'{"lanes":1,"memory_kib":19456,"name":"argon2id","passes":2}'
    context = b"".join(len(part).to_bytes(2, "big") + part for part in (b"passphrase-file", costs, file.salt))
    assert WrappingKey(stretched).unwrap(file.wrap, context) == root
    assert file.salt != salt
