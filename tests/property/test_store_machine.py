"""Sessions of several people, step by random step, on an engine and on the memory engine beside it.

The memory engine is the model: after each step both have told the same, and both hold the same rows, salts, log, history and
heads. Beyond that, what must hold of any log is checked by itself: no gap, and every commitment opens.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid5

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from holdfast.changes.change import Change, canonical, commitment, value_hash
from holdfast.engines.memory.engine import DYNAMODB_LIMITS
from holdfast.engines.port import Engine
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.errors import HoldfastError
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity
from holdfast.model.plain import encode_row
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import ManualClock
from holdfast.testing.conformance import Harness, World, first_revision
from holdfast.testing.conformance.entities import CATALOG
from holdfast.testing.conformance.store.history import replay
from holdfast.testing.memory import MemoryHarness
from holdfast.testing.planned import PlannedMemoryEngine
from tests.conformance.postgres import PostgresHarness
from tests.conformance.sqlite import SqliteHarness
from tests.machines import examples as lengthened
from tests.machines import repeatable
from tests.property.store_steps import (
    ENTITIES,
    IDS,
    NAMES,
    USERS,
    List,
    Step,
    commits,
    first_rows,
    lists,
    removals,
)

scopes = st.sampled_from(["ann", "ann", "bob", "everyone", "cleo", "strangers", "viewer"])
_examples = itertools.count()


class Salts:
    """Salts that are the same on both sides: the randomness of rows, made to repeat."""

    def __init__(self) -> None:
        self._step = self._turn = 0

    def begin(self, step: int) -> None:
        self._step, self._turn = step, 0

    def __call__(self) -> bytes:
        self._turn += 1
        return hashlib.sha256(b"%d %d" % (self._step, self._turn)).digest()[:16]


class Side:
    """One engine with a store on it, and the same people as on the other side."""

    def __init__(self, harness: Harness, engine: Engine, example: int) -> None:
        ours, theirs = (uuid5(NAMES, f"{name} {example}") for name in ("ours", "theirs"))
        self.scopes = {
            "ann": Scope(ours, Role.MEMBER, USERS["ann"], device="phone"),
            "bob": Scope(ours, Role.MEMBER, USERS["bob"]),
            "everyone": Scope.system(ours, reason="a test"),
            "viewer": Scope(ours, Role.VIEWER, USERS["bob"]),
            "cleo": Scope(theirs, Role.ADMIN, USERS["cleo"]),
            "strangers": Scope.system(theirs, reason="a test"),
        }
        ann, bob, everyone = (self.scopes[name] for name in ("ann", "bob", "everyone"))
        cleo, strangers = self.scopes["cleo"], self.scopes["strangers"]
        self.world = World(harness, engine, ann, bob, everyone, cleo, strangers)
        self.clock = ManualClock()
        self.store = Store(engine, CATALOG, cursor_secret=b"the same on both", clock=self.clock)

    async def make_people(self) -> None:
        harness, engine = self.world.harness, self.world.engine
        for name, scope in (("ann", self.scopes["ann"]), ("cleo", self.scopes["cleo"])):
            await harness.make_tenant(engine, scope.tenant_id)
            await harness.make_member(engine, scope.tenant_id, USERS[name])
        await harness.make_member(engine, self.scopes["ann"].tenant_id, USERS["bob"])

    async def commit(self, name: str, writes: list[Step]) -> Any:
        async with self.store.session(self.scopes[name]) as s:
            receipts = [await write.apply(s) for write in writes]
        return [
            (r.outcome.version, r.outcome.number, r.entity and (r.entity.version, r.entity.updated_at))
            for r in receipts
        ]

    async def together(self, sessions: list[tuple[str, list[Step]]]) -> Any:
        return await asyncio.gather(*(told(self.commit(name, writes)) for name, writes in sessions))

    async def get(self, name: str, entity: type[Entity], place: int) -> Any:
        async with self.store.session(self.scopes[name]) as s:
            found = await s.find(entity, IDS[entity][place])
        return None if found is None else _plain(entity, found.__dict__)

    async def page_through(self, name: str, wanted: List) -> Any:
        rows: list[Any] = []
        after: str | None = None
        async with self.store.session(self.scopes[name]) as s:
            while True:
                page = await s.select(
                    wanted.entity, wanted.where, sort=wanted.sort, limit=wanted.limit, after=after
                )
                rows += [[_plain(wanted.entity, item.__dict__) for item in page.items], page.next]
                after = page.next
                if after is None:
                    return rows

    async def state(self, name: str, *, after: int) -> dict[str, Any]:
        """Everything that a tenant holds, and its log behind `after`."""
        world, scope = self.world, self.scopes[name]
        async with world.engine.begin(scope, read_only=True) as tx:
            state: dict[str, Any] = {
                "head": (await tx.marks()).head,
                "changes": await tx.read_changes(after, limit=1_000),
            }
            for entity in ENTITIES:
                graves = await tx.find_tombstones(CATALOG.schema(entity), IDS[entity])
                state[f"tombstones of {entity.table}"] = sorted(graves, key=lambda grave: grave.number)
                found = await tx.batch_get(CATALOG.schema(entity), IDS[entity])
                state[entity.table] = [
                    stored and (_plain(entity, stored.row), stored.salt) for stored in found
                ]
            for change in state["changes"]:
                schema = CATALOG.schema(change.entity)
                old = await tx.read_history(schema, change.row_id)
                state[f"{change.entity} {change.row_id}"] = sorted(old, key=lambda v: (v.number, v.field))
        return state


class StoreMachine(RuleBasedStateMachine):
    """The model and the subject, side by side."""

    runner: asyncio.Runner
    engines: tuple[tuple[Harness, Engine], tuple[Harness, Engine]]

    @initialize()
    def begin(self) -> None:
        example = next(_examples)
        self.sides = [Side(harness, engine, example) for harness, engine in self.engines]
        for side in self.sides:
            self.runner.run(side.make_people())
        self.salts, self.step = Salts(), 0
        self.seen = {"everyone": 0, "strangers": 0}
        self.log: dict[str, list[Change]] = {"everyone": [], "strangers": []}
        self.patching = patch("holdfast.store._prepare.new_salt", self.salts)
        self.patching.start()
        for session in first_rows():
            self.carry_out(session)

    def both(self, act: Callable[[Side], Awaitable[Any]]) -> list[Any]:
        """Do it on both sides, with the same salts; what they tell must be the same."""
        self.step += 1
        results = []
        for side in self.sides:
            self.salts.begin(self.step)
            results.append(self.runner.run(told(act(side))))
        model, subject = results
        assert subject == model
        return results

    def compare(self, *, grouping: bool = True) -> None:
        """Both hold the same. Which writes share a flush is compared where it does not depend on timing."""
        self.alike = False
        for name in ("everyone", "strangers"):
            model, subject = (self.runner.run(s.state(name, after=self.seen[name])) for s in self.sides)
            assert [c.number for c in subject["changes"]] == list(
                range(self.seen[name] + 1, subject["head"] + 1)
            )
            if not grouping:
                for state in (model, subject):
                    state["changes"] = [_without_group(change) for change in state["changes"]]
            assert subject == model
            self.log[name] += subject["changes"]
            self.seen[name] = subject["head"]
        self.alike = True

    @rule(session=removals())
    def remove(self, session: tuple[str, list[Step]]) -> None:
        self.carry_out(session)

    @rule(session=commits(most=3))
    def commit(self, session: tuple[str, list[Step]]) -> None:
        self.carry_out(session)

    def carry_out(self, session: tuple[str, list[Step]]) -> None:
        self.both(lambda side: side.commit(*session))
        self.compare()

    @rule(sessions=st.lists(commits(most=2), min_size=2, max_size=5))
    def commit_together(self, sessions: list[tuple[str, list[Step]]]) -> None:
        self.both(lambda side: side.together(sessions))
        self.compare(grouping=False)

    @rule(name=scopes, entity=st.sampled_from(ENTITIES), place=st.integers(0, 3))
    def get(self, name: str, entity: type[Entity], place: int) -> None:
        self.both(lambda side: side.get(name, entity, place))

    @rule(name=scopes, wanted=lists())
    def page_through(self, name: str, wanted: List) -> None:
        self.both(lambda side: side.page_through(name, wanted))

    @rule(seconds=st.integers(-100, 100), micros=st.integers(0, 3))
    def tick(self, seconds: int, micros: int) -> None:
        for side in self.sides:
            side.clock.advance(timedelta(seconds=seconds, microseconds=micros))

    def teardown(self) -> None:
        if not hasattr(self, "patching"):
            return
        self.patching.stop()
        for name, changes in self.log.items() if self.alike else ():
            self.runner.run(self._open_commitments(name, changes))

    async def _open_commitments(self, name: str, changes: list[Change]) -> None:
        """Each change's commitment is that of the values that its row and history say it left."""
        world = self.sides[1].world
        if name == "strangers":
            world = World(
                world.harness,
                world.engine,
                world.cleo,
                world.cleo,
                world.strangers,
                world.ann,
                world.everyone,
            )
        for (entity, row_id), life in _last_lives(changes).items():
            declared = CATALOG.entity(CATALOG.schema(entity))
            salt, states = await replay(world, declared, row_id, life)
            for change, state in zip(life, states, strict=True):
                hashes = {field: value_hash(state[field]) for field in change.fields}
                assert change.commitment == commitment(salt, change.version, hashes)


async def told(work: Awaitable[Any]) -> Any:
    """What it returns, or the code of Holdfast's error."""
    try:
        return await work
    except HoldfastError as error:
        return "error", error.code


def _plain(entity: type[Entity], row: dict[str, Any]) -> bytes:
    return canonical(encode_row(CATALOG.schema(entity), row))


def _without_group(change: Change) -> Change:
    return replace(change, flush_end=0)


def _last_lives(changes: list[Change]) -> dict[tuple[str, UUID], list[Change]]:
    """Each row's changes since it was last created."""
    lives: dict[tuple[str, UUID], list[Change]] = {}
    for change in changes:
        key = (change.entity, change.row_id)
        if change.version == 1:
            lives[key] = []
        lives[key].append(change)
    return lives


def run_machine(model: Harness, subject: Harness, *, examples: int, steps_each: int) -> None:
    """Run the machine for two harnesses, on one event loop."""
    with asyncio.Runner() as runner:
        engines = [(h, runner.run(h.make_engine(first_revision(CATALOG)))) for h in (model, subject)]

        class Machine(StoreMachine):
            pass

        Machine.runner, Machine.engines = runner, (engines[0], engines[1])
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=lengthened(examples),
                    stateful_step_count=steps_each,
                    deadline=None,
                    derandomize=repeatable(),
                    database=None,
                    # On a real engine, shrinking takes minutes; run with more examples to find a shorter story.
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            for harness, engine in engines:
                runner.run(harness.close(engine))


def test_plans_do_what_the_general_path_does() -> None:
    run_machine(MemoryHarness(), MemoryHarness(PlannedMemoryEngine), examples=25, steps_each=25)


def test_the_memory_engine_does_the_same_within_dynamo_limits() -> None:
    run_machine(MemoryHarness(), MemoryHarness(limits=DYNAMODB_LIMITS), examples=8, steps_each=25)


def test_postgres_does_what_the_memory_engine_does(postgres_server: EmbeddedServer) -> None:
    run_machine(MemoryHarness(), PostgresHarness(postgres_server), examples=12, steps_each=25)


def test_sqlite_does_what_the_memory_engine_does(tmp_path: Path) -> None:
    run_machine(MemoryHarness(), SqliteHarness(tmp_path), examples=20, steps_each=25)


def test_sqlite_in_memory_does_what_the_memory_engine_does() -> None:
    run_machine(MemoryHarness(), SqliteHarness(), examples=8, steps_each=25)
