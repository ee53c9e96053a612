"""The compact form of a signed object (RFC 7515 §3.1), read strictly and with one algorithm.

PyJWT checks the signature. Around it stands what it does not refuse: JSON with a key twice, header parameters that
nobody asked for (`jku`, `jwk`, `x5u`, `crit`, `zip` …), a type that is not the expected one, sheer size, and a second
spelling of the same bytes. Nothing that a token says is ever looked up, fetched or opened: `kid` is a dictionary key.

What the payload says is not this module's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from jwt import PyJWS
from jwt.exceptions import PyJWTError

from holdfast.errors import NotAuthenticated
from holdfast.identity import _base64url
from holdfast.identity.signing import SigningKey, VerifyingKey

MAX_TOKEN_BYTES: Final = 8 * 1024

_SIGNATURE_BYTES: Final = 64
_HEADER_PARAMETERS: Final = frozenset({"alg", "kid", "typ"})
_JWS: Final = PyJWS(algorithms=[VerifyingKey.algorithm])

# Base64url without padding, in its only spelling: bits of the last character that carry nothing are zero.
_SEGMENT: Final = (
    r"((?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?(?<=[A-Za-z0-9_-]))"
)
_COMPACT: Final = re.compile(rf"{_SEGMENT}\.{_SEGMENT}\.([A-Za-z0-9_-]{{85}}[AQgw])")

# Order of P-256 (SEC 2, §2.4.2).
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Opened:
    """What a token held, once its signature has been checked."""

    payload: bytes
    low_s: bool
    """Whether the signature is the lower of the two that ECDSA allows for it, as `sign_compact` always makes it."""


def sign_compact(payload: bytes, *, key: SigningKey, typ: str) -> str:
    """Sign `payload` and write it in the compact form."""
    headers = {"kid": key.kid, "typ": typ}
    token = _JWS.encode(payload, key.private, algorithm=VerifyingKey.algorithm, headers=headers)
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{_base64url.encode(_lowered(_base64url.decode(signature)))}"


def open_compact(token: str, *, keys: Mapping[str, VerifyingKey], typ: str | None) -> Opened:
    """Check the form, the header and the signature. With `typ` None the header must not hold a type.

    Raises `NotAuthenticated`, which names the part at fault and nothing that the token holds.
    """
    parts = _COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN_BYTES else None
    if parts is None:
        refuse("form")
    key = _key_of(json_object(_base64url.decode(parts[1])), keys, typ)
    opened = _verified(token, key)
    if opened is None:
        refuse("signature")
    return opened


def _key_of(header: dict[str, Any] | None, keys: Mapping[str, VerifyingKey], typ: str | None) -> VerifyingKey:
    if header is None or not header.keys() <= _HEADER_PARAMETERS:
        refuse("header")
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        refuse("header kid")
    if header.get("alg") != key.algorithm:
        refuse("header alg")
    # `in` and `get` differ for {"typ": null}.
    if ("typ" in header) != (typ is not None) or header.get("typ") != typ:
        refuse("header typ")
    return key


def _verified(token: str, key: VerifyingKey) -> Opened | None:
    try:
        decoded = _JWS.decode_complete(token, key.public, algorithms=[key.algorithm])
    except PyJWTError:
        return None
    return Opened(payload=decoded["payload"], low_s=_is_low(decoded["signature"]))


def refuse(part: str) -> NoReturn:
    """Raise `NotAuthenticated` for a token, naming the part at fault."""
    raise NotAuthenticated("The access token does not hold.", where=f"token {part}")


def json_object(data: bytes) -> dict[str, Any] | None:
    """Read a JSON object. None for anything else: a key twice, NaN, infinity, too deep, not UTF-8, not an object.

    It answers None instead of raising, so that no exception carries the text along in its context.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _scalar(signature: bytes) -> int:
    return int.from_bytes(signature[_SIGNATURE_BYTES // 2 :], "big")


def _is_low(signature: bytes) -> bool:
    return _scalar(signature) <= _ORDER // 2


def _lowered(signature: bytes) -> bytes:
    """Of (r, s) and (r, n - s), which both verify, the one with the smaller s."""
    half = _SIGNATURE_BYTES // 2
    s = _scalar(signature)
    return signature[:half] + min(s, _ORDER - s).to_bytes(half, "big")
