"""Access tokens: short statements, signed with ES256, that a session exists (RFC 9068, read strictly).

A token names one user, one tenant and one session, and an epoch that ages with the member's role: it holds no role and
nothing about the person. It is not the last word: whoever serves a request also asks whether the session still stands
and the epoch is current.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from holdfast.errors import TokenExpired
from holdfast.identity.jws import json_object, open_compact, refuse, sign_compact
from holdfast.identity.signing import SigningKey, VerifyingKey

TYPE: Final = "at+jwt"
ACCESS_LIFETIME: Final = timedelta(hours=24)
CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far another server's clock may be ahead. It forgives a beginning in the future, never an end in the past."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_LARGEST: Final = 2**53 - 1
_METHOD: Final = re.compile(r"[a-z][a-z0-9_-]{0,15}")
_MOST_METHODS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What an access token states. Times are UTC, in whole seconds."""

    issuer: str
    audience: str
    user_id: UUID
    tenant_id: UUID
    session_id: UUID
    token_id: UUID
    epoch: int
    """Version of the member's role and standing; an older one than the session's is refused by whoever asks it."""
    methods: tuple[str, ...]
    """How the person authenticated: RFC 8176 names, such as `pwd`, `otp`, `hwk`."""
    authenticated_at: datetime
    issued_at: datetime
    not_before: datetime
    expires_at: datetime


def begin_claims(
    *,
    issuer: str,
    audience: str,
    user_id: UUID,
    tenant_id: UUID,
    session_id: UUID,
    token_id: UUID,
    epoch: int,
    methods: Sequence[str],
    authenticated_at: datetime,
    now: datetime,
    lifetime: timedelta = ACCESS_LIFETIME,
) -> AccessClaims:
    """Claims of a token that begins at `now` and ends after `lifetime`. Times are cut to whole seconds."""
    begins = _from_seconds(_to_seconds(now))
    return AccessClaims(
        issuer=issuer,
        audience=audience,
        user_id=user_id,
        tenant_id=tenant_id,
        session_id=session_id,
        token_id=token_id,
        epoch=epoch,
        methods=tuple(methods),
        authenticated_at=_from_seconds(_to_seconds(authenticated_at)),
        issued_at=begins,
        not_before=begins,
        expires_at=begins + lifetime,
    )


def issue(claims: AccessClaims, *, key: SigningKey) -> str:
    """Write and sign a token."""
    payload = {
        "iss": claims.issuer,
        "aud": claims.audience,
        "sub": str(claims.user_id),
        "tenant": str(claims.tenant_id),
        "sid": str(claims.session_id),
        "jti": str(claims.token_id),
        "epoch": claims.epoch,
        "amr": list(claims.methods),
        "auth_time": _to_seconds(claims.authenticated_at),
        "iat": _to_seconds(claims.issued_at),
        "nbf": _to_seconds(claims.not_before),
        "exp": _to_seconds(claims.expires_at),
    }
    return sign_compact(json.dumps(payload, separators=(",", ":")).encode("utf-8"), key=key, typ=TYPE)


def verify(
    token: str,
    *,
    keys: Mapping[str, VerifyingKey],
    audience: str,
    issuer: str,
    now: datetime,
    max_lifetime: timedelta = ACCESS_LIFETIME,
) -> AccessClaims:
    """Check a token and say what it states.

    Raises `TokenExpired` for a token that holds in everything but its end, and `NotAuthenticated` for every other
    fault, naming the claim or header parameter and never what it holds. A claim that is not known is ignored, so that
    old code reads the tokens of newer code.
    """
    opened = open_compact(token, keys=keys, typ=TYPE)
    # ECDSA gives two signatures for one message; ours are always the lower one, so that a token has one spelling.
    if not opened.low_s:
        refuse("signature")
    payload = json_object(opened.payload)
    if payload is None:
        refuse("payload")
    _check_parties(payload, audience=audience, issuer=issuer)
    claims = _claims(payload)
    _check_times(claims, now=now, max_lifetime=max_lifetime)
    return claims


def _check_parties(payload: dict[str, Any], *, audience: str, issuer: str) -> None:
    # A list that holds our audience among others would be legal in a JWT; ours name one.
    for name, expected in (("iss", issuer), ("aud", audience)):
        if payload.get(name) != expected:
            refuse(f"claim {name}")


def _claims(payload: dict[str, Any]) -> AccessClaims:
    return AccessClaims(
        issuer=payload["iss"],
        audience=payload["aud"],
        user_id=_uuid(payload, "sub"),
        tenant_id=_uuid(payload, "tenant"),
        session_id=_uuid(payload, "sid"),
        token_id=_uuid(payload, "jti"),
        epoch=_integer(payload, "epoch", _LARGEST),
        methods=_methods(payload),
        authenticated_at=_time(payload, "auth_time"),
        issued_at=_time(payload, "iat"),
        not_before=_time(payload, "nbf"),
        expires_at=_time(payload, "exp"),
    )


def _check_times(claims: AccessClaims, *, now: datetime, max_lifetime: timedelta) -> None:
    latest = now + CLOCK_SKEW
    if not timedelta(0) < claims.expires_at - claims.issued_at <= max_lifetime:
        refuse("claim exp")
    if claims.issued_at > latest:
        refuse("claim iat")
    if claims.not_before > latest:
        refuse("claim nbf")
    if claims.authenticated_at > claims.issued_at:
        refuse("claim auth_time")
    if now >= claims.expires_at:
        raise TokenExpired


def _uuid(payload: dict[str, Any], name: str) -> UUID:
    """A UUID in its canonical spelling, lower case with hyphens; `UUID()` alone would take four others."""
    text = payload.get(name)
    value = _parsed_uuid(text) if isinstance(text, str) else None
    if value is None or str(value) != text:
        refuse(f"claim {name}")
    return value


def _parsed_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _integer(payload: dict[str, Any], name: str, largest: int) -> int:
    value = payload.get(name)
    # `isinstance` would let True through.
    if type(value) is not int or not 0 <= value <= largest:
        refuse(f"claim {name}")
    return value


def _time(payload: dict[str, Any], name: str) -> datetime:
    return _from_seconds(_integer(payload, name, _LATEST))


def _to_seconds(at: datetime) -> int:
    # A time without a zone fails here, instead of being taken for local time.
    return (at - _EPOCH) // timedelta(seconds=1)


def _from_seconds(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _methods(payload: dict[str, Any]) -> tuple[str, ...]:
    value = payload.get("amr")
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_METHODS:
        refuse("claim amr")
    if not all(isinstance(method, str) and _METHOD.fullmatch(method) for method in value):
        refuse("claim amr")
    return tuple(value)
