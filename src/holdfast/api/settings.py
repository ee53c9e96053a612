"""How the API behaves, decided once when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from holdfast.errors import ConfigurationError
from holdfast.identity.window import WindowPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Sizes in bytes, times in seconds."""

    cors_origins: frozenset[str] = frozenset()
    """Web origins whose pages may call the API, spelled as browsers send them: `https://app.example`."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks whose `X-Forwarded-For` is believed when attempts are counted. None are by default."""
    auth_window: WindowPolicy = field(default_factory=WindowPolicy)
    """How many requests one client address may send to the authentication routes."""
    row_body: int = 1_048_576
    """The largest body of a row."""
    auth_body: int = 65_536
    """The largest body of an authentication route."""
    other_body: int = 10_485_760
    """The largest body of a pack's own route."""
    body_seconds: float = 30.0
    """How long a body may take to arrive."""
    access_log: bool = True
    """Whether each request leaves a line in the log `holdfast.access`."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for an origin that no browser sends, or that would admit every page."""
        for origin in self.cors_origins:
            scheme, separator, host = origin.partition("://")
            if scheme not in {"http", "https"} or not separator or not host or "/" in host or "*" in host:
                raise ConfigurationError(
                    "a CORS origin is a scheme, a host and maybe a port",
                    where="cors_origins",
                    hint="Write https://app.example, without a path or a trailing slash.",
                )
