"""What every test may use."""

from __future__ import annotations

import signal
from types import FrameType

import pytest

from tests.servers import postgres_server, wheel_server

__all__ = ["postgres_server", "wheel_server"]


def pytest_configure() -> None:
    # As on Ctrl-C, fixtures stop what they have started.
    signal.signal(signal.SIGTERM, _interrupt)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have to tell beside whether they passed, such as a score."""
    told = [line for report in terminalreporter.getreports("passed") for line in report.user_properties]
    for name, value in told:
        terminalreporter.write_line(f"{name}: {value}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
