"""Row ids: UUIDs made by the application, and the two ways of spelling one.

A new row's id is a UUIDv7. A WatermelonDB device makes ids of 16 letters and digits; read as base64 they are 12 bytes,
kept as bytes 0-5 and 10-15 of a UUIDv8 whose bytes 6-9 are a fixed tag, so that the device's own spelling can be given
back. UUID text is accepted in canonical lower case only.
"""

from __future__ import annotations

import base64
import re
from uuid import UUID

import uuid_utils.compat

DEVICE_LENGTH = 16
_DEVICE_ID = re.compile(r"[0-9A-Za-z]{16}\Z")
_CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
# Version 8 in the high nibble of byte 6, the RFC 9562 variant in the high bits of byte 8; the rest names our layout.
TAG = b"\x87\x5d\xb4\x64"


def new_id() -> UUID:
    """A UUIDv7: time-ordered to the millisecond, random behind that. It shows when the row was made."""
    return uuid_utils.compat.uuid7()


def parse_id(text: str) -> UUID:
    """The id that `text` spells, as a canonical UUID or as a device's 16 characters.

    Raises ValueError for anything else, upper-case UUID text included: one row has one UUID spelling.
    """
    if _CANONICAL.match(text):
        return UUID(text)
    if _DEVICE_ID.match(text):
        raw = base64.b64decode(text)
        return UUID(bytes=raw[:6] + TAG + raw[6:])
    raise ValueError("is not a canonical UUID, nor a device id of 16 letters and digits")


def device_spelling(row_id: UUID) -> str | None:
    """The 16 characters that a device made for this row, or None where the id was not made by a device."""
    raw = row_id.bytes
    if raw[6:10] != TAG:
        return None
    text = base64.b64encode(raw[:6] + raw[10:]).decode()
    return text if _DEVICE_ID.match(text) else None
