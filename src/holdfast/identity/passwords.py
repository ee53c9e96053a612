"""Passwords: what may become one, and how it is kept (Argon2id, RFC 9106).

A password is taken exactly as it was typed: nothing is trimmed, truncated, folded or normalised before hashing
(OWASP ASVS 5.0, 6.2.8). There are no composition rules: length and the list of common passwords do more.

Hashing costs 64 MiB and about 150 ms. It is a plain function: whoever serves many logins runs it in a thread, and no
more at once than there are processors, or memory is the price.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import argon2
from argon2.exceptions import VerificationError, VerifyMismatchError

from holdfast.errors import ConfigurationError, InvalidInput
from holdfast.identity.email import EmailAddress

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 128
"""In characters (Unicode code points)."""

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_PREFIX: Final = "$argon2id$"
_STAND_IN: Final = "the password that nobody has"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs: passes over the memory, memory in KiB, and lanes."""

    passes: int = 3
    memory_kib: int = 64 * 1024
    lanes: int = 1

    def meets(self, floor: Cost) -> bool:
        """Whether this costs at least as much as `floor`, in each number by itself."""
        return (
            self.passes >= floor.passes and self.memory_kib >= floor.memory_kib and self.lanes >= floor.lanes
        )


FLOOR: Final = Cost(passes=2, memory_kib=19 * 1024, lanes=1)
"""The least that is accepted (OWASP Password Storage Cheat Sheet)."""


class PasswordHasher:
    """Hashes and verifies passwords at one cost. Immutable; may be shared between threads."""

    __slots__ = ("_argon2", "_dummy", "_random_bytes")

    def __init__(
        self,
        cost: Cost | None = None,
        *,
        floor: Cost = FLOOR,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Raise `ConfigurationError` where `cost` is below `floor`. Only a test has reason to lower the floor."""
        cost = Cost() if cost is None else cost
        if not cost.meets(floor):
            raise ConfigurationError("Password hashing costs less than the floor.", where="password cost")
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=argon2.Type.ID,
        )
        self._random_bytes = random_bytes
        self._dummy = _unmatched_hash(cost, random_bytes)

    def hash(self, password: str) -> str:
        """The record to store: algorithm, cost, salt and hash in one line of ASCII (PHC string format).

        Raises `InvalidInput` for what cannot be a password (see `check_shape`).
        """
        check_shape(password)
        return self._argon2.hash(password, salt=self._random_bytes(_SALT_BYTES))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one behind `stored`; `stored` is None where the user is not known.

        One hash is computed whatever the arguments, so that time does not tell a known user from an unknown one. For
        the same reason a damaged record, or a password that has no encoding, is a mismatch and no error. The time is
        that of the record's own cost: on login, hash again what `needs_rehash`.
        """
        matched = None if stored is None else self._compare(stored, password)
        if matched is None:
            self._compare(self._dummy, _STAND_IN)
        return matched is True

    def _compare(self, record: str, password: str) -> bool | None:
        """Whether they match, or None, at once, where there is nothing to compare: no Argon2id record, no encoding."""
        if not record.startswith(_PREFIX):
            return None
        try:
            return self._argon2.verify(record, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, ValueError):
            return None

    def needs_rehash(self, stored: str) -> bool:
        """Whether a record was made at another cost than today's, or by something else."""
        try:
            return self._argon2.check_needs_rehash(stored)
        except ValueError:
            return True


def _unmatched_hash(cost: Cost, random_bytes: Callable[[int], bytes]) -> str:
    """A record that costs as much to verify as a real one. Its hash is random, so that no password matches."""
    salt, digest = (_phc_base64(random_bytes(size)) for size in (_SALT_BYTES, _HASH_BYTES))
    return f"{_PREFIX}v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${digest}"


def _phc_base64(data: bytes) -> str:
    return b64encode(data).decode("ascii").rstrip("=")


def shape_fault(password: str) -> str | None:
    """Why this cannot be a password at all, or None."""
    if len(password) < MIN_LENGTH:
        return f"shorter than {MIN_LENGTH} characters"
    if len(password) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH} characters"
    if "\0" in password:
        return "holds a NUL character"
    # Half of a surrogate pair has no encoding.
    if any("\ud800" <= character <= "\udfff" for character in password):
        return "holds half a character"
    return None


def check_shape(password: str) -> None:
    """Raise `InvalidInput` for what cannot be a password at all: length, NUL, half a character."""
    fault = shape_fault(password)
    if fault is not None:
        raise _refused(fault)


def check_new_password(password: str, *, email: EmailAddress | None = None) -> None:
    """Raise `InvalidInput` for a password that nobody should choose: its shape, the common ones, one's own address.

    The error names the field `password` and the reason, never the value.
    """
    check_shape(password)
    lowered = password.lower()
    if lowered in common_passwords():
        raise _refused("is one of the most common passwords")
    if email is not None and lowered in {email.key, email.local.lower()}:
        raise _refused("is the e-mail address or a part of it")


def _refused(fault: str) -> InvalidInput:
    return InvalidInput("This password cannot be used.", fields={"password": fault})


@cache
def common_passwords() -> frozenset[str]:
    """The passwords that are refused, in lower case. Part of the package, read once."""
    text = resources.files("holdfast.identity").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("# "))
