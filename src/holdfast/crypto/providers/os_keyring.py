"""A root in the operating system's keyring: Keychain, Credential Manager, Secret Service. Extra `keyring`.

On a server without a desktop there usually is none. Then this provider says so; it never falls back to another place, and it
refuses the backends that keep what they are given in a plain file or nowhere.
"""

from __future__ import annotations

import base64
from types import ModuleType
from typing import Any, Final

from holdfast.crypto.providers.local import LocalRoot
from holdfast.crypto.secret import SecretKey
from holdfast.errors import ConfigurationError, Unavailable

SERVICE: Final = "holdfast"
_REFUSED: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


class OsKeyring(LocalRoot):
    """The provider over an entry of the keyring. Made by `create` and `unlock`; `name` tells deployments apart."""

    @classmethod
    def create(cls, name: str, *, root: SecretKey | None = None) -> OsKeyring:
        """A new root (or `root`, one that was recovered) in a new entry. Raises ConfigurationError where there is one already."""
        keyring = _keyring()
        if _get(keyring, name) is not None:
            raise ConfigurationError(
                "The keyring has a root under this name already.",
                where=f"{SERVICE}/{name}",
                hint="Removing it would make what it sealed unreadable.",
            )
        made = root or SecretKey.generate()
        _call(keyring.set_password, keyring, SERVICE, name, base64.b64encode(made.reveal()).decode())
        return cls.unlock(name)

    @classmethod
    def unlock(cls, name: str) -> OsKeyring:
        """The root of an entry. Raises ConfigurationError for none, or one that is no root, Unavailable for a locked keyring."""
        text = _get(_keyring(), name)
        if text is None:
            raise ConfigurationError(
                "The keyring has no root under this name.",
                where=f"{SERVICE}/{name}",
                hint="Name the keyring entry that the store was made with, or make a new root from the recovery kit.",
            )
        try:
            root = SecretKey(base64.b64decode(text, validate=True))
        except ValueError:
            raise ConfigurationError(
                "What the keyring has under this name is no root key.", where=f"{SERVICE}/{name}"
            ) from None
        return cls(root, kind="os-keyring", where=f"{SERVICE}/{name}")


def _keyring() -> ModuleType:
    try:
        import keyring
    except ImportError:
        raise ConfigurationError(
            "The library for the OS keyring is not installed.", hint="pip install 'holdfast[keyring]'"
        ) from None
    backend = keyring.get_keyring()
    for one in (backend, *getattr(backend, "backends", ())):
        if type(one).__module__.startswith(_REFUSED):
            raise ConfigurationError(
                "This machine has no keyring that keeps secrets.",
                where=type(one).__module__,
                hint="Use the passphrase file, a hardware token or AWS KMS; none of them is chosen by itself.",
            )
    return keyring


def _get(keyring: ModuleType, name: str) -> str | None:
    found: str | None = _call(keyring.get_password, keyring, SERVICE, name)
    return found


def _call(function: Any, keyring: ModuleType, *arguments: str) -> Any:
    try:
        return function(*arguments)
    except keyring.errors.KeyringError as error:
        raise Unavailable(
            f"The OS keyring does not answer ({type(error).__name__}).",
            where=SERVICE,
            hint="Unlock the keyring, or log in to the desktop session that it belongs to.",
        ) from None
