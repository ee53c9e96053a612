"""The engine of an outsider's: on public names alone, durable, and opened by its URL. Its conformance is asked in its folder."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from holdfast.engines.port import Engine, EntitySchema, Marks, Row
from holdfast.errors import Conflict, SchemaError
from holdfast.model.steps import Step
from holdfast.testing.conformance import Harness, World, first_revision
from holdfast.testing.conformance.entities import CATALOG, Board, Note
from jsonl_engine import JsonlEngine
from tests.acceptance.deployment import new_deployment
from tests.examples.installed import EXAMPLES, install

pytestmark = pytest.mark.anyio
FOLDER = EXAMPLES / "outsider_engine"
PUBLIC = ("holdfast", "holdfast.engines.port", "holdfast.errors")
PUBLIC_PACKAGES = ("holdfast.model.", "holdfast.testing.")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class OneFile(Harness):
    """For a world on an engine that is there already."""

    async def make_engine(self, steps: Sequence[Step]) -> Engine:
        raise NotImplementedError

    async def plant_raw(self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row) -> None:
        raise NotImplementedError

    async def peek_raw(self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row_id: UUID) -> Row:
        raise NotImplementedError


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[JsonlEngine]:
    engine = JsonlEngine.open(path)
    try:
        yield engine
    finally:
        await engine.aclose()


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    steps: tuple[Step, ...] = first_revision(CATALOG)
    async with opened(tmp_path / "rows.jsonl") as engine:
        await engine.apply(steps, revision="kit", checksum="kit")
    return tmp_path / "rows.jsonl"


def imported(file: Path) -> set[str]:
    """The modules of Holdfast that a file imports from."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    found = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    found |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "holdfast"}


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.py")), ids=lambda file: file.name)
def test_it_needs_public_names_alone(file: Path) -> None:
    assert {name for name in imported(file) - {*PUBLIC} if not name.startswith(PUBLIC_PACKAGES)} == set()


async def everything(world: World) -> list[object]:
    """What a tenant has."""
    boards, notes = await world.query(world.everyone, Board), await world.query(world.everyone, Note)
    past = [await world.history(world.everyone, Note, row["id"]) for row in notes]
    return [boards, notes, past, await world.changes(world.everyone), await world.head(world.everyone)]


async def populated(engine: JsonlEngine) -> World:
    world = await World.make(OneFile(), engine)
    gone, note = await world.put(world.ann, Note(title="gone"), Note(title="first"))
    await world.flush(world.ann, await world.deletion(world.ann, Note, gone))
    await world.flush(world.ann, await world.update(world.ann, Note, note, title="second"))
    await world.put(world.bob, Board(name="b", settings={"deep": [1.5, None, "é"]}))
    return world


async def test_what_was_committed_stands_when_it_is_opened_again(path: Path) -> None:
    async with opened(path) as engine:
        world = await populated(engine)
        before, position = await everything(world), await engine.position()
    async with opened(path) as engine:
        again = World(OneFile(), engine, world.ann, world.bob, world.everyone, world.cleo, world.strangers)
        assert await everything(again) == before
        assert await engine.position() == position
        assert await engine.applied() == {"kit": "kit"}
        await again.put(world.ann, Board(name="and it goes on"))
        assert await again.head(world.ann) == 6


@pytest.mark.parametrize("torn", [b"{", b'{"tenant":"', b'{"half": "a line"\n', b"\0\0\0\0\n"])
async def test_a_line_that_is_not_whole_was_never_committed(path: Path, torn: bytes) -> None:
    async with opened(path) as engine:
        world = await populated(engine)
        before = await everything(world)
    with path.open("ab") as file:
        file.write(torn)
    async with opened(path) as engine:
        again = World(OneFile(), engine, world.ann, world.bob, world.everyone, world.cleo, world.strangers)
        assert await everything(again) == before
        await again.put(world.ann, Board(name="written behind what was cut off"))
    async with opened(path) as engine:
        assert engine.tenant(world.tenant).marks.head == 6


async def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada,\n")
    with pytest.raises(SchemaError):
        JsonlEngine.open(path)
    assert path.read_text() == "Dear Ada,\n"


async def test_one_process_has_it_at_a_time(path: Path) -> None:
    async with opened(path):
        with pytest.raises(Conflict):
            JsonlEngine.open(path)
    async with opened(path):
        pass


async def test_a_copy_is_another_medium(path: Path) -> None:
    async with opened(path) as engine:
        first = await engine.position()
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(path.read_bytes())
    async with opened(copy) as engine:
        second = await engine.position()
        assert second.medium != first.medium


async def test_what_is_forgotten_is_not_in_the_file_either(path: Path) -> None:
    async with opened(path) as engine:
        world = await populated(engine)
        assert b"second" in path.read_bytes()
        (theirs,) = await world.put(world.cleo, Note(title="another tenant's"))
        before = await engine.position()
        await engine.forget_tenant(world.tenant, list(CATALOG))
        after = await engine.position()
        assert after.medium == before.medium
        assert after.moment >= before.moment
        with pytest.raises(Conflict):
            JsonlEngine.open(path)
    left = path.read_bytes()
    assert b"second" not in left
    assert b"first" not in left
    async with opened(path) as engine:
        again = World(OneFile(), engine, world.ann, world.bob, world.everyone, world.cleo, world.strangers)
        assert await again.get(world.cleo, Note, theirs["id"]) == theirs
        assert await engine.position() == after


async def test_what_is_pruned_is_not_in_the_file_either(path: Path) -> None:
    async with opened(path) as engine:
        world = await populated(engine)
        await engine.collect(world.tenant, 6)
        assert b'"first"' in path.read_bytes()
        before = await engine.position()
        assert (await engine.prune_history(world.tenant, 6)).removed > 0
        assert (await engine.position()).moment >= before.moment
        assert b'"first"' not in path.read_bytes()
        after = await everything(world)
    async with opened(path) as engine:
        again = World(OneFile(), engine, world.ann, world.bob, world.everyone, world.cleo, world.strangers)
        assert await everything(again) == after
        assert engine.tenant(world.tenant).marks == Marks(5, 5)


WRITER = """
import asyncio, os, sys
from pathlib import Path
from jsonl_engine import JsonlEngine
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import Board
from tests.examples.test_outsider_engine import OneFile

async def main():
    world = await World.make(OneFile(), JsonlEngine.open(Path(sys.argv[1])))
    print(world.tenant, flush=True)
    for turn in range(10_000):
        await world.put(world.ann, Board(name=f"board {turn}"))
        os.write(1, b"%d\\n" % (turn + 1))

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=env)
    assert writer.stdout is not None
    with writer.stdout as said:
        tenant = said.readline().decode().strip()
        for _ in range(50):
            said.readline()
        writer.kill()
        acknowledged = 50 + len(said.read().split(b"\n")) - 1
    await asyncio.to_thread(writer.wait)
    async with opened(path) as engine:
        state = engine.tenant(UUID(tenant))
        assert acknowledged <= state.marks.head <= acknowledged + 1
        assert [change.number for change in state.changes] == list(range(1, state.marks.head + 1))


def test_all_of_holdfast_runs_on_it(tmp_path: Path) -> None:
    paths = install("outsider_engine", tmp_path / "site")
    url = f"jsonl://{tmp_path}/rows.jsonl"
    with new_deployment(DATABASE_URL=url) as deployment:
        path = deployment.environment["PYTHONPATH"]
        deployment.env["PYTHONPATH"] = os.pathsep.join([path, *paths])
        refused = deployment.run("verify", "--json")
        assert refused.returncode != 0
        assert deployment.run("migrate", "up").returncode == 0
        verified = deployment.json("verify")
        assert verified["ok"]
        assert {check["name"] for check in verified["checks"] if check["outcome"] != "passed"} == {
            "grants",
            "api",
        }
        assert deployment.json("status")["database"]["engine"] == "jsonl"
        with deployment.up("--no-worker") as up:
            assert deployment.run("status").returncode != 0  # the server has the file
            assert up.end() == 0
