"""The secrets of a deployment, made when they are first needed, each a file in HOLDFAST_HOME for its owner alone.

A key provider takes over from these files when keys are configured. Two processes that begin at once agree on one: a
secret is written under another name and then linked into place, and whoever comes second reads the first one's.
"""

from __future__ import annotations

import base64
import binascii
import secrets as random
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.crypto import private_file
from holdfast.crypto.private_file import write_once, write_private
from holdfast.errors import ConfigurationError
from holdfast.identity.signing import SigningKey

__all__ = [
    "Secrets",
    "cursor_secret",
    "keep",
    "load_secrets",
    "make_home",
    "passing_secrets",
    "read_private",
    "write_private",
]

_SECRET_BYTES = 32
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Secrets:
    """What signs access tokens, refresh tokens and page cursors."""

    signing_key: SigningKey = field(repr=False)
    refresh: bytes = field(repr=False)
    cursor: bytes = field(repr=False)


def load_secrets(home: Path) -> Secrets:
    """The secrets of this home; those that are missing are made. Raises ConfigurationError for a file others can read."""
    pem = keep(home / "signing-key.pem", lambda: SigningKey.generate().to_pem())
    return Secrets(SigningKey.from_pem(pem), _random(home / "refresh.secret"), cursor_secret(home))


def passing_secrets() -> Secrets:
    """Secrets of a store that forgets: kept nowhere."""
    return Secrets(
        SigningKey.generate(), random.token_bytes(_SECRET_BYTES), random.token_bytes(_SECRET_BYTES)
    )


def cursor_secret(home: Path) -> bytes:
    """The secret that signs page cursors, alone: it needs no cryptography library."""
    return _random(home / "cursor.secret")


def make_home(home: Path) -> None:
    """Make the folder, 0700, where it is missing. Raises ConfigurationError for one in which others may write."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = home.stat().st_mode
    except OSError as error:
        raise ConfigurationError(
            f"The folder cannot be made ({type(error).__name__}).",
            where=f"HOLDFAST_HOME, {home}",
            hint="Set HOLDFAST_HOME to a folder of your own.",
        ) from None
    if mode & _OTHERS_WRITE:
        raise ConfigurationError(
            "Others may write in the folder that keeps the secrets.",
            where=f"HOLDFAST_HOME, {home}",
            hint=f"chmod 700 {home}",
        )


def keep(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a private file; made by `make` where there is none, by one process only."""
    make_home(path.parent)
    found = read_private(path)
    if found is None:
        write_once(path, make())
        found = read_private(path)
    if not found:
        raise _unusable(path)
    return found


def read_private(path: Path) -> bytes | None:
    """The content, None where there is no such file. Raises ConfigurationError where others can read it."""
    return private_file.read_private(
        path, exposed="if others may have read it, remove it and have a new one made."
    )


def _random(path: Path) -> bytes:
    text = keep(path, lambda: base64.b64encode(random.token_bytes(_SECRET_BYTES)) + b"\n")
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise _unusable(path) from None
    if len(secret) < _SECRET_BYTES:
        raise _unusable(path)
    return secret


def _unusable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        "This secret cannot be used: it is empty, cut off or not ours.",
        where=str(path),
        hint="Put it back from a backup, or remove it to have a new one made: everyone then logs in again.",
    )
