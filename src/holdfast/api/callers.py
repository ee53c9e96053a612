"""Who calls, and for what scope: the bearer token, the device, and the whole-tenant headers."""

from __future__ import annotations

import re
from dataclasses import replace

from holdfast.api.errors import Malformed
from holdfast.api.exchange import Headers
from holdfast.api.platform import Accounts
from holdfast.api.problems import NO_CREDENTIAL
from holdfast.errors import Forbidden, NotAuthenticated
from holdfast.identity.principal import Principal
from holdfast.tenancy.scope import Scope

_MAX_TOKEN = 4_096
_DEVICE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?\Z")
_REASON = re.compile(rb"[\x20-\x7e]{1,200}\Z")
_READS = frozenset({"GET", "HEAD"})


class Callers:
    """Finds out who calls. One for all routes."""

    __slots__ = ("_accounts",)

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def principal(self, headers: Headers) -> Principal:
        """Who the bearer token stands for. Raises NotAuthenticated or TokenExpired."""
        return await self._accounts.authenticate(bearer_token(headers))

    async def scope(self, method: str, headers: Headers) -> Scope:
        """The scope in which the request is carried out: the caller's own, or the whole tenant's for an admin's read."""
        principal = await self.principal(headers)
        scope = Scope.for_user(principal)
        if b"x-holdfast-device" in headers:
            scope = replace(scope, device=read_device(headers))
        if b"x-holdfast-scope" in headers:
            return await self._whole_tenant(method, headers, principal, scope)
        return scope

    async def _whole_tenant(self, method: str, headers: Headers, principal: Principal, scope: Scope) -> Scope:
        if headers[b"x-holdfast-scope"].lower() != b"tenant":
            raise Malformed("the only scope to ask for is `tenant`", where="X-Holdfast-Scope")
        reason = headers.get(b"x-holdfast-reason", b"").strip()
        if not _REASON.match(reason):
            raise Malformed(
                "a scope for the whole tenant says why, in at most 200 printable ASCII characters",
                where="X-Holdfast-Reason",
            )
        wide = scope.for_tenant(reason=reason.decode("ascii"))
        if method not in _READS:
            raise Forbidden("a scope for the whole tenant is for reading", where="X-Holdfast-Scope")
        # Before any row goes out, or a crash in between would leave a read that nobody knows of.
        await self._accounts.record_tenant_scope(principal, reason.decode("ascii"))
        return wide


def bearer_token(headers: Headers) -> str:
    """The token of the `Authorization` header. Raises NotAuthenticated."""
    value = headers.get(b"authorization")
    if value is None:
        raise NotAuthenticated("no credential was sent", where=NO_CREDENTIAL)
    token = value[7:]
    if value[:7].lower() != b"bearer " or not 0 < len(token) <= _MAX_TOKEN or not token.isascii():
        raise NotAuthenticated("the credential is not a bearer token")
    return token.decode("ascii")


def read_device(headers: Headers) -> str | None:
    """The device that the caller names, or None. Raises Malformed."""
    device = headers.get(b"x-holdfast-device")
    if device is None:
        return None
    if not _DEVICE.match(device):
        raise Malformed("a device is named in 1 to 64 printable ASCII characters", where="X-Holdfast-Device")
    return device.decode("ascii")
