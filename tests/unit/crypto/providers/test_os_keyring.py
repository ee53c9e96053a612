"""The OS keyring: through the real library, with a backend that keeps its entries in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.crypto.providers.os_keyring import OsKeyring
from holdfast.crypto.secret import SecretKey
from holdfast.errors import ConfigurationError, Unavailable, WrongKey

keyring = pytest.importorskip(
    "keyring", reason="the extra `keyring` is not installed: OS keyrings are not tested"
)
backend = pytest.importorskip("keyring.backend")


class Entries(backend.KeyringBackend):  # type: ignore[misc, name-defined]
    """A keyring that can be locked."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def _look(self) -> dict[tuple[str, str], str]:
        if self.locked:
            raise keyring.errors.KeyringLocked("planted")
        return self.entries

    def get_password(self, service: str, username: str) -> str | None:
        return self._look().get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._look()[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self._look()[service, username]


@pytest.fixture
def entries() -> Iterator[Entries]:
    before = keyring.get_keyring()
    mine = Entries()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


def test_what_was_wrapped_opens_after_a_restart(entries: Entries) -> None:
    key = SecretKey.generate()
    wrapped = OsKeyring.create("main").wrap(key, b"here")
    again = OsKeyring.unlock("main")
    assert again.unwrap(wrapped, b"here") == key
    with pytest.raises(WrongKey):
        again.unwrap(wrapped, b"there")
    assert again.describe().kind == "os-keyring"
    assert list(entries.entries) == [("holdfast", "main")]


def test_a_recovered_root_is_put_back(entries: Entries) -> None:
    root = SecretKey.generate()
    first = OsKeyring.create("main", root=root)
    entries.entries.clear()
    assert OsKeyring.create("main", root=root).reference == first.reference


def test_there_is_one_root_a_name(entries: Entries) -> None:
    OsKeyring.create("main")
    with pytest.raises(ConfigurationError, match="already"):
        OsKeyring.create("main")
    with pytest.raises(ConfigurationError, match="no root"):
        OsKeyring.unlock("other")


@pytest.mark.parametrize("text", ["", "?", "c2hvcnQ=", "planted"])
def test_another_programs_entry_is_no_root(entries: Entries, text: str) -> None:
    entries.entries["holdfast", "main"] = text
    with pytest.raises(ConfigurationError, match="no root key") as caught:
        OsKeyring.unlock("main")
    assert "planted" not in str(caught.value)


def test_a_locked_keyring_may_be_open_later(entries: Entries) -> None:
    OsKeyring.create("main")
    entries.locked = True
    with pytest.raises(Unavailable, match="KeyringLocked") as caught:
        OsKeyring.unlock("main")
    assert "planted" not in str(caught.value)
    entries.locked = False
    assert OsKeyring.unlock("main")


@pytest.mark.parametrize("name", ["keyring.backends.fail", "keyring.backends.null"])
def test_a_backend_that_keeps_nothing_is_refused(entries: Entries, name: str) -> None:
    import importlib

    keyring.set_keyring(importlib.import_module(name).Keyring())
    with pytest.raises(ConfigurationError, match="no keyring that keeps secrets"):
        OsKeyring.create("main")


def test_a_backend_that_writes_plain_files_is_refused_in_a_chain_too(entries: Entries) -> None:
    plain = type("PlaintextKeyring", (Entries,), {"__module__": "keyrings.alt.file"})()
    chain: Any = Entries()
    chain.backends = [Entries(), plain]
    for one in (plain, chain):
        keyring.set_keyring(one)
        with pytest.raises(ConfigurationError, match="no keyring that keeps secrets"):
            OsKeyring.create("main")
