"""A PostgreSQL whose disk is full: what was committed stays, what could not be written is told, and with room it goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import new_passwords, provision
from holdfast.errors import Unavailable
from holdfast.model.steps import CreateEntity
from holdfast.testing.conformance import World, first_revision
from holdfast.testing.conformance.entities import CATALOG, Board
from tests.conformance.postgres import PostgresHarness
from tests.servers import FAST, discard, new_home

SIZE = "220m"
SMALL_LOG = {"max_wal_size": "48MB", "min_wal_size": "32MB", "wal_recycle": "off"}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A home on a disk of its own, which takes a mount."""
    home = new_home()
    home.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "tmpfs", str(home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        discard(home)
        pytest.skip("WARNING: no disk can be mounted here; a full one was not tried")
    try:
        yield home
    finally:
        discard(home / "postgres")
        subprocess.run(["umount", "--lazy", str(home)], check=True)
        discard(home)


async def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    home = small_disk / "postgres"
    server = EmbeddedServer.start(home, settings={**FAST, **SMALL_LOG}, shelters=())
    harness = PostgresHarness(server)
    logins = await provision(server.admin_url, database="full", passwords=new_passwords())
    engine = await PostgresEngine.open(logins)
    try:
        await engine.apply(first_revision(CATALOG), revision="kit", checksum="kit")
        world = await World.make(harness, engine)
        filler = small_disk / "filler"
        _fill(filler)
        kept = 0
        with pytest.raises(Unavailable) as refused:
            for turn in range(2_000):
                await world.put(world.ann, *_boards(turn))
                kept += 1
        assert "disk" in (refused.value.hint or "")
        assert refused.value.retry
        head = len(await world.changes(world.ann))
        assert head == kept * 20
        with pytest.raises(Unavailable):
            await engine.apply(_more_tables(), revision="kit_2", checksum="kit_2")
        filler.unlink()
        await world.put(world.ann, *_boards(2_001))
        await engine.apply(_more_tables(), revision="kit_2", checksum="kit_2")
        assert (await engine.applied()).keys() == {"kit", "kit_2"}
        assert len(await world.changes(world.ann)) == head + 20
    finally:
        await engine.aclose()


def _boards(turn: int) -> list[Board]:
    return [Board(name="n" * 200, shelf=f"{turn}-{n}", label="l", position=n) for n in range(20)]


def _more_tables() -> list[CreateEntity]:
    schema = CATALOG.schema(Board)
    return [CreateEntity(replace(schema, table=f"boards_{n}")) for n in range(30)]


def _fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65_536)
        except OSError:
            pass
