"""What the tests of this folder may use."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from tests.watermelon.fixtures import adapter, driver, watermelon, watermelon_driver
from tests.watermelon.install import MODULE, ROOT

__all__ = ["adapter", "driver", "watermelon", "watermelon_driver"]

_INSTALLING = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install the client's packages while other tests run: what needs them waits, and says what went wrong."""
    if not session.config.option.collectonly and any("watermelon" in i.fixturenames for i in _items(session)):
        session.config.stash[_INSTALLING] = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing running."""
    installing = session.config.stash.get(_INSTALLING, None)
    if installing is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(installing.pid, signal.SIGTERM)
        installing.wait()


def _items(session: pytest.Session) -> list[pytest.Function]:
    return [item for item in session.items if isinstance(item, pytest.Function)]
