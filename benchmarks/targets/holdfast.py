"""Holdfast as it is shipped, with everything on: tenancy, validation, the log, merging. Its tokens come from a login."""

from __future__ import annotations

import asyncio
import os
import secrets
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from benchmarks.errors import BenchmarkError
from benchmarks.targets.accounts import POOL_SIZE, account
from benchmarks.targets.process import START_TIMEOUT, ServerProcess, free_port
from benchmarks.targets.target import Seeded, ServerConfig

if TYPE_CHECKING:
    from holdfast.identity.principal import Principal
    from holdfast.runtime.assembly import Platform

BATCH = 500
DATABASE = "benchmark_holdfast"
PERSON = "benchmark@example.com"


class Holdfast:
    """The real server, with the finance pack, on its runtime role. One person is at home in every tenant."""

    name = "holdfast"
    collection = "/api/v1/financial/accounts"

    def __init__(self) -> None:
        self._server: ServerProcess | None = None
        self._environment: dict[str, str] = {}
        self._password: str | None = None
        self._numbers = count(1)

    def missing(self) -> str | None:
        if find_spec("holdfast.api") is None:
            return "holdfast.api cannot be imported"
        return None

    def start(self, config: ServerConfig) -> str:
        port, log = free_port(), config.home / "server.log"
        self._environment = {
            "DATABASE_ADMIN_URL": urlunsplit(urlsplit(config.admin_url)._replace(path=f"/{DATABASE}")),
            "HOLDFAST_HOME": str(config.home / "home"),
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_POOL_SIZE": str(POOL_SIZE),
            "HOLDFAST_ACCESS_LOG": "no",
        }
        self._server = ServerProcess(
            ["holdfast.cli", "up", "--no-worker"],
            port=port,
            core=config.core,
            log=log,
            settings=self._environment,
        )
        self._await_health(log)
        return self._server.base_url

    def _await_health(self, log: Path) -> None:
        """The port is taken before the database is ready; the first answer comes when all is."""
        assert self._server is not None
        try:
            with urlopen(f"{self._server.base_url}/health", timeout=START_TIMEOUT) as answer:
                answer.read()
        except OSError as error:
            raise BenchmarkError(f"Holdfast did not start. It said:\n{log.read_text()}") from error

    def pid(self) -> int:
        if self._server is None:
            raise RuntimeError("holdfast has not been started")
        return self._server.pid

    def seed(self, rows: int, tenants: int) -> list[Seeded]:
        os.environ.update(self._environment)
        return asyncio.run(self._seed(rows, tenants))

    async def _seed(self, rows: int, tenants: int) -> list[Seeded]:
        from holdfast.runtime.assembly import open_platform

        async with open_platform() as platform:
            owner = await self._person(platform)
            shares = [rows // tenants + (turn < rows % tenants) for turn in range(tenants)]
            first = next(self._numbers)
            return [
                await _fill(platform, owner, f"Benchmark {first}-{turn}", share)
                for turn, share in enumerate(shares)
            ]

    async def _person(self, platform: Platform) -> Principal:
        if self._password is None:
            self._password = secrets.token_urlsafe(16)
            await platform.accounts.add_user(PERSON, "Benchmark", self._password)
        grant = await platform.accounts.login(PERSON, self._password)
        return await platform.accounts.authenticate(grant.access_token)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


async def _fill(platform: Platform, owner: Principal, name: str, rows: int) -> Seeded:
    from holdfast.packs.finance.entities import FinancialAccount
    from holdfast.tenancy.scope import Scope

    tenant = await platform.accounts.add_tenant(name, PERSON)
    grant = await platform.accounts.switch(owner, tenant.id)
    scope = Scope.for_user(await platform.accounts.authenticate(grant.access_token))
    seeded = Seeded(grant.access_token, [])
    for start in range(0, rows, BATCH):
        numbers = range(start, min(start + BATCH, rows))
        entities = [FinancialAccount.model_validate(account(number)) for number in numbers]
        async with platform.store.session(scope) as session:
            await session.batch(entities)
        seeded.ids.extend(str(entity.id) for entity in entities)
    return seeded
