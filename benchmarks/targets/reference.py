"""The hand-written references as targets: one ASGI application each, on a table of its own that is filled by COPY."""

from __future__ import annotations

import json
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import psycopg
from uuid_utils.compat import uuid7

from benchmarks.postgres import create_database
from benchmarks.targets.accounts import (
    COLLECTION,
    DATABASE_SETTING,
    SCHEMA,
    Caller,
    account,
    callers,
    created_at,
)
from benchmarks.targets.process import ServerProcess, free_port
from benchmarks.targets.target import Seeded, ServerConfig

UVICORN = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
COLUMNS = (
    "id, tenant_id, user_id, name, account_type, institution, balance, currency, interest_rate, metadata, "
    "created_at, updated_at"
)


class Reference:
    """An application `benchmarks.targets.<name>:app` under uvicorn."""

    collection = COLLECTION

    def __init__(self, name: str, *, needs: str | None = None) -> None:
        """`needs` names a module without which the application does not run."""
        self.name = name
        self._needs = needs
        self._server: ServerProcess | None = None
        self._unused = iter(callers().items())
        self._database = ""

    def missing(self) -> str | None:
        if self._needs and find_spec(self._needs) is None:
            return f"the package {self._needs} is not installed"
        return None

    def start(self, config: ServerConfig) -> str:
        self._database = create_database(config.admin_url, f"benchmark_{self.name}")
        with psycopg.connect(self._database) as connection:
            connection.execute(self.schema().read_bytes())
        port = free_port()
        self._server = ServerProcess(
            ["uvicorn", f"benchmarks.targets.{self.name}:app", *UVICORN, "--port", str(port)],
            port=port,
            core=config.core,
            log=config.home / "server.log",
            settings={DATABASE_SETTING: self._database},
        )
        return self._server.base_url

    def schema(self) -> Path:
        """The file that makes the tables."""
        return SCHEMA

    def pid(self) -> int:
        if self._server is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._server.pid

    def seed(self, rows: int, tenants: int) -> list[Seeded]:
        chosen = list(islice(self._unused, tenants))
        seeded = [Seeded(token, []) for token, _ in chosen]
        with (
            psycopg.connect(self._database) as connection,
            connection.cursor().copy(f"COPY financial_accounts ({COLUMNS}) FROM STDIN") as copy,
        ):
            for number in range(rows):
                turn = number % tenants
                row = _row(number, chosen[turn][1])
                seeded[turn].ids.append(str(row[0]))
                copy.write_row(row)
        return seeded

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


def _row(number: int, owner: Caller) -> tuple[object, ...]:
    fields = account(number)
    sent = {**fields, "metadata": json.dumps(fields["metadata"])}
    made = created_at(number)
    return (uuid7(), owner.tenant_id, owner.user_id, *sent.values(), made, made)
