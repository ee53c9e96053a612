"""The references on a real server: the size of a row, and a contract that notices a wrong answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from benchmarks.errors import BenchmarkError
from benchmarks.http.contract import check_contract
from benchmarks.postgres import Postgres, database_url, start_postgres
from benchmarks.targets.reference import Reference
from benchmarks.targets.target import Seeded, ServerConfig


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with start_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def twin(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reference, str]]:
    target = Reference("twin")
    try:
        yield (
            target,
            target.start(ServerConfig(postgres.admin_url, tmp_path_factory.mktemp("twin"), core=None)),
        )
    finally:
        target.stop()


@pytest.fixture(scope="module")
def seeded(twin: tuple[Reference, str]) -> list[Seeded]:
    return [*twin[0].seed(200, 1), *twin[0].seed(300, 3)]


def test_rows_are_spread_evenly_and_as_big_as_announced(postgres: Postgres, seeded: list[Seeded]) -> None:
    assert [len(tenant.ids) for tenant in seeded] == [200, 100, 100, 100]
    assert len({tenant.token for tenant in seeded}) == 4
    with psycopg.connect(database_url(postgres.admin_url, "benchmark_twin")) as connection:
        row = connection.execute("SELECT avg(pg_column_size(a.*)) FROM financial_accounts a").fetchone()
    assert row is not None
    assert 345 <= row[0] <= 365


def test_the_twin_keeps_the_contract_and_its_tenants_apart(
    twin: tuple[Reference, str], seeded: list[Seeded]
) -> None:
    target, base_url = twin
    check_contract(target, base_url, seeded[0])
    headers = {"Authorization": f"Bearer {seeded[1].token}"}
    other = httpx.get(f"{base_url}{target.collection}/{seeded[0].ids[0]}", headers=headers)
    assert other.status_code == 404


def test_the_contract_notices_another_answer(twin: tuple[Reference, str], seeded: list[Seeded]) -> None:
    target, base_url = twin
    mixed = Seeded(seeded[1].token, [seeded[1].ids[1], *seeded[1].ids])
    with pytest.raises(BenchmarkError, match="read: wrong in"):
        check_contract(target, base_url, mixed)
    with pytest.raises(BenchmarkError, match="GET answers 401"):
        check_contract(target, base_url, Seeded("unknown", seeded[1].ids))


def test_a_server_that_does_not_start_says_why(postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"Could not import|No module named"):
        Reference("nonexistent").start(ServerConfig(postgres.admin_url, tmp_path, core=None))
