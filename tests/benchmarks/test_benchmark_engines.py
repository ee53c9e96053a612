"""The references do what Holdfast does to the medium: what one writes the other reads."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from benchmarks.engines import __main__ as benchmark
from benchmarks.engines import postgres_by_hand
from benchmarks.engines.sqlite_by_hand import ByHand
from benchmarks.errors import BenchmarkError

from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import new_passwords, provision
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.testing.conformance import World, first_revision
from holdfast.testing.conformance.entities import CATALOG, Board
from tests.conformance.postgres import PostgresHarness
from tests.conformance.sqlite import SqliteHarness


async def test_what_is_written_by_hand_is_read_through_the_port(tmp_path: Path) -> None:
    harness = SqliteHarness(tmp_path)
    engine = await harness.make_engine(first_revision(CATALOG))
    assert isinstance(engine, SqliteEngine)
    world = await World.make(harness, engine)
    assert world.ann.user_id is not None
    hand = ByHand(engine.path, world.tenant, world.ann.user_id)
    await world.put(world.ann, Board(name="through the port", shelf="a", label="l"))
    await hand.put([("by hand", "b", 1), ("by hand", "c", 2)])
    await world.put(world.ann, Board(name="through the port", shelf="d", label="l"))
    assert [change.number for change in await world.changes(world.ann)] == [1, 2, 3, 4]
    rows = await world.query(world.ann, Board)
    assert [await hand.get(row["id"]) for row in rows] == rows
    assert len(orjson.loads(await hand.list(3))) == 3
    assert (await engine.inspect(list(CATALOG))).findings == ()
    await hand.close()
    await engine.aclose()


async def test_the_same_on_postgresql(postgres_server: EmbeddedServer) -> None:
    logins = await provision(postgres_server.admin_url, database="by_hand", passwords=new_passwords())
    engine = await PostgresEngine.open(logins)
    try:
        await engine.apply(first_revision(CATALOG), revision="kit", checksum="kit")
        world = await World.make(PostgresHarness(postgres_server), engine)
        hand = await postgres_by_hand.ByHand.open(logins.runtime, CATALOG.schema(Board), world.ann)
        await world.put(world.ann, Board(name="through the port", shelf="a", label="l"))
        await hand.put([("by hand", "b", 1), ("by hand", "c", 2)])
        assert [change.number for change in await world.changes(world.ann)] == [1, 2, 3]
        rows = await world.query(world.ann, Board)
        assert [await hand.get(row["id"]) for row in rows] == rows
        assert len(orjson.loads(b"[" + await hand.list(3) + b"]")) == 3
        assert await hand.pull() > 0
        await hand.close()
    finally:
        await engine.aclose()


def test_the_table_has_every_operation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"CALLS": 20, "PUTS": 3, "BATCH": 50, "PREPARED": {"put": (3, 1)}}.items():
        monkeypatch.setattr(benchmark, name, value)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{benchmark.BEGIN}\n{benchmark.END}\nbehind\n")
    assert (
        benchmark.main(["--engines", "sqlite", "--rounds", "1", "--rows", "100", "--write", str(page)]) == 0
    )
    text = page.read_text()
    for operation in ("get", "list of 100", "put", "row of a batch of 1000", "row of a pull"):
        assert f"| {operation} |" in text
    assert text.startswith("before\n")
    assert text.endswith("behind\n")
    assert "by hand" in capsys.readouterr().out
    (tmp_path / "bare.md").write_text("")
    with pytest.raises(BenchmarkError):
        benchmark.write(text, tmp_path / "bare.md")
