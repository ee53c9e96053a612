"""Every error that Holdfast raises on purpose, in one tree.

    HoldfastError
    ├── DeclarationError          an entity, policy or pack that cannot be carried out as declared
    ├── ConfigurationError        a setting that is missing, malformed or contradictory
    │   └── WrongKey              a passphrase, key or token that is not the one that this was sealed with
    ├── InvalidInput              the caller's data; nothing was stored
    │   ├── NotIndexed            a filter or sort on a field without an index
    │   ├── BadCursor             a cursor that is malformed, forged or of another list
    │   ├── BadKit                recovery shares or a code that do not make a key: too few, mixed, mistyped
    │   └── TooLarge              a row, body or transaction over its limit
    ├── NotAuthenticated          no credential, or one that does not hold
    │   └── TokenExpired
    ├── Forbidden                 known, but not allowed
    ├── NotFound                  not there, or not this scope's
    ├── CursorExpired             a device's cursor that can no longer be answered from: it starts afresh
    ├── Conflict
    │   ├── AlreadyExists         the id is taken
    │   ├── Duplicate             a unique rule would be broken
    │   ├── StaleVersion          the row has moved on (If-Match, version)
    │   ├── JobHeld               somebody is running this job
    │   ├── LeaseLost             another worker has taken this job over
    │   ├── ReferenceMissing      a reference points at nothing in this tenant
    │   └── StillReferenced       rows that may not be cascaded point here
    ├── Unreadable                a sealed value that is not whole, not ours, not of this place, or whose key is gone
    ├── UncommittedRead           a session asked for a row that it has written and not committed
    ├── JobTimedOut               a job took longer than its limit
    ├── NotSupported              a capability that this engine lacks
    ├── IsolationTooWeak          the engine isolates less than the deployment demands
    ├── SchemaError               the database is behind, ahead or not ours
    │   └── MigrationsPending
    └── Unavailable               try again later
        ├── Busy                  a bounded wait ran out
        └── RateLimited

Each carries a stable ``code`` for programs, a ``hint`` for people, and ``retry``: whether the same call may succeed
later. No message holds a field's value: messages end up in logs.
"""

from __future__ import annotations

from typing import ClassVar


class HoldfastError(Exception):
    """Something went wrong in Holdfast."""

    code: ClassVar[str] = "holdfast_error"
    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(
        self,
        message: str | None = None,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`message` says what, `where` names the entity, field, setting or file, `hint` what to do next."""
        said = (type(self).__doc__ or type(self).__name__).strip()
        self.message = message or said.partition("\n")[0]
        self.where = where
        self.hint = hint if hint is not None else self.default_hint
        self.retry_after = retry_after
        super().__init__(self.message)

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        hint = f" Hint: {self.hint}" if self.hint else ""
        return f"[{self.code}] {self.message}{where}{hint}"


class DeclarationError(HoldfastError):
    """The declaration cannot be carried out."""

    code = "declaration_error"


class ConfigurationError(HoldfastError):
    """A setting is missing or wrong."""

    code = "configuration_error"


class WrongKey(ConfigurationError):
    """This key does not open what it should: it is another one, or what it opens was altered."""

    code = "wrong_key"
    default_hint = "Check which passphrase, key or token is configured."


class InvalidInput(HoldfastError):
    """The input is not valid; nothing was stored."""

    code = "invalid_input"
    status = 422

    def __init__(
        self,
        message: str | None = None,
        *,
        where: str | None = None,
        hint: str | None = None,
        fields: dict[str, str] | None = None,
    ) -> None:
        """`fields` maps each offending field to what is wrong with it, never to its value."""
        super().__init__(message, where=where, hint=hint)
        self.fields = fields or {}


class NotIndexed(InvalidInput):
    """Filters and sorts work on id, created_at and declared indexes."""

    code = "not_indexed"
    status = 400
    default_hint = "Declare an Index that begins with this field, or filter on one that has it."


class BadCursor(InvalidInput):
    """The cursor does not belong to this list."""

    code = "bad_cursor"
    status = 400
    default_hint = "Begin again without `after`, with the same filter and sort throughout."


class BadKit(InvalidInput):
    """The recovery shares or code do not make a key."""

    code = "bad_kit"
    status = 400


class TooLarge(InvalidInput):
    """Over a size limit; nothing was stored."""

    code = "too_large"
    status = 413


class NotAuthenticated(HoldfastError):
    """No credential, or one that does not hold."""

    code = "not_authenticated"
    status = 401
    default_hint = "Log in at POST /auth/login and send `Authorization: Bearer <access_token>`."


class TokenExpired(NotAuthenticated):
    """The token has expired."""

    code = "token_expired"
    default_hint = "Exchange the refresh token at POST /auth/refresh."


class Forbidden(HoldfastError):
    """This role may not do that."""

    code = "forbidden"
    status = 403


class NotFound(HoldfastError):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class CursorExpired(HoldfastError):
    """This cursor can no longer be answered from."""

    code = "cursor_expired"
    status = 410
    default_hint = "Start afresh: pull without a cursor, and keep what has not been pushed yet."


class Conflict(HoldfastError):
    """The present state does not allow it."""

    code = "conflict"
    status = 409


class AlreadyExists(Conflict):
    """A row with this id exists."""

    code = "already_exists"


class Duplicate(Conflict):
    """Another row already holds what must be unique."""

    code = "duplicate"


class StaleVersion(Conflict):
    """The row has changed since this version of it was read."""

    code = "stale_version"
    status = 412
    default_hint = "Read the row again and repeat the change on what it holds now."


class JobHeld(Conflict):
    """Somebody is running this job."""

    code = "job_held"
    retry = True


class LeaseLost(Conflict):
    """Another worker has taken this job over."""

    code = "lease_lost"


class ReferenceMissing(Conflict):
    """A reference points at a row that does not exist in this tenant."""

    code = "reference_missing"


class StillReferenced(Conflict):
    """Other rows refer to this one."""

    code = "still_referenced"
    default_hint = "Delete or change the rows that refer to it first."


class Unreadable(HoldfastError):
    """A sealed value cannot be opened."""

    code = "unreadable"
    default_hint = "It was altered or moved, or its key is not here or has been destroyed."


class UncommittedRead(HoldfastError):
    """This session has written the row and not committed it yet."""

    code = "uncommitted_read"
    default_hint = "Leave the session, or commit it, before reading what it wrote."


class JobTimedOut(HoldfastError):
    """The job took longer than its limit, and was stopped."""

    code = "job_timed_out"


class NotSupported(HoldfastError):
    """This engine lacks the capability."""

    code = "not_supported"
    status = 501


class IsolationTooWeak(ConfigurationError):
    """The engine isolates tenants less strongly than this deployment demands."""

    code = "isolation_too_weak"


class SchemaError(HoldfastError):
    """The database does not hold the schema that this code needs."""

    code = "schema_error"
    status = 503


class MigrationsPending(SchemaError):
    """The database is behind the code."""

    code = "migrations_pending"
    default_hint = "Run `holdfast migrate up`."


class Unavailable(HoldfastError):
    """A part that this needs does not answer."""

    code = "unavailable"
    status = 503
    retry = True


class Busy(Unavailable):
    """Too much is waiting for the same tenant or connection."""

    code = "busy"

    def __init__(
        self,
        message: str | None = None,
        *,
        where: str | None = None,
        retry_after: float = 1.0,
        hint: str = "Repeat the request after a moment.",
    ) -> None:
        super().__init__(message, where=where, retry_after=retry_after, hint=hint)


class RateLimited(Unavailable):
    """Too many attempts."""

    code = "rate_limited"
    status = 429


def missing_extra(module: str | None, extra: str, *, where: str) -> ConfigurationError:
    """The error to raise where a library of another extra is asked for and not installed."""
    return ConfigurationError(
        f"{module or 'a library'} is not installed, and this needs it.",
        where=where,
        hint=f"pip install 'holdfast[{extra}]'",
    )
