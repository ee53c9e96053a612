"""A `Change` is one numbered line of a tenant's log. It names what changed and never holds a value.

The values are bound to it all the same, by a salted commitment: with u(f) the SHA-256 of a field's canonical plain
value, it is SHA-256(salt ‖ version as 8 bytes, big-endian ‖ u(f₁) ‖ u(f₂) …) over the changed fields in byte order of
their names. The salt is the row's own, random, and goes where the row's values go: when they are erased, nothing in the
log can be tried against a guess.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson

from holdfast.model.types import Plain, format_instant

FORMAT = 1
SALT_BYTES = 16
SALT_FIELD = "commit_salt"
PUSHED = ".pushed"
"""Behind a field's name in the history: a value that came with the change of that number and was not taken. It is none that
the row ever held.
"""


class Operation(StrEnum):
    """What was done to the row."""

    CREATE = "c"
    UPDATE = "u"
    DELETE = "d"


@dataclass(frozen=True, slots=True)
class Change:
    """Line `number` of `tenant_id`'s log. `flush_end` is the last number of the flush that it came with."""

    tenant_id: UUID
    number: int
    flush_end: int
    entity: str
    row_id: UUID
    op: Operation
    fields: tuple[str, ...]
    version: int
    actor: UUID | None
    device: str | None
    at: datetime
    commitment: bytes
    format: int = FORMAT

    def digest(self) -> bytes:
        """SHA-256 over the canonical bytes of this line: what a hash chain links."""
        return hashlib.sha256(orjson.dumps(self._plain(), option=orjson.OPT_SORT_KEYS)).digest()

    def _plain(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "tenant": str(self.tenant_id),
            "number": self.number,
            "flush_end": self.flush_end,
            "entity": self.entity,
            "row": str(self.row_id),
            "op": self.op.value,
            "fields": list(self.fields),
            "version": self.version,
            "actor": str(self.actor) if self.actor else None,
            "device": self.device,
            "at": format_instant(self.at),
            "commitment": self.commitment.hex(),
        }


@dataclass(frozen=True, slots=True)
class Tombstone:
    """That a row was deleted, by change `number`. It stays, behind the log, until no device can ask for it any more."""

    entity: str
    row_id: UUID
    number: int
    owner: UUID | None = None
    """Whose the row was, where the entity is owned: nobody else hears of it."""
    device: str | None = None
    """As in the change."""


@dataclass(frozen=True, slots=True)
class OldValue:
    """What `field` of a row held until change `number` replaced or deleted it; `value` is its canonical plain form."""

    entity: str
    row_id: UUID
    number: int
    field: str
    value: bytes
    owner: UUID | None = None
    """Whose the row was, where the entity is owned: nobody else reads it."""


def new_salt() -> bytes:
    """Sixteen random bytes: a row's own."""
    return os.urandom(SALT_BYTES)


def canonical(plain: Plain) -> bytes:
    """The bytes of a plain value, one spelling each: sorted keys, no white space."""
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


_NULL_HASH: Final = hashlib.sha256(b"null").digest()


def value_hash(plain: Plain) -> bytes:
    """u(f): the SHA-256 of a canonical plain value."""
    if plain is None:
        return _NULL_HASH
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).digest()


def commitment(salt: bytes, version: int, hashes: Mapping[str, bytes]) -> bytes:
    """The commitment of a change to `hashes`, the u(f) of its changed fields."""
    return commitment_of(salt, version, b"".join([hashes[name] for name in sorted(hashes)]))


def commitment_of(salt: bytes, version: int, hashes: bytes) -> bytes:
    """The same of the joined u(f₁) ‖ u(f₂) …, which are in order already."""
    return hashlib.sha256(salt + version.to_bytes(8, "big") + hashes).digest()
