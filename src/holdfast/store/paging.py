"""Page cursors: where a list goes on, signed for one list of one scope.

Wire form: base64url without padding of `MAC(16 bytes) ‖ JSON [version, sort value, id]`. The MAC is HMAC-SHA-256, cut to
16 bytes, over the tenant, the person, what the list filters and sorts by, and the JSON. It names no engine, so that a
cursor survives a move from one engine to another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any
from uuid import UUID

import orjson

from holdfast.errors import BadCursor
from holdfast.model.query import Key, Query
from holdfast.model.types import Plain
from holdfast.tenancy.scope import Scope

_VERSION = 1
_MAC_BYTES = 16
# The longest key, all of it control characters that JSON spells with six bytes, in base64, and room for the rest.
_MAX_CHARS = 9_000


def encode_cursor(secret: bytes, scope: Scope, query: Query, last: Key) -> str:
    """The cursor behind `last` in the list of `query`."""
    value: Plain = None
    if last.value is not None:
        value = query.schema.by_name[query.sort].type.encode(last.value)
    payload = orjson.dumps([_VERSION, value, str(last.row_id)])
    return base64.urlsafe_b64encode(_mac(secret, scope, query, payload) + payload).rstrip(b"=").decode()


def decode_cursor(secret: bytes, scope: Scope, query: Query, cursor: str) -> Key:
    """The key that `cursor` names. Raises BadCursor for one that is malformed, forged, or of another list or scope."""
    if not cursor.isascii() or len(cursor) > _MAX_CHARS:
        raise BadCursor
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise BadCursor from None
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, scope, query, payload)):
        raise BadCursor
    version, value, row_id = orjson.loads(payload)
    if version != _VERSION:
        raise BadCursor
    decoded = None if value is None else query.schema.by_name[query.sort].type.decode(value)
    return Key(decoded, UUID(row_id))


def _mac(secret: bytes, scope: Scope, query: Query, payload: bytes) -> bytes:
    context = orjson.dumps([*_scope_parts(scope), *_list_parts(query)])
    return hmac.digest(secret, len(context).to_bytes(4, "big") + context + payload, hashlib.sha256)[
        :_MAC_BYTES
    ]


def _scope_parts(scope: Scope) -> list[Plain]:
    return [str(scope.tenant_id), str(scope.user_id), scope.whole_tenant]


def _list_parts(query: Query) -> list[Any]:
    fields = query.schema.by_name
    conditions = [
        [c.field, c.op.value, [fields[c.field].type.encode(v) for v in c.value]]
        if isinstance(c.value, tuple)
        else [c.field, c.op.value, None if c.value is None else fields[c.field].type.encode(c.value)]
        for c in query.where
    ]
    return [query.schema.name, query.sort, query.descending, conditions]
