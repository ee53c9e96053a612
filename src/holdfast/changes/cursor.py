"""A device's cursor: the number of the last change that it has, and for whom and of which life of the store that holds.

    cursor = tag · 2⁴¹ + number        below 2⁵³, so that every JavaScript number holds it
    tag    = 1 + HMAC-SHA256(secret, tenant ‖ user ‖ epoch), its first 8 bytes, mod 4095

A cursor of another tenant, of another user, or from before the store went back in time does not have the tag.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from holdfast.errors import CursorExpired

NUMBER_BITS: Final = 41
_TAGS: Final = 2**12 - 1


@dataclass(frozen=True, slots=True)
class CursorTag:
    """What the cursors of one user in one tenant have in common during one epoch of the store."""

    tag: int

    @classmethod
    def of(cls, secret: bytes, tenant_id: UUID, user_id: UUID, epoch: UUID) -> CursorTag:
        """The tag; another one, but for a chance of 1 in 4,095, where any of the three differs."""
        told = tenant_id.bytes + user_id.bytes + epoch.bytes
        digest = hmac.digest(secret, told, hashlib.sha256)
        return cls(1 + int.from_bytes(digest[:8], "big") % _TAGS)

    def cursor(self, number: int) -> int:
        """The cursor at this number."""
        if not 0 <= number < 1 << NUMBER_BITS:
            raise ValueError("a change's number has at most 41 bits")
        return (self.tag << NUMBER_BITS) | number

    def number(self, cursor: int) -> int:
        """The number of a cursor. Raises CursorExpired for one with another tag."""
        if cursor >> NUMBER_BITS != self.tag:
            raise CursorExpired("this cursor is of another store, user or tenant, or from before a restore")
        return cursor & ((1 << NUMBER_BITS) - 1)
