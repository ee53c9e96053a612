"""Throw-away PostgreSQL servers for tests: one of each version for a whole run, stopped at its end however it ends.

A test that takes `postgres_server` runs once on each version in `VERSIONS`. A version that the machine lacks is skipped with a
reason that pytest's summary shows, except the locked wheel's, which must be there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer, installed_bins, running

VERSIONS = (18, 15)
WHEEL_VERSION = 18

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For servers whose data nobody will miss. Never for a test of durability."""

_MEMORY = Path("/dev/shm")
_ROOM = 4 * 1024**3


def bin_dir_of(major: int) -> Path:
    """The binaries of this version; skips the test, loudly, where the machine has none."""
    for installation in installed_bins():
        if installation.major == major:
            return installation.bin_dir
    if major == WHEEL_VERSION:
        pytest.fail(f"PostgreSQL {major} comes with the locked requirements and is not there")
    pytest.skip(f"WARNING: PostgreSQL {major} is not on this machine; nothing was tested on it")


def _homes() -> Path:
    """Below it are all homes. In memory where there is room: making a database is then twice as fast."""
    fits = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    return (_MEMORY if fits else Path(tempfile.gettempdir())) / f"holdfast-tests-{os.getuid()}"


_HOMES = _homes()


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda major: f"postgres{major}")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server with fsync off, in a home of its own. Make a database in it: it is shared by the whole run."""
    bin_dir = bin_dir_of(request.param)
    remove_abandoned()
    home = new_home()
    try:
        yield EmbeddedServer.start(home, bin_dir=bin_dir, settings=FAST)
    finally:
        discard(home)


@pytest.fixture(scope="session")
def wheel_server() -> Iterator[EmbeddedServer]:
    """The embedded version alone, for tests that are parametrised by something else already."""
    remove_abandoned()
    home = new_home()
    try:
        yield EmbeddedServer.start(home, bin_dir=bin_dir_of(WHEEL_VERSION), settings=FAST)
    finally:
        discard(home)


def new_home() -> Path:
    """A folder with a short path that names this process, so that a later run can tell whether it is still needed."""
    _HOMES.mkdir(mode=0o700, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=_HOMES))


def discard(home: Path) -> None:
    """Stop whatever runs for this home, whoever uses it, and remove the home with all data."""
    server = running(home)
    if server is not None:
        server.stop(force=True)
        shutil.rmtree(server.data_dir.parent, ignore_errors=True)  # it may lie outside the home
    shutil.rmtree(home, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove what a test run left behind that was killed."""
    for home in _HOMES.glob("*-*"):
        owner = home.name.partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            discard(home)
