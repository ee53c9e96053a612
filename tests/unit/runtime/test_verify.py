"""Verification: it passes on what is well, finds what is not, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from holdfast.accounts.directory import Directory
from holdfast.accounts.entities import ENTITIES, RealmEvent
from holdfast.engines.memory.engine import MemoryEngine
from holdfast.engines.memory.transaction import MemoryTransaction
from holdfast.engines.port import Inspection
from holdfast.errors import Unavailable
from holdfast.runtime.assembly import Platform, open_platform
from holdfast.runtime.jobs.entities import JobState
from holdfast.runtime.jobs.lease import Leases
from holdfast.runtime.jobs.rules import Timing
from holdfast.runtime.settings import Settings
from holdfast.runtime.status import read_status
from holdfast.runtime.verify import CHECKS, Result, verify_platform
from holdfast.tenancy.scope import Scope


async def verified(settings: Settings) -> tuple[dict[str, Result], Platform]:
    async with open_platform(settings) as platform:
        results = await verify_platform(platform)
        return {result.name: result for result in results}, platform


async def test_a_sound_deployment_passes(memory: Settings) -> None:
    results, _ = await verified(memory)
    outcomes = {name: result.outcome for name, result in results.items()}
    not_checked = {name for name, outcome in outcomes.items() if outcome == "not checked"}
    assert not_checked == {"grants", "api"}
    assert set(outcomes.values()) == {"passed", "not checked"}
    assert list(results) == [*(name for name, _ in CHECKS), "nothing left behind"]
    assert all(result.evidence for result in results.values())


async def test_it_leaves_one_line_in_the_realms_log_and_nothing_else(memory: Settings) -> None:
    async with open_platform(memory) as platform:
        engine = platform.store.engine
        assert isinstance(engine, MemoryEngine)
        await verify_platform(platform)
        await verify_platform(platform)
        directory = Directory(platform.store)
        left = {entity: len(await directory.select_all(entity, {})) for entity in ENTITIES}
        assert {entity: count for entity, count in left.items() if count} == {RealmEvent: 2}
        events = await directory.select_all(RealmEvent, {})
        assert {event.event for event in events} == {"deployment_verified"}
        assert events[0].detail == {"passed": 13, "failed": 0}
        tenants = {name: rows for name, rows in engine.data.tables.items() if not name.startswith("realm.")}
        assert len(tenants.pop("sync.epochs")) == 1  # which store this is, and stays
        assert not any(tenants.values())
        assert not engine.data.changes


async def test_what_a_broken_run_left_is_removed_by_the_next(
    memory: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_platform(memory) as platform:
        with monkeypatch.context() as broken:
            broken.setattr("holdfast.runtime.verify.remove_guests", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                await verify_platform(platform)
        monkeypatch.setattr("holdfast.runtime._guests._STALE", -_hour())
        results = {result.name: result for result in await verify_platform(platform)}
        assert "2 left over from a broken run removed" in results["throw-away people"].evidence
        left = [await Directory(platform.store).select_all(entity, {}) for entity in ENTITIES]
        assert [len(rows) for rows in left if rows] == [1]


async def _interrupted(*_: Any) -> int:
    raise KeyboardInterrupt


def _hour() -> Any:
    from datetime import timedelta

    return timedelta(hours=1)


def blind_to(attribute: str) -> Callable[[pytest.MonkeyPatch], None]:
    """An engine that no longer looks at the tenant or the owner of a row when it reads."""

    def leak(monkeypatch: pytest.MonkeyPatch) -> None:
        honest = MemoryTransaction.get

        async def get(self: MemoryTransaction, schema: Any, row_id: Any) -> Any:
            found = await honest(self, schema, row_id)
            if found is None:
                for (tenant, key), stored in self._engine.table(schema).items():
                    if key == row_id and (attribute == "tenant" or tenant == self._scope.tenant_id):
                        return stored.row
            return found

        monkeypatch.setattr(MemoryTransaction, "get", get)

    return leak


@pytest.mark.parametrize(
    ("leak", "found_by"),
    [(blind_to("tenant"), "isolation of tenants"), (blind_to("owner"), "isolation of owners")],
    ids=["tenant", "owner"],
)
async def test_an_engine_that_leaks_is_found_out(
    memory: Settings,
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[pytest.MonkeyPatch], None],
    found_by: str,
) -> None:
    leak(monkeypatch)
    results, _ = await verified(memory)
    assert results[found_by].outcome == "failed"
    assert "a stranger reads the row" in results[found_by].evidence
    assert results["nothing left behind"].outcome == "passed"


async def test_findings_about_the_medium_are_told_apart(
    memory: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inspect(*_: Any) -> Inspection:
        return Inspection({}, ("finance.scenarios: the table is missing",))

    monkeypatch.setattr(MemoryEngine, "inspect", inspect)
    results, _ = await verified(memory)
    assert results["schema"].outcome == "failed"
    assert results["schema"].evidence == "finance.scenarios: the table is missing"


async def test_where_nothing_can_be_removed_nothing_is_written(
    memory: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise Unavailable("no maintenance login")

    monkeypatch.setattr(MemoryEngine, "forget_tenant", refuse)
    async with open_platform(memory) as platform:
        results = {result.name: result for result in await verify_platform(platform)}
        assert results["throw-away people"].outcome == "failed"
        for name in ("round trip", "login", "api", "nothing left behind"):
            assert results[name].outcome == "not checked"
        assert [await Directory(platform.store).select_all(entity, {}) for entity in ENTITIES] == [[]] * 9


async def test_a_server_that_does_not_answer_fails(memory: Settings) -> None:
    async with open_platform(memory) as platform:
        results = await verify_platform(platform, url="http://127.0.0.1:9")
    api = next(result for result in results if result.name == "api")
    assert api.outcome == "failed"
    assert api.evidence == "GET /health: no answer (URLError)"


async def test_a_scope_of_the_realm_is_needed_to_read_what_stays(memory: Settings) -> None:
    async with open_platform(memory) as platform:
        await verify_platform(platform)
        async with platform.store.session(Scope.realm(reason="test")) as session:
            assert len((await session.select(RealmEvent, {"event": "deployment_verified"})).items) == 1


async def test_a_job_that_fails_or_that_nobody_runs_is_told(memory: Settings) -> None:
    async with open_platform(memory) as platform:
        leases = Leases(platform.store, Timing())
        states = await leases.states(platform.jobs.values())
        long_ago = platform.store.clock() - timedelta(days=2)
        async with leases.session() as session:
            await session.patch(JobState, states["expire-sessions"].id, {"failures": 3})
            await session.patch(JobState, states["prune-history"].id, {"next_at": long_ago})
        results = {result.name: result for result in await verify_platform(platform)}
        assert results["jobs"].outcome == "failed"
        assert "failing: expire-sessions; overdue: prune-history" in results["jobs"].evidence
        assert (await read_status(platform))["jobs"]["overdue"] == ["prune-history"]
