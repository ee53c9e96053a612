"""The keys below the root, as records: which there are, what wraps which, and what a wrap is bound to.

    root          in its provider, never here
    ├─ signing    the store's, for certificates; wrapped by the root
    └─ tenant     wrapped by the root
       ├─ subject    one for each person who can be erased; wrapped by the tenant's
       │  └─ data       seals that person's fields, through a key derived for each column; wrapped by the subject's
       ├─ data       seals what belongs to nobody in particular; wrapped by the tenant's
       └─ index      blind indexes; wrapped by the tenant's, and derived from none of the others

A record holds a key only as its wrap, which is bound to the record's kind, tenant, person and version: a wrap that is put into
another record does not open. A wrap that opens is still checked against the id and the check value that stand beside it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from holdfast.crypto.cipher import Allowance, ColumnCipher
from holdfast.crypto.envelope import Suite, Wrapper, unreadable
from holdfast.crypto.recovery import RecoveryPublic, RecoverySecret
from holdfast.crypto.secret import SecretKey, framed

NO_TENANT: Final = UUID(int=0)


class KeyKind(StrEnum):
    """What a key is for."""

    TENANT = "tenant"
    SUBJECT = "subject"
    DATA = "data"
    INDEX = "index"
    SIGNING = "signing"
    """The seed that signs certificates. The store's and no tenant's: wrapped by the root, under `NO_TENANT`."""


class KeyState(StrEnum):
    """Where a version stands. One step at a time, and never back."""

    PENDING = "pending"
    ACTIVE = "active"
    DECRYPT_ONLY = "decrypt_only"
    RETIRED = "retired"
    DESTROYED = "destroyed"


NEXT_STATE = {
    KeyState.PENDING: KeyState.ACTIVE,
    KeyState.ACTIVE: KeyState.DECRYPT_ONLY,
    KeyState.DECRYPT_ONLY: KeyState.RETIRED,
    KeyState.RETIRED: KeyState.DESTROYED,
}
"""The step that a rotation takes. An erasure goes to `DESTROYED` from anywhere."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One version of one key, as it is kept."""

    id: bytes
    """Derived from the key; a data key's stands in every envelope."""
    kind: KeyKind
    tenant_id: UUID
    subject_id: UUID | None
    version: int
    wrapped_by: str
    """`Wrapper.reference` of what wraps it."""
    wrap: bytes = field(repr=False)
    """Empty once destroyed."""
    check: bytes = field(repr=False)
    state: KeyState
    created_at: datetime
    suite: Suite = Suite.AES_256_GCM
    leased: int = 0
    """Messages that processes have leased so far (`quota.py`)."""
    escrow: bytes = field(default=b"", repr=False)
    """A tenant's key, sealed to the recovery kit; empty where there is none, and for all other kinds."""

    @property
    def context(self) -> bytes:
        """What the wrap is bound to."""
        subject = self.subject_id.bytes if self.subject_id else b""
        return framed(
            b"key",
            self.kind.value.encode(),
            self.tenant_id.bytes,
            subject,
            self.version.to_bytes(4, "big"),
            bytes((self.suite,)),
        )


def make_key(
    kind: KeyKind,
    *,
    tenant_id: UUID,
    wrapper: Wrapper,
    at: datetime,
    subject_id: UUID | None = None,
    version: int = 1,
    suite: Suite = Suite.AES_256_GCM,
    state: KeyState = KeyState.ACTIVE,
    kit: RecoveryPublic | None = None,
) -> tuple[SecretKey, KeyRecord]:
    """A new random key and its record; with `kit`, for the recovery kit to open as well."""
    key = SecretKey.generate()
    blank = KeyRecord(
        id=key.id,
        kind=kind,
        tenant_id=tenant_id,
        subject_id=subject_id,
        version=version,
        wrapped_by=wrapper.reference,
        wrap=b"",
        check=key.check,
        state=state,
        created_at=at,
        suite=suite,
    )
    escrow = kit.seal(key, blank.context) if kit else b""
    return key, replace(blank, wrap=wrapper.wrap(key, blank.context), escrow=escrow)


def open_key(record: KeyRecord, wrapper: Wrapper) -> SecretKey:
    """The key of a record. Raises Unreadable where it is destroyed, or not the key that the record tells of."""
    if not record.wrap:
        raise unreadable(f"{record.kind} key {record.id.hex()}")
    return _checked(record, wrapper.unwrap(record.wrap, record.context))


def _checked(record: KeyRecord, key: SecretKey) -> SecretKey:
    if not (hmac.compare_digest(key.id, record.id) and hmac.compare_digest(key.check, record.check)):
        raise unreadable(f"{record.kind} key {record.id.hex()}")
    return key


def rewrap(record: KeyRecord, old: Wrapper, new: Wrapper) -> KeyRecord:
    """The record with its key wrapped by another: how a tenant's key, a person's or the provider changes without a row."""
    return replace(record, wrap=new.wrap(open_key(record, old), record.context), wrapped_by=new.reference)


def entrust(record: KeyRecord, wrapper: Wrapper, kit: RecoveryPublic) -> KeyRecord:
    """The record with its key sealed to another recovery kit, which takes the place of the one before."""
    return replace(record, escrow=kit.seal(open_key(record, wrapper), record.context))


def recover(record: KeyRecord, secret: RecoverySecret, new: Wrapper) -> KeyRecord:
    """The record with its key taken out of the recovery kit's hands and wrapped by a new root. Raises Unreadable."""
    key = _checked(record, secret.open(record.escrow, record.context))
    return replace(record, wrap=new.wrap(key, record.context), wrapped_by=new.reference)


def destroyed(record: KeyRecord) -> KeyRecord:
    """The record without its key: what it sealed is gone, and what the record says of it stays true."""
    return replace(record, wrap=b"", escrow=b"", state=KeyState.DESTROYED)


class DataKey:
    """A data key in use: its ciphers by column, and how many messages this process may still seal under it."""

    __slots__ = ("_ciphers", "_key", "allowance", "record")

    def __init__(self, key: SecretKey, record: KeyRecord) -> None:
        self.record = record
        self.allowance = Allowance()
        self._key = key
        self._ciphers: dict[tuple[str, str], ColumnCipher] = {}

    @property
    def id(self) -> bytes:
        """As it stands in envelopes."""
        return self.record.id

    def cipher(self, table: str, column: str) -> ColumnCipher:
        """The cipher of a column, by stable names; made once. Raises Unreadable once destroyed."""
        found = self._ciphers.get((table, column))
        if found is None:
            found = self._ciphers[table, column] = self._make_cipher(table, column)
        return found

    def _make_cipher(self, table: str, column: str) -> ColumnCipher:
        if self._key.is_destroyed:
            raise unreadable(f"{table}.{column}")
        return ColumnCipher(
            self._key,
            suite=self.record.suite,
            tenant_id=self.record.tenant_id,
            table=table,
            column=column,
            allowance=self.allowance,
        )

    def destroy(self) -> None:
        """Forget the key and every cipher made of it."""
        self._ciphers.clear()
        self._key.destroy()

    def __repr__(self) -> str:
        return f"DataKey({self.id.hex()})"
