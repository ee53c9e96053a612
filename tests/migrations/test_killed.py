"""kill -9 between any two acts and in the middle of a fill: it goes on where it stopped, and comes to the same end."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest

from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.model.entity import Entity
from holdfast.model.markers import Converted, MaxLength, Ref
from holdfast.model.policies import Index, Owned, Unique
from holdfast.model.steps import Step, describe_step, undo
from holdfast.testing.conformance import Harness
from tests.conformance.postgres import PostgresHarness
from tests.migrations.bench import ENGINES, Bench, all_rows, bench_on, fingerprint

VICTIM = Path(__file__).with_name("victim.py")
ROWS = 300
MOST = 120


class Folder(Entity, table="folders", policies=(Owned(),)):
    user_id: UUID | None = None
    name: str


class OldNote(Entity, table="notes", policies=(Owned(),)):
    user_id: UUID | None = None
    title: Annotated[str, MaxLength(50)]
    kind: Literal["a", "b"] = "a"
    amount: str = "0"
    gone: int
    shelf: UUID | None = None


class NewNote(Entity, table="notes", policies=(Owned(), Index("kind"), Unique("title"))):
    user_id: UUID | None = None
    title: Annotated[str, MaxLength(40)]
    kind: Literal["a", "c"] = "a"
    amount: Annotated[int, Converted("amount")] = 0
    stars: int = 3
    shelf: Annotated[UUID, Ref("folders")] | None = None


async def filled(bench: Bench) -> tuple[Step, ...]:
    """Rows of two tenants; what is to be done with them."""
    await bench.become(Folder, OldNote)
    world = await bench.world()
    for scope in (world.ann, world.bob, world.cleo):
        async with bench.store(Folder, OldNote).session(scope) as session:
            await session.batch(
                [OldNote(title=f"{scope.user_id} {n}"[-45:], amount=str(n), gone=n) for n in range(ROWS // 3)]
            )
    made = bench.plan(Folder, NewNote)
    return (*made.pre, *made.post)


def run_victim(bench: Bench, folder: Path, steps: Sequence[Step], when: int, way: str) -> bool:
    """Whether it came to the end."""
    (folder / "place.json").write_text(json.dumps(place_of(bench)))
    (folder / "steps.json").write_text(json.dumps([describe_step(step) for step in steps]))
    arguments = [str(folder / "place.json"), str(folder / "steps.json"), str(when), way]
    ended = subprocess.run(
        [sys.executable, str(VICTIM), *arguments], check=False, capture_output=True, text=True
    )
    assert ended.returncode in {0, -signal.SIGKILL}, ended.stderr
    return ended.returncode == 0


def place_of(bench: Bench) -> Any:
    """Where the victim finds the medium."""
    if isinstance(bench.engine, SqliteEngine):
        return str(bench.engine.path)
    assert isinstance(bench.harness, PostgresHarness)
    return asdict(bench.harness._logins[bench.engine])


async def until_done(bench: Bench, folder: Path, steps: Sequence[Step], way: str) -> int:
    """Killed again and again, each time a little later; how often."""
    for kill in range(MOST):
        if await asyncio.to_thread(run_victim, bench, folder, steps, kill % 14, way):
            return kill
    raise AssertionError("it never came to an end")


@pytest.fixture(params=["postgres", "sqlite"])
def harness(request: pytest.FixtureRequest) -> Harness:
    return ENGINES[request.param](request)


async def test_whoever_is_killed_goes_on_and_comes_to_the_same_end(
    bench: Bench, harness: Harness, tmp_path: Path
) -> None:
    steps = await filled(bench)
    before = await rows(bench)
    kills = await until_done(bench, tmp_path, steps, "up")
    assert kills > (8 if bench.on_sqlite else 15)
    assert (await bench.engine.applied())["app_0009"]
    async with bench_on(harness) as quiet:
        await quiet.apply(await filled(quiet))
        assert await fingerprint(quiet) == await fingerprint(bench)
    back = undo(steps, bench.declared())
    kills = await until_done(bench, tmp_path, back, "down")
    assert kills > (8 if bench.on_sqlite else 10)
    assert "app_0009" not in await bench.engine.applied()
    assert await bench.findings() == ()
    assert [{name: row[name] for name in before[0]} for row in await rows(bench)] == before


async def rows(bench: Bench) -> list[dict[str, Any]]:
    """What the notes hold, in order."""
    held = [json.loads(text) for text in await all_rows(bench, bench.declared()["app.notes"])]
    return sorted(held, key=lambda row: row["id"])
