"""Entity tags: a row's tag is its version. Strong comparison for writes, weak for reads, as RFC 9110 has it."""

from __future__ import annotations

import re

from holdfast.api.errors import Malformed
from holdfast.errors import StaleVersion

_TAG = re.compile(rb'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|\Z)')
_VERSION = re.compile(rb"[1-9]\d{0,17}\Z")


def etag(version: int) -> bytes:
    """The tag of a row at `version`."""
    return b'"%d"' % version


def expected_versions(if_match: bytes | None) -> tuple[int, ...] | None:
    """The versions that a write may replace; None where it may replace any.

    Raises StaleVersion where no version can match: a weak tag never does, nor does one that is not ours. Raises
    Malformed for what is no list of tags.
    """
    if if_match is None or if_match.strip() == b"*":
        return None
    versions = tuple(
        int(tag) for weak, tag in _tags(if_match, where="If-Match") if not weak and _VERSION.match(tag)
    )
    if not versions:
        raise StaleVersion(
            "none of these entity tags can match", hint='Send the row\'s ETag as it came, such as "3".'
        )
    return versions


def is_unchanged(if_none_match: bytes | None, version: int) -> bool:
    """Whether the reader already has the row at `version`. Raises Malformed for what is no list of tags."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == b"*":
        return True
    present = b"%d" % version
    return any(tag == present for _, tag in _tags(if_none_match, where="If-None-Match"))


def _tags(header: bytes, *, where: str) -> list[tuple[bool, bytes]]:
    """(weak, opaque tag) of each."""
    tags: list[tuple[bool, bytes]] = []
    position = 0
    while position < len(header):
        found = _TAG.match(header, position)
        if found is None:
            break
        tags.append((found[1] is not None, found[2]))
        position = found.end()
    if not tags or position < len(header):
        raise Malformed('entity tags stand in double quotes, such as "3"', where=where)
    return tags
