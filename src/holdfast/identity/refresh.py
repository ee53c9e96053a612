"""Refresh tokens: opaque, rotating, and derived, so that a successor need not be stored to be handed out again.

A login begins a *family*. Token n of it is `rt_<family>.<n>.<mac>` with

    family secret = HKDF-SHA256(server secret, info = label ‖ family id)
    mac           = HMAC-SHA256(family secret, n as 8 bytes)

Using token n makes token n+1 the only live one. A client whose answer was lost asks again with n: for 30 seconds it is
given the *same* n+1, so that a retry or a second tab is no reason to sign anybody out. After that, whoever presents n
holds a copy, and the family dies (RFC 9700 §4.14.2).

`decide` says what follows; storing it is the caller's part, as one compare-and-swap on the counter. Who loses that race
reads the family again and decides again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.errors import ConfigurationError, NotAuthenticated
from holdfast.identity import _base64url

MIN_SECRET_BYTES: Final = 32

_FORM: Final = re.compile(r"rt_([0-9a-f]{32})\.(0|[1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})")
_LABEL: Final = b"holdfast refresh family v1"


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A token taken apart. Its mac has not been checked."""

    family_id: UUID
    number: int
    mac: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Presented:
    """A token of ours, checked, and the device that brought it, where it named one."""

    family_id: UUID
    number: int
    device: str | None = None


class RefreshTokens:
    """Makes and checks tokens under one server secret of at least 32 random bytes."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Raise `ConfigurationError` for a secret that is too short."""
        if len(secret) < MIN_SECRET_BYTES:
            raise ConfigurationError("The secret is too short.", where="refresh token secret")
        self._secret = secret

    def mint(self, family_id: UUID, number: int) -> str:
        """Token `number` of a family: always the same text."""
        return f"rt_{family_id.hex}.{number}.{self._mac(family_id, number)}"

    def check(self, token: str, *, device: str | None = None) -> Presented:
        """Tell a token of ours from any other text, in constant time. Raises `NotAuthenticated`."""
        parsed = parse(token)
        if not hmac.compare_digest(self._mac(parsed.family_id, parsed.number), parsed.mac):
            raise _no_token()
        return Presented(parsed.family_id, parsed.number, device)

    def _mac(self, family_id: UUID, number: int) -> str:
        info = _LABEL + family_id.bytes
        family_secret = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(self._secret)
        return _base64url.encode(hmac.digest(family_secret, number.to_bytes(8, "big"), "sha256"))


def parse(token: str) -> ParsedToken:
    """Take a token apart without checking its mac. Raises `NotAuthenticated` for any other form."""
    parts = _FORM.fullmatch(token)
    if parts is None:
        raise _no_token()
    return ParsedToken(UUID(hex=parts[1]), int(parts[2]), parts[3])


def fingerprint(token: str) -> str:
    """SHA-256 of a token in hexadecimal: what may be stored or logged in its place."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def matches(token: str, stored: str) -> bool:
    """Whether `stored` is the fingerprint of `token`, compared in constant time."""
    return hmac.compare_digest(fingerprint(token).encode(), stored.encode())


def _no_token() -> NotAuthenticated:
    return NotAuthenticated("The refresh token does not hold.", where="refresh token")


@dataclass(frozen=True, slots=True)
class RefreshPolicy:
    """How long a family lives unused, how long in all, and how long a used token may be sent again."""

    idle: timedelta = timedelta(days=7)
    absolute: timedelta = timedelta(days=30)
    grace: timedelta = timedelta(seconds=30)


DEFAULT_POLICY: Final = RefreshPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyState:
    """What is stored of a family. Token `counter` is the live one; `rotated_at` is when its predecessor was used."""

    family_id: UUID
    created_at: datetime
    last_used: datetime
    counter: int = 0
    rotated_at: datetime | None = None
    device: str | None = None
    """The device that the family is bound to; None binds it to none."""
    revoked: bool = False

    def expires_at(self, policy: RefreshPolicy = DEFAULT_POLICY) -> datetime:
        """When the live token ends, unless it is used."""
        return min(self.last_used + policy.idle, self.created_at + policy.absolute)


class End(StrEnum):
    """Why a family is over."""

    REVOKED = "revoked"
    IDLE = "idle"
    ABSOLUTE = "absolute"


class Misuse(StrEnum):
    """What gave a copy away."""

    USED_BEFORE = "used_before"
    OTHER_DEVICE = "other_device"
    NEVER_ISSUED = "never_issued"
    """Our mac on a number that the family has not reached: the store went back in time, or the secret is known."""


@dataclass(frozen=True, slots=True)
class Rotate:
    """Store `state`, if the counter is still the presented number, and hand out token `state.counter`."""

    state: FamilyState


@dataclass(frozen=True, slots=True)
class Regrant:
    """Hand out token `successor` once more: the live one. There is nothing to store."""

    successor: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Store `state`, in which the family is revoked, refuse, and report `misuse`."""

    state: FamilyState
    misuse: Misuse


@dataclass(frozen=True, slots=True)
class Expired:
    """Refuse. The family was over before this; there is nothing to store and nothing to report."""

    end: End


Decision = Rotate | Regrant | Replay | Expired


def decide(
    state: FamilyState, presented: Presented, *, now: datetime, policy: RefreshPolicy = DEFAULT_POLICY
) -> Decision:
    """What follows from a presented token.

    Only the predecessor of the live token has a grace. A token two rotations old is a replay even within it: its
    successor has been used, so that its client had received it.
    """
    if presented.family_id != state.family_id:
        raise ValueError("The token is of another family than the state.")
    end = _end(state, now, policy)
    if end is not None:
        return Expired(end)
    misuse = _misuse(state, presented, now, policy)
    if misuse is not None:
        return Replay(replace(state, revoked=True), misuse)
    if presented.number == state.counter:
        return Rotate(replace(state, counter=state.counter + 1, rotated_at=now, last_used=now))
    return Regrant(state.counter)


def _end(state: FamilyState, now: datetime, policy: RefreshPolicy) -> End | None:
    if state.revoked:
        return End.REVOKED
    if now >= state.created_at + policy.absolute:
        return End.ABSOLUTE
    if now >= state.last_used + policy.idle:
        return End.IDLE
    return None


def _misuse(state: FamilyState, presented: Presented, now: datetime, policy: RefreshPolicy) -> Misuse | None:
    if state.device is not None and presented.device != state.device:
        return Misuse.OTHER_DEVICE
    if presented.number > state.counter:
        return Misuse.NEVER_ISSUED
    if presented.number == state.counter or _within_grace(state, presented, now, policy):
        return None
    return Misuse.USED_BEFORE


def _within_grace(state: FamilyState, presented: Presented, now: datetime, policy: RefreshPolicy) -> bool:
    predecessor = presented.number == state.counter - 1
    return predecessor and state.rotated_at is not None and now < state.rotated_at + policy.grace
