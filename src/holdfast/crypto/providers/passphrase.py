"""A root in a file, under a passphrase.

The file is JSON, 0600: the root's id, how the passphrase becomes a key (RFC 9106 or RFC 8018, with salt and costs), and the root
under that key, in an envelope to which the costs are bound. What is written is Argon2id, or PBKDF2 with 600,000 iterations where
FIPS is asked for; what is still read goes down to PBKDF2 with 100,000. Below that floor a file is refused, not opened
with a warning. One that is weaker than what is written is written again when it is opened: same root, new salt.
"""

from __future__ import annotations

import base64
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from holdfast.crypto.envelope import WrappingKey
from holdfast.crypto.private_file import read_private, write_once, write_private
from holdfast.crypto.providers.local import LocalRoot
from holdfast.crypto.secret import KEY_BYTES, SecretKey, framed
from holdfast.errors import ConfigurationError, Unreadable, WrongKey

FORMAT: Final = 1
SALT_BYTES: Final = 16
MIN_PASSPHRASE: Final = 12
"""Bytes. Whoever has the file tries passphrases as fast as they can afford to."""


@dataclass(frozen=True, slots=True)
class Argon2id:
    """RFC 9106: memory in KiB, passes over it, lanes."""

    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 1
    name: Literal["argon2id"] = "argon2id"

    @property
    def readable(self) -> bool:
        """Not below OWASP's floor, and not so much that opening the file is an attack."""
        return (
            19 * 1024 <= self.memory_kib <= 4 * 1024 * 1024
            and 2 <= self.passes <= 64
            and 1 <= self.lanes <= 64
        )

    def stretch(self, passphrase: bytes, salt: bytes) -> bytes:
        from argon2.low_level import Type, hash_secret_raw

        return hash_secret_raw(passphrase, salt, self.passes, self.memory_kib, self.lanes, KEY_BYTES, Type.ID)


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """RFC 8018, with HMAC-SHA256."""

    iterations: int = 600_000
    name: Literal["pbkdf2-sha256"] = "pbkdf2-sha256"

    @property
    def readable(self) -> bool:
        """Not below the floor, and not so many that opening the file is an attack."""
        return 100_000 <= self.iterations <= 10_000_000

    def stretch(self, passphrase: bytes, salt: bytes) -> bytes:
        return PBKDF2HMAC(SHA256(), KEY_BYTES, salt, self.iterations).derive(passphrase)


Kdf = Argon2id | Pbkdf2
_KDFS: Final[dict[Any, type[Kdf]]] = {"argon2id": Argon2id, "pbkdf2-sha256": Pbkdf2}


@dataclass(frozen=True, slots=True)
class _KeyFile:
    """What stands in the file."""

    root: str
    kdf: Kdf
    salt: bytes
    wrap: bytes = field(repr=False)

    def to_json(self) -> bytes:
        plain = {
            "format": FORMAT,
            "root": self.root,
            "kdf": asdict(self.kdf) | {"salt": _text(self.salt)},
            "wrap": _text(self.wrap),
        }
        return orjson.dumps(plain, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def open(self, passphrase: bytes) -> SecretKey:
        """The root. Raises Unreadable."""
        stretched = SecretKey(self.kdf.stretch(passphrase, self.salt))
        return WrappingKey(stretched).unwrap(self.wrap, _context(self.kdf, self.salt))


class PassphraseFile(LocalRoot):
    """The provider over such a file, unlocked. Made by `create` and `unlock`."""

    @classmethod
    def create(
        cls, path: Path, passphrase: bytes, *, kdf: Kdf | None = None, root: SecretKey | None = None
    ) -> PassphraseFile:
        """A new root (or `root`, one that was recovered) in a new file. Raises ConfigurationError where there is one already."""
        _refuse_weak(passphrase)
        if path.exists():
            raise _taken(path)
        content = _sealed(root or SecretKey.generate(), passphrase, kdf or Argon2id()).to_json()
        write_once(path, content)
        if _content(path) != content:
            raise _taken(path)
        return cls.unlock(path, passphrase, upgrade=False)

    @classmethod
    def unlock(
        cls, path: Path, passphrase: bytes, *, upgrade: bool = True, target: Kdf | None = None
    ) -> PassphraseFile:
        """The root of a file. With `upgrade`, a file that is weaker than `target` is written anew under it.

        Raises WrongKey for another passphrase or an altered file, ConfigurationError for no file, one that others can read, one
        that is no key file, one below the floor.
        """
        file = _parsed(_content(path), path)
        try:
            root = file.open(passphrase)
        except Unreadable:
            raise WrongKey(
                "This passphrase does not open the key file, or the file was altered.",
                where=str(path),
                hint="Check the passphrase; without it, the recovery kit opens the keys.",
            ) from None
        target = target or Argon2id()
        if upgrade and _is_weaker(file.kdf, target):
            write_private(path, _sealed(root, passphrase, target).to_json())
        return cls(root, kind="passphrase-file", where=str(path))

    @classmethod
    def change(cls, path: Path, passphrase: bytes, new: bytes, *, kdf: Kdf | None = None) -> None:
        """Put the root under another passphrase; the file is replaced as a whole. What the old one opened, a copy still opens."""
        _refuse_weak(new)
        file = _parsed(_content(path), path)
        try:
            root = file.open(passphrase)
        except Unreadable:
            raise WrongKey("This passphrase does not open the key file.", where=str(path)) from None
        write_private(path, _sealed(root, new, kdf or Argon2id()).to_json())


def kdf_of(path: Path) -> Kdf:
    """How a file is protected, without opening it: for reports of what is still weak."""
    return _parsed(_content(path), path).kdf


def _is_weaker(kdf: Kdf, target: Kdf) -> bool:
    match kdf, target:
        case Argon2id(), Argon2id():
            return kdf.memory_kib < target.memory_kib or kdf.passes < target.passes
        case Pbkdf2(), Pbkdf2():
            return kdf.iterations < target.iterations
        case Pbkdf2(iterations=iterations), Argon2id():
            return iterations < Pbkdf2().iterations  # enough of them were chosen on purpose
        case _:
            return False


def _sealed(root: SecretKey, passphrase: bytes, kdf: Kdf) -> _KeyFile:
    salt = os.urandom(SALT_BYTES)
    stretched = SecretKey(kdf.stretch(passphrase, salt))
    return _KeyFile(root.id.hex(), kdf, salt, WrappingKey(stretched).wrap(root, _context(kdf, salt)))


def _context(kdf: Kdf, salt: bytes) -> bytes:
    return framed(b"passphrase-file", orjson.dumps(asdict(kdf), option=orjson.OPT_SORT_KEYS), salt)


def _content(path: Path) -> bytes:
    exposed = "others may have copied it: change the passphrase, and move to a new root."
    content = read_private(path, exposed=exposed)
    if content is None:
        raise ConfigurationError(
            "There is no key file.",
            where=str(path),
            hint="Put the file back, or make a new root from the recovery kit.",
        )
    return content


def _parsed(content: bytes, path: Path) -> _KeyFile:
    try:
        plain = orjson.loads(content)
        costs = dict(plain["kdf"])
        salt = base64.b64decode(costs.pop("salt"), validate=True)
        kdf = _KDFS[costs["name"]](**costs)
        file = _KeyFile(plain["root"], kdf, salt, base64.b64decode(plain["wrap"], validate=True))
        known = plain["format"] == FORMAT and len(salt) >= SALT_BYTES and isinstance(file.root, str)
        whole = known and all(type(cost) in {int, str} for cost in costs.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(path) from None
    if not whole:
        raise _damaged(path)
    if not kdf.readable:
        raise ConfigurationError(
            "The key file is protected less, or costlier, than is accepted.",
            where=str(path),
            hint="100,000 iterations of PBKDF2 are the least. Put a whole copy of the file back, or recover with the kit.",
        )
    return file


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        "This is no key file, or it is damaged.",
        where=str(path),
        hint="Put it back from a backup, or make a new root from the recovery kit.",
    )


def _taken(path: Path) -> ConfigurationError:
    return ConfigurationError(
        "There is a key file already.",
        where=str(path),
        hint="Removing it would make what it sealed unreadable.",
    )


def _refuse_weak(passphrase: bytes) -> None:
    if len(passphrase) < MIN_PASSPHRASE:
        raise ConfigurationError(
            f"A passphrase has at least {MIN_PASSPHRASE} characters.",
            hint="Five random words are a good one.",
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
