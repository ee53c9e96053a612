"""Serving until someone says stop: the listening socket, the log, uvicorn."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.cli._signals import Stopping
from holdfast.errors import ConfigurationError
from holdfast.runtime.settings import Settings

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

_BACKLOG = 2_048
_GRACE_SECONDS = 10


@contextmanager
def listening_socket(settings: Settings) -> Iterator[socket.socket]:
    """The server's address, taken before anything else starts; it answers once the server listens.

    Raises ConfigurationError where it is taken already or cannot be had.
    """
    where = f"HOLDFAST_PORT from {settings.sources.get('port', 'the default')}"
    try:
        family, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise _no_address(settings.host) from None
    # Of a socket that is not said to be TCP, asyncio's own loop would let small pieces wait for the answer to the last.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            taken.bind(address)
            taken.listen(_BACKLOG)
        except PermissionError:
            raise ConfigurationError(
                f"Port {settings.port} is for administrators alone.",
                where=where,
                hint="Choose one above 1023.",
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise _no_address(settings.host) from None
            raise ConfigurationError(
                f"Port {settings.port} on {settings.host} cannot be had: {error.strerror}.",
                where=where,
                hint="End what uses it, or choose another: `holdfast up --port 8001`.",
            ) from None
        yield taken


def _no_address(host: str) -> ConfigurationError:
    return ConfigurationError(
        f"{host} is no address of this machine.",
        where="HOLDFAST_HOST",
        hint="127.0.0.1 is this machine alone, 0.0.0.0 every network that it is in.",
    )


async def serve(
    platform: Platform,
    taken: socket.socket,
    stopping: Stopping,
    on_ready: Callable[[], None],
) -> None:
    """Answer on `taken` until `stopping`; `on_ready` is called once requests are taken."""
    import uvicorn

    from holdfast.api import ApiSettings, create_app

    settings = platform.settings
    app = create_app(
        platform,
        settings=ApiSettings(
            cors_origins=frozenset(settings.cors_origins),
            trusted_proxies=settings.trusted_proxies,
            access_log=settings.access_log,
        ),
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # the command has them: it began before the server did

    server = Server(config)

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    stopping.by(stop)
    await server.serve(sockets=[taken])


def log_to(*streams: logging.Handler) -> None:
    """Send what Holdfast and the server say to these, one line each, times in UTC."""
    import time

    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    for handler in streams:
        handler.setFormatter(form)
        logging.getLogger().addHandler(handler)
    logging.getLogger("holdfast").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
