"""The PostgreSQL server of one benchmark: started empty, shared by all targets, thrown away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql

from benchmarks.machine import cpu_seconds


class Postgres:
    """The running server, seen by its administrator."""

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url
        with psycopg.connect(admin_url) as connection:
            backend = psutil.Process(connection.info.backend_pid)
            self.version = connection.info.parameter_status("server_version") or "unknown"
            self._postmaster = psutil.Process(backend.ppid())

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        return cpu_seconds(self._postmaster)

    def settle(self) -> None:
        """Vacuum, analyse and checkpoint, so that none of what the seeding left behind is done while we measure."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
            for (name,) in names:
                with psycopg.connect(database_url(self.admin_url, name), autocommit=True) as inside:
                    inside.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")


@contextmanager
def start_postgres(home: Path) -> Iterator[Postgres]:
    """A new server below `home`, durable as in production. It runs on the core of whoever starts it."""
    from holdfast.engines.postgres.embedded import EmbeddedServer

    with EmbeddedServer.start(home) as server:
        yield Postgres(server.admin_url)


def create_database(admin_url: str, name: str) -> str:
    """Make an empty database and return its URL, for the same login."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return database_url(admin_url, name)


def database_url(admin_url: str, name: str) -> str:
    return urlsplit(admin_url)._replace(path=f"/{name}").geturl()
