"""The round trip of a login."""

from __future__ import annotations

from collections.abc import Awaitable

from holdfast.errors import NotAuthenticated
from holdfast.runtime._guests import Guests
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import Failed, must


async def login_round_trip(platform: Platform, guests: Guests) -> str:
    """Log in, be recognised, refresh, log out; what must not work afterwards does not. Returns the evidence."""
    accounts, guest = platform.accounts, guests.one
    await _refused(accounts.login(guest.email, guest.password + "x"), "a login with a wrong password")
    first = await accounts.login(guest.email, guest.password)
    principal = await accounts.authenticate(first.access_token)
    must(principal.user_id == guest.user_id, "the token stands for somebody else")
    must(principal.tenant_id == guest.tenant_id, "the token is for another tenant")
    if first.refresh_token is None:
        raise Failed("the login gave no refresh token")
    second = await accounts.refresh(first.refresh_token)
    must(second.refresh_token != first.refresh_token, "the refresh token did not change")
    await accounts.authenticate(second.access_token)
    await accounts.logout(principal)
    await _refused(accounts.authenticate(second.access_token), "a token of a session that has ended")
    if second.refresh_token is not None:
        await _refused(accounts.refresh(second.refresh_token), "a refresh after the logout")
    return "wrong password refused; login, authentication, refresh, logout; both tokens refused afterwards"


async def _refused(attempt: Awaitable[object], what: str) -> None:
    try:
        await attempt
    except NotAuthenticated:
        return
    raise Failed(f"{what} was let through")
