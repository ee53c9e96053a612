"""What the attacks share."""

from __future__ import annotations

import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer
from tests.attack.wall import Wall, build


@pytest.fixture(scope="session")
def wall(postgres_server: EmbeddedServer) -> Wall:
    """A filled database on each server. It is shared: leave it as it was."""
    return build(postgres_server, "wall")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncpg knows asyncio alone."""
    return "asyncio"
