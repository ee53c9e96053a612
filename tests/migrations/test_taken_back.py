"""What is refused on the way back changes nothing; what was interrupted there is gone on with, or brought back."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import pytest

from holdfast.engines.port import Control
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.errors import NotFound, SchemaError
from holdfast.migrations import migrate
from holdfast.migrations.migrate import State
from holdfast.migrations.revision import Revision
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength
from holdfast.model.planning import plan
from holdfast.model.policies import Shared, Unique
from holdfast.model.steps import NarrowField, Step, replay, undo
from tests.migrations.bench import BASE, Bench, catalog, fingerprint, of_app
from tests.unit.model.declaring import declare

Short, Long = Annotated[str, MaxLength(5)], Annotated[str, MaxLength(50)]


def notes(*policies: Any, **fields: Any) -> Any:
    return declare(*(policies or (Shared(),)), table="notes", **fields)


LIVES: tuple[type[Entity], ...] = (
    notes(title=Short, text=(str, "")),
    notes(title=Long, text=(str, ""), n=(int, 1)),
    notes(title=Long, text=(str, ""), n=(int, 1), m=(int, 1)),
    notes(title=Long, n=(int, 1), m=(int, 1)),
)
NEW = LIVES[-1]


class Kit(Revision):
    """What the bench stands on."""

    __slots__ = ()

    @property
    def checksum(self) -> str:
        return "kit"


class Chain:
    """The revisions that lead through declarations, on a bench."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, *lives: type[Entity]) -> None:
        self.bench, self.lives = bench, lives
        self.revisions: list[Revision] = []
        self.catalog: Catalog = catalog(*lives[-1:])
        steps: list[Step] = []
        for life in lives:
            made = plan(of_app_now(steps), of_app(catalog(life)))
            name = f"app_{len(self.revisions) + 1:04}"
            self.revisions.append(Revision(name, "app", name, (*made.pre, *made.post)))
            steps += self.revisions[-1].steps
        kit = Kit("kit", "kit", "", BASE)
        monkeypatch.setattr(migrate, "revisions_of", lambda *_, **__: [kit, *self.revisions])

    async def up(self, **control: Any) -> list[str]:
        return await migrate.up(self.bench.engine, (), self.catalog, control=Control(**control))

    async def down(self, to: str | None = None, **control: Any) -> list[str]:
        return await migrate.down(
            self.bench.engine, (), self.catalog, branch="app", to=to, control=Control(**control)
        )

    async def states(self) -> list[State]:
        found = await migrate.read_status(self.bench.engine, self.revisions)
        return [entry.state for entry in found if entry.branch == "app"]


def of_app_now(steps: list[Step]) -> list[Any]:
    return [schema for schema in replay(steps).values() if schema.pack == "app"]


@pytest.fixture
async def chain(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Chain:
    made = Chain(bench, monkeypatch, *LIVES)
    await made.up()
    return made


async def write(bench: Bench, **values: Any) -> tuple[Any, Any]:
    scope = (await bench.world()).ann
    row = NEW(**values)
    async with bench.store(NEW).session(scope) as session:
        await session.put(row)
    return scope, row.id


async def test_a_row_in_the_way_of_the_oldest_is_found_before_the_newest_is_taken_back(
    bench: Bench, chain: Chain
) -> None:
    scope, row_id = await write(bench, title="longer than five")
    before = await fingerprint(bench)
    with pytest.raises(
        SchemaError, match=r"1 rows of app\.notes hold in title what it will not take"
    ) as error:
        await chain.down("app_0002")
    assert "Nothing was changed." in str(error.value.hint)
    assert await fingerprint(bench) == before
    assert await chain.states() == [State.APPLIED] * 4
    assert await chain.up() == []
    async with bench.store(NEW).session(scope) as session:
        await session.patch(NEW, row_id, {"title": "short"})
    assert await chain.down("app_0002") == ["app_0004", "app_0003", "app_0002"]
    assert await chain.up() == ["app_0002", "app_0003", "app_0004"]
    assert await bench.findings(of_app(chain.catalog)) == ()


async def test_a_column_that_stands_aside_is_looked_at_where_it_stands(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the last revision set aside comes back, and only then would be found to be absent."""
    one, loose = notes(title=Long, kept=UUID), notes(title=Long, kept=(UUID | None, None))
    chain = Chain(bench, monkeypatch, one, loose, notes(title=Long, n=(int, 1)))
    await chain.up()
    scope = (await bench.world()).ann
    now = notes(title=Long, n=(int, 1))
    async with bench.store(now).session(scope) as session:
        await session.put(now(title="since then"))
    before = await fingerprint(bench)
    with pytest.raises(SchemaError, match=r"1 rows of app\.notes hold nothing in kept"):
        await chain.down("app_0002")
    assert await fingerprint(bench) == before


async def test_a_table_with_rows_is_found_before_anything_is_taken_back(bench: Bench, chain: Chain) -> None:
    await write(bench, title="short")
    before = await fingerprint(bench)
    with pytest.raises(SchemaError, match="holds rows"):
        await chain.down("app_0001")
    assert await fingerprint(bench) == before
    assert len(await chain.down("app_0001", force=True)) == 4
    assert len(await chain.up()) == 4


async def test_rows_in_the_way_of_what_is_pending_are_found_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(bench, monkeypatch, notes(title=Long))
    await chain.up()
    scope = (await bench.world()).ann
    now = notes(title=Long)
    async with bench.store(now).session(scope) as session:
        await session.batch([now(title="same"), now(title="same")])
    before = await fingerprint(bench)
    strict = notes(Shared(), Unique("title"), title=Long, m=(int, 1))
    longer = Chain(bench, monkeypatch, notes(title=Long), notes(title=Long, m=(int, 1)), strict)
    with pytest.raises(SchemaError, match=r"2 rows of app\.notes hold the same title") as error:
        await longer.up()
    assert "Nothing was changed." in str(error.value.hint)
    assert await fingerprint(bench) == before


def interrupt(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Nothing is foreseen: the rows come while it is under way."""

    async def blind(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr(type(bench.engine), "foresee", blind)


@pytest.mark.parametrize("way", ["on", "back"])
async def test_what_is_half_taken_back_is_shown_and_gone_on_with_or_abandoned(
    bench: Bench, chain: Chain, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if bench.on_memory:
        pytest.skip("what is in memory is not interrupted")
    before = await fingerprint(bench)
    scope, row_id = await write(bench, title="longer than five")
    with monkeypatch.context() as patched:
        interrupt(patched, bench)
        with pytest.raises(SchemaError, match="will not take") as error:
            await chain.down("app_0002")
    hint = str(error.value.hint)
    assert "app_0004, app_0003 are taken back; app_0002 is half taken back" in hint
    assert "`holdfast migrate up` brings it back" in hint
    assert "Nothing was changed" not in hint
    assert await chain.states() == [State.APPLIED, State.HALF_BACK, State.PENDING, State.PENDING]
    assert await migrate.interrupted(bench.engine) == ["app_0002"]
    with pytest.raises(SchemaError, match="will not take"):
        await chain.down("app_0002")
    if way == "back":
        assert await chain.up() == ["app_0002", "app_0003", "app_0004"]
    else:
        async with bench.store(NEW).session(scope) as session:
            pass
        await mend(bench)
        assert await chain.down("app_0002") == ["app_0002"]
        assert await chain.up() == ["app_0002", "app_0003", "app_0004"]
    assert await chain.states() == [State.APPLIED] * 4
    assert await migrate.interrupted(bench.engine) == []
    assert await bench.findings(of_app(chain.catalog)) == ()
    assert await fingerprint(bench) == before
    async with bench.store(NEW).session(scope) as session:
        found = await session.get(NEW, row_id)
    assert found.title.startswith("longer" if way == "back" else "short")  # type: ignore[attr-defined]


async def mend(bench: Bench) -> None:
    """Past the store, whose code is not there for a half-way schema."""
    if isinstance(bench.engine, SqliteEngine):
        await bench.engine.maintained(
            lambda raw: raw.execute("update app__notes set title = 'short'").rowcount
        )
        return
    async with bench.behind() as other:
        await other.execute("set session_replication_role = replica; update app.notes set title = 'short'")


async def test_what_is_half_applied_is_shown_and_gone_on_with(
    bench: Bench, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bench.on_memory:
        pytest.skip("what is in memory is not interrupted")
    await write(bench, title="longer than five")
    with monkeypatch.context() as patched:
        interrupt(patched, bench)
        narrow = Chain(bench, patched, *LIVES, notes(title=Short, n=(int, 1), m=(int, 1), q=(int, 1)))
        with pytest.raises(SchemaError, match="will not take") as error:
            await narrow.up()
        assert "app_0005 is half applied" in str(error.value.hint)
        assert (await narrow.states())[-1] is State.HALF_APPLIED
        assert await migrate.interrupted(bench.engine) == ["app_0005"]
        await mend(bench)
        assert await narrow.up() == ["app_0005"]
        assert (await narrow.states())[-1] is State.APPLIED


async def test_a_step_that_is_refused_at_once_leaves_no_trace(bench: Bench, chain: Chain) -> None:
    await write(bench, title="longer than five")
    await chain.down("app_0003")
    revision = chain.revisions[1]
    back = undo(revision.steps, replay(chain.revisions[0].steps))
    back = tuple(step for step in back if isinstance(step, NarrowField))
    with pytest.raises(SchemaError, match="will not take"):
        await bench.engine.revert(back, revision="app_0002")
    assert await chain.states() == [State.APPLIED, State.APPLIED, State.PENDING, State.PENDING]


async def test_a_revision_that_is_not_there_is_not_taken_back(chain: Chain) -> None:
    with pytest.raises(NotFound):
        await chain.down("app_0009")
