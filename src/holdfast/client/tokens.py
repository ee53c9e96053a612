"""The tokens of a session: kept, exchanged before they end, and by one request at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from holdfast.client.answers import Grant
from holdfast.errors import NotAuthenticated, Unavailable

_AHEAD: Final = 30.0
"""An access token is exchanged so many seconds before its end."""
_PAUSE: Final = 5.0
"""One that holds is used for so many seconds after it could not be exchanged."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a device keeps of its session, as secret as a password. `expires_at` is in seconds since 1970."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float

    @classmethod
    def granted(cls, grant: Grant, before: Tokens | None = None) -> Tokens:
        """Those of a sign-in or refresh; where it brings no refresh token, the one before goes on."""
        kept = before.refresh_token if before is not None else None
        return cls(grant.access_token, grant.refresh_token or kept, time.time() + grant.expires_in)


class TokenKeeper:
    """Has the tokens of one session. A refresh token is used up by its first use, so whoever needs a new one at the same
    moment shares one exchange.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        exchange: Callable[[str], Awaitable[Grant]],
        tell: Callable[[Tokens | None], None],
    ) -> None:
        self.tokens = tokens
        self._exchange = exchange
        self._tell = tell
        self._turn = asyncio.Lock()
        self._again_at = 0.0

    def take(self, tokens: Tokens | None) -> None:
        """Keep other tokens from now on, and tell whoever stores them."""
        self.tokens = tokens
        self._tell(tokens)

    async def access_token(self, rejected: str | None) -> str:
        """One that holds, as far as is known; `rejected` was refused just before. Raises NotAuthenticated."""
        if not self._is_stale(rejected):
            return self._present().access_token
        async with self._turn:
            if self._is_stale(rejected):  # nobody has exchanged it meanwhile
                await self._renew_in_time(rejected)
            return self._present().access_token

    def _is_stale(self, rejected: str | None) -> bool:
        tokens, now = self._present(), time.time()
        ahead = _AHEAD if time.monotonic() >= self._again_at else 0.0
        ends_soon = tokens.refresh_token is not None and now > tokens.expires_at - ahead
        return tokens.access_token == rejected or ends_soon

    async def _renew_in_time(self, rejected: str | None) -> None:
        """Where the exchange fails and the token holds for a while, it is used for as long."""
        try:
            await self._renew()
        except Unavailable:
            self._again_at = time.monotonic() + _PAUSE
            if self._is_stale(rejected):
                raise

    async def _renew(self) -> None:
        before = self._present()
        if before.refresh_token is None:
            raise NotAuthenticated("the access token does not hold any more", hint="Sign in again.")
        try:
            grant = await self._exchange(before.refresh_token)
        except NotAuthenticated:
            if self._is_of(before):
                self.take(None)
                raise
            return
        renewed = Tokens.granted(grant, before)
        if self.tokens is before:
            self.take(renewed)
        elif self.tokens is not None and self._is_of(before):  # in another tenant meanwhile
            self.take(replace(self.tokens, refresh_token=renewed.refresh_token))

    def _is_of(self, before: Tokens) -> bool:
        """Whether the session is still the one of these tokens: nobody has signed in or out meanwhile."""
        return self.tokens is not None and self.tokens.refresh_token == before.refresh_token

    def _present(self) -> Tokens:
        if self.tokens is None:
            raise NotAuthenticated(
                "nobody is signed in", hint="Call sign_in, or give the tokens of a session."
            )
        return self.tokens
