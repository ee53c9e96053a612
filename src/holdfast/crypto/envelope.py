"""The envelope: what a sealed value looks like, and what it is bound to.

     offset  length
          0       1   format version, 1
          1       1   suite: 1 AES-256-GCM (NIST SP 800-38D), 2 AES-256-GCM-SIV (RFC 8452)
          2      16   id of the data key, derived from that key: AES-GCM alone does not commit to its key
         18      12   nonce, random
         30       n   ciphertext
     30 + n      16   tag

46 bytes over the plaintext. Bound to it as associated data are the first 18 bytes, and then, each behind its length in two
bytes: tenant, table, column, row. Table and column go by their stable names, so that a rename leaves everything readable; a
value that is moved anywhere else, or under another header, does not open.

Suite 1 seals on servers, where a key is used a counted number of times. Suite 2 seals on devices, where a nonce can come twice
(a clone, a restored backup) and must then give away no more than that.
"""

from __future__ import annotations

import os
from enum import IntEnum
from typing import Final, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV

from holdfast.crypto.secret import ID_BYTES, SecretKey, framed
from holdfast.errors import ConfigurationError, Unreadable

VERSION: Final = 1
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 2 + ID_BYTES
OVERHEAD: Final = HEADER_BYTES + NONCE_BYTES + TAG_BYTES
"""Bytes that sealing adds."""

KEY_ID: Final = slice(2, HEADER_BYTES)
HEADER: Final = slice(0, HEADER_BYTES)
NONCE: Final = slice(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES)
SEALED: Final = slice(HEADER_BYTES + NONCE_BYTES, None)


class Suite(IntEnum):
    """Which cipher, as the second byte says."""

    AES_256_GCM = 1
    AES_256_GCM_SIV = 2


class Aead(Protocol):
    """What both suites' ciphers do."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


def aead(suite: Suite, key: bytes) -> Aead:
    """The cipher of a suite. Raises ConfigurationError where this build of the library lacks it."""
    try:
        return AESGCM(key) if suite is Suite.AES_256_GCM else AESGCMSIV(key)
    except UnsupportedAlgorithm:
        raise ConfigurationError(
            "The cryptography library here lacks AES-GCM-SIV.",
            hint="Install the wheel of `cryptography`, or build it with OpenSSL 3.2 or newer.",
        ) from None


def header(suite: Suite, key_id: bytes) -> bytes:
    """The first 18 bytes of what is sealed under this key."""
    return bytes((VERSION, suite)) + key_id


def is_envelope(stored: bytes) -> bool:
    """Whether stored bytes claim to be an envelope. Plain values are JSON, which never begins with the version's byte."""
    return stored[:1] == b"\x01"


def key_id_of(envelope: bytes) -> bytes:
    """The id of the key that an envelope asks for; nothing is proved yet. Raises Unreadable for what cannot be one."""
    try:
        whole = len(envelope) >= OVERHEAD and envelope[0] == VERSION
        Suite(envelope[1])
        key_id = bytes(envelope[KEY_ID])
    except (TypeError, ValueError, IndexError):
        raise unreadable() from None
    if not whole:
        raise unreadable()
    return key_id


def place(tenant_id: UUID, table: str, column: str) -> bytes:
    """The associated data of a column's values between the header and the row: all but the row's own 16 bytes."""
    return framed(tenant_id.bytes, table.encode(), column.encode()) + ID_BYTES.to_bytes(2, "big")


def unreadable(where: str | None = None) -> Unreadable:
    """The one answer to everything that does not open: which test failed is nobody's business."""
    return Unreadable(where=where)


class Wrapper(Protocol):
    """What seals one key under another: a key of the hierarchy, or the root's provider."""

    @property
    def reference(self) -> str:
        """Names the key that wraps. Not secret."""

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        """`key`, sealed and bound to `context`."""

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey:
        """The key that `wrap` sealed under the same context. Raises Unreadable (a provider: WrongKey) for anything else."""


class WrappingKey:
    """A key that seals other keys, in the same envelope under a key derived for that alone."""

    __slots__ = ("_aead", "_header", "reference")

    def __init__(self, key: SecretKey) -> None:
        key_id = key.id
        self.reference = key_id.hex()
        self._aead = aead(Suite.AES_256_GCM, key.derive(b"wrap"))
        self._header = header(Suite.AES_256_GCM, key_id)

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        return self.seal(key.reveal(), context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey:
        try:
            return SecretKey(self.open(wrapped, context))
        except ValueError:
            raise unreadable() from None

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Some bytes that are no field (a key, what a canary holds), bound to `context`."""
        nonce = os.urandom(NONCE_BYTES)
        return self._header + nonce + self._aead.encrypt(nonce, data, self._header + context)

    def open(self, envelope: bytes, context: bytes) -> bytes:
        """The bytes that `seal` was given. Raises Unreadable."""
        if key_id_of(envelope) != self._header[KEY_ID] or envelope[HEADER] != self._header:
            raise unreadable()
        try:
            return self._aead.decrypt(envelope[NONCE], envelope[SEALED], self._header + context)
        except (InvalidTag, ValueError, TypeError):
            raise unreadable() from None

    def __repr__(self) -> str:
        return f"WrappingKey({self.reference})"
