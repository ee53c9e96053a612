"""The platform's own jobs, and which jobs there are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from holdfast.accounts.entities import LoginFailures, Tenant
from holdfast.changes.change import OldValue
from holdfast.errors import ConfigurationError, DeclarationError, NotFound
from holdfast.model.ids import new_id
from holdfast.model.job import Job
from holdfast.model.pack import Pack
from holdfast.model.schedule import Every
from holdfast.packs.finance.entities import FinancialAccount
from holdfast.runtime.jobs.known import find_job, jobs_of
from holdfast.runtime.jobs.own import OWN_JOBS, PLAN_GRACE, overdue, seen_since
from holdfast.runtime.jobs.running import Ended, run_now
from holdfast.runtime.jobs.watchdog import Watchdog
from holdfast.runtime.people import all_tenants
from holdfast.sync.entities import Conflict, Device
from holdfast.sync.history import last_before, prunable
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START
from tests.unit.runtime.jobs.conftest import QUICK, Site

PASSWORD = "correct horse battery 1"


async def run(site: Site, name: str) -> Ended:
    job = find_job(site.platform.jobs, name)
    dog = Watchdog(QUICK, None)
    return await run_now(site.platform, job, site.leases(), tell=lambda _: None, watchdog=dog)


class Home:
    """A tenant with one account, whose name changes once a day from `START` on, ten times."""

    def __init__(self, site: Site, tenant: Tenant, user_id: UUID) -> None:
        self.site, self.tenant, self.user_id = site, tenant, user_id
        self.scope = Scope.system(tenant.id, reason="test")
        self.account = new_id()

    async def fill(self) -> None:
        store, clock = self.site.platform.store, self.site.clock
        account = FinancialAccount(id=self.account, user_id=self.user_id, name="0", account_type="other")
        async with store.session(self.scope) as session:
            await session.put(account)
        for day in range(1, 11):
            clock.advance(timedelta(days=1))
            async with store.session(self.scope) as session:
                await session.patch(FinancialAccount, self.account, {"name": str(day)})

    async def history(self) -> list[OldValue]:
        schema = self.site.platform.catalog.schema(FinancialAccount)
        async with self.site.platform.store.engine.begin(self.scope, read_only=True) as tx:
            return await tx.read_history(schema, self.account)

    async def put(self, entity: Any) -> None:
        async with self.site.platform.store.session(self.scope) as session:
            await session.put(entity)


@pytest.fixture
async def home(site: Site) -> Home:
    user = await site.platform.accounts.add_user("ada@example.com", "Ada", PASSWORD)
    (tenant,) = await all_tenants(site.platform.store)
    made = Home(site, tenant, user.user_id)
    await made.fill()
    return made


async def test_what_has_run_out_is_removed(site: Site) -> None:
    async with site.leases().session() as session:
        for age in (-1, 1):
            expires = START + timedelta(hours=age)
            await session.put(LoginFailures(failures=[], expires_at=expires))
    assert (await run(site, "expire-sessions")).report == {"removed": 1}
    assert (await run(site, "expire-sessions")).report == {"removed": 0}


async def test_history_goes_when_it_is_old_and_behind_the_horizon(site: Site, home: Home) -> None:
    site.clock.advance(timedelta(days=360))  # the changes 2 to 5 are older than a year
    assert (await run(site, "prune-history")).report == {"tenants": 1, "removed": 0}
    await run(site, "collect-tombstones")  # no device: all is behind the horizon
    assert (await run(site, "prune-history")).report == {"tenants": 1, "removed": 4}
    assert [old.number for old in await home.history()] == [6, 7, 8, 9, 10, 11]
    assert (await run(site, "prune-history")).report == {"tenants": 1, "removed": 0}


async def test_a_device_and_an_open_conflict_keep_what_they_rest_on(site: Site, home: Home) -> None:
    site.clock.advance(timedelta(days=400))
    device = Device(user_id=home.user_id, name="phone", seen=4, last_seen=site.clock.now)
    await home.put(device)
    conflict = Conflict(
        user_id=home.user_id,
        entity="finance.accounts",
        row_id=home.account,
        number=9,
        base=3,
        reason="both_changed",
        state="open",
    )
    await home.put(conflict)
    assert (await run(site, "collect-tombstones")).report["tenants"] == 1
    assert (await run(site, "prune-history")).report["removed"] == 2
    async with site.platform.store.session(home.scope) as session:
        await session.patch(Conflict, conflict.id, {"state": "resolved"})
    assert (await run(site, "prune-history")).report["removed"] == 1
    assert [old.number for old in await home.history()] == [5, 6, 7, 8, 9, 10, 11]


async def test_the_age_of_a_number_is_found_by_halving(site: Site, home: Home) -> None:
    async with site.platform.store.engine.begin(home.scope, read_only=True) as tx:
        for day in range(-1, 13):
            moment = START + timedelta(days=day, hours=1)
            assert await last_before(tx, 11, moment) == min(11, max(0, day + 1))
            assert await last_before(tx, 4, moment) == min(4, max(0, day + 1))
    assert await prunable(site.platform.store, new_id(), older_than=site.clock.now) == 0


async def test_a_tenant_that_cannot_be_collected_is_named_and_the_others_are(
    site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.platform.accounts.add_user("ben@example.com", "Ben", PASSWORD)
    engine = site.platform.store.engine
    collect = engine.collect

    async def refusing(tenant_id: UUID, horizon: int) -> int:
        if tenant_id == home.tenant.id:
            raise ConfigurationError("there is no maintenance login")
        return await collect(tenant_id, horizon)

    monkeypatch.setattr(engine, "collect", refusing)
    ended = await run(site, "collect-tombstones")
    assert (ended.result, ended.code) == ("failed", "partly_failed")
    assert ended.report["tenants"] == 1
    assert ended.report["problems"] == {home.tenant.slug: "configuration_error"}


async def test_an_engine_without_plans_has_none_to_clean_up(site: Site) -> None:
    ended = await run(site, "clean-up-plans")
    assert ended.report == {"dropped": 0, "why": "nothing to do on this engine"}


def test_plans_are_dropped_when_they_have_been_nobodys_for_long_enough() -> None:
    since = seen_since({}, ["a", "b"], START)
    later = START + PLAN_GRACE - timedelta(seconds=1)
    assert overdue(since, later) == []
    since = seen_since(since, ["b", "c"], later)  # somebody declares a again
    assert overdue(since, later + timedelta(seconds=1)) == ["b"]
    assert overdue(seen_since(since, ["a", "c"], later), later) == []


def test_the_own_jobs_are_there_and_a_name_that_is_wrong_is_guessed() -> None:
    jobs = jobs_of(())
    assert list(jobs) == ["expire-sessions", "collect-tombstones", "prune-history", "clean-up-plans"]
    with pytest.raises(NotFound) as refused:
        find_job(jobs, "prune-histroy")
    assert refused.value.hint == "Did you mean prune-history?"
    with pytest.raises(NotFound) as refused:
        find_job(jobs, "xyz")
    assert "clean-up-plans, collect-tombstones" in refused.value.hint


def test_two_jobs_of_one_name_and_what_is_no_job_are_refused() -> None:
    async def work(_: object) -> None:
        """A job's work."""

    mine = Job("prune-history", work, Every(timedelta(hours=1)), "Prunes.")
    with pytest.raises(DeclarationError, match="one of Holdfast, one of the pack mine"):
        jobs_of([Pack("mine", (), jobs=(mine,))])
    with pytest.raises(DeclarationError, match="tuple of holdfast"):
        jobs_of([Pack("mine", (), jobs=("tidy",))])  # type: ignore[arg-type]
    assert all(job.summary.endswith(".") for job in OWN_JOBS)
