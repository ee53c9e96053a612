"""Devices around a hub, step by random step, and then what must hold of them: see `sync_checkers.py`.

The same machine runs on the memory engine, on SQLite and on PostgreSQL. In it a device is the model of the WatermelonDB client, which
its own tests hold against the real one.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from holdfast.engines.port import Engine
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.testing.conformance import Harness, first_revision
from holdfast.testing.memory import MemoryHarness
from tests.conformance.postgres import PostgresHarness
from tests.conformance.sqlite import SqliteHarness
from tests.machines import count_operations, repeatable
from tests.machines import examples as lengthened
from tests.property.sync_entities import CATALOG
from tests.property.sync_histories import (
    Broken,
    Held,
    Local,
    Reinstall,
    Resend,
    Rest,
    Server,
    Step,
    Sync,
    local_steps,
    rest_steps,
    rigs,
    syncs,
)
from tests.property.sync_world import World

_examples = itertools.count()
_events = st.sampled_from(
    ["collect", "forget", "epoch", "back_up", "later", "later", "earlier", "promote", "demote", "upgrade"]
)


class SyncMachine(RuleBasedStateMachine):
    """One world, and everything that may happen in it."""

    runner: asyncio.Runner
    harness: Harness
    engine: Engine | None
    operations = 0
    """Steps carried out, those in the middle of a synchronisation with them; not what heals a history at its end."""

    @initialize()
    def begin(self) -> None:
        self.failed = False
        # A memory engine costs nothing; a database is made once, and each history has a tenant of its own in it.
        engine = self.engine or self.runner.run(self.harness.make_engine(first_revision(CATALOG)))
        self.world = World(self.harness, engine, next(_examples))
        self.run_in_loop(self.world.begin())

    def run_in_loop(self, work: Any) -> None:
        self.failed, before = True, self.failed
        self.runner.run(work)
        self.failed = before

    def do(self, step: Step) -> None:
        self.run_in_loop(step.apply(self.world))
        inner = step.at if isinstance(step, Sync) else ()
        type(self).operations += 1 + sum(len(steps) for _, steps in inner)

    @rule(step=local_steps())
    def edit(self, step: Local) -> None:
        self.do(step)

    @rule(step=local_steps())
    def edit_more(self, step: Local) -> None:
        self.do(step)

    @rule(step=syncs())
    def sync(self, step: Sync) -> None:
        self.do(step)

    @rule(step=syncs())
    def sync_more(self, step: Sync) -> None:
        self.do(step)

    @rule(step=rest_steps())
    def rest(self, step: Rest) -> None:
        self.do(step)

    @rule(step=st.builds(Held, rigs, rigs))
    def hold(self, step: Held) -> None:
        self.do(step)

    @rule(step=st.builds(Broken, rigs) | st.builds(Reinstall, rigs))
    def lose(self, step: Broken | Reinstall) -> None:
        self.do(step)

    @rule(step=st.builds(Resend, rigs, st.integers(0, 5)))
    def resend(self, step: Resend) -> None:
        self.do(step)

    @rule(step=st.builds(Server, _events))
    def serve(self, step: Server) -> None:
        self.do(step)

    def teardown(self) -> None:
        if hasattr(self, "world") and not self.failed:
            self.runner.run(self.world.finish())


def run_machine(harness: Harness, *, examples: int, steps_each: int) -> None:
    """Run the machine on one engine, on one event loop."""
    with asyncio.Runner() as runner:
        steps = first_revision(CATALOG)
        engine = None if isinstance(harness, MemoryHarness) else runner.run(harness.make_engine(steps))

        class Machine(SyncMachine):
            pass

        Machine.runner, Machine.harness, Machine.engine = runner, harness, engine
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=lengthened(examples),
                    stateful_step_count=steps_each,
                    deadline=None,
                    derandomize=repeatable(),
                    database=None,
                    # Shrinking such histories takes minutes; run with more examples to find a shorter one.
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            count_operations(Machine.operations)
            if engine is not None:
                runner.run(harness.close(engine))


def test_devices_meet_on_the_memory_engine() -> None:
    run_machine(MemoryHarness(), examples=200, steps_each=20)


def test_devices_meet_on_sqlite(tmp_path: Path) -> None:
    run_machine(SqliteHarness(tmp_path), examples=40, steps_each=20)


def test_devices_meet_on_postgres(wheel_server: EmbeddedServer) -> None:
    run_machine(PostgresHarness(wheel_server), examples=40, steps_each=20)
