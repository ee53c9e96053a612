"""What every test may use."""

from __future__ import annotations

import signal
from types import FrameType

from tests.servers import postgres_server, wheel_server

__all__ = ["postgres_server", "wheel_server"]


def pytest_configure() -> None:
    # As on Ctrl-C, fixtures stop what they have started.
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
