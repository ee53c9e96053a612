"""How often one client address may knock at the authentication routes.

The address is that of the connection. `X-Forwarded-For` is anybody's to write, so it is read only where the connection
comes from a proxy that the deployment names, and then from the right: the first address that is no such proxy counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope as AsgiScope

from holdfast.api.exchange import Headers
from holdfast.api.settings import ApiSettings
from holdfast.errors import RateLimited
from holdfast.identity.window import SlidingWindow

_UNKNOWN = "unknown"


class AuthLimit:
    """One exact window for each client address. Each process counts for itself."""

    def __init__(self, settings: ApiSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = SlidingWindow(settings.auth_window)
        self._settings = settings
        self._clock = clock

    def admit(self, scope: AsgiScope, headers: Headers) -> None:
        """Count this request. Raises RateLimited, which says when to come back."""
        wait = self._window.hit(client_key(scope, headers, self._settings), self._clock())
        if wait is not None:
            raise RateLimited("too many requests from this address", retry_after=wait)


def client_key(scope: AsgiScope, headers: Headers, settings: ApiSettings) -> str:
    """Who is counted: an IPv4 address, or the /64 of an IPv6 address, all of which one client may have."""
    client = scope.get("client")
    address = _parse(client[0]) if client else None
    if address is None:
        return _UNKNOWN
    hops = [text.strip() for text in headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")]
    while _is_trusted(address, settings) and hops:
        forwarded = _parse(hops.pop())
        if forwarded is None:
            break
        address = forwarded
    return _key(address)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_trusted(address: IPv4Address | IPv6Address, settings: ApiSettings) -> bool:
    return any(address in network for network in settings.trusted_proxies)


def _key(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), 64), strict=False))
