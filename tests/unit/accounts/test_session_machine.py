"""Sessions and refresh families over any history, against a model of a few lines."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import ENTITIES
from holdfast.accounts.grant import Grant
from holdfast.accounts.log import Event
from holdfast.engines.port import Engine
from holdfast.errors import NotAuthenticated
from holdfast.identity.principal import Principal, Role
from holdfast.model.catalog import Catalog
from holdfast.store.store import Store
from tests.accounts_fixtures import (
    ADA,
    GRACE,
    PASSWORD,
    Clock,
    Realm,
    SuspendingEngine,
    memory_engine,
    outcome,
)
from tests.machines import examples

T = TypeVar("T")
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
OWN, ACME = "own", "acme"


@dataclass
class Access:
    """An access token: its tenant, which of Ada's memberships it is of, and its end."""

    token: str
    tenant: str
    membership: int
    ends: datetime


@dataclass
class Login:
    """A login: its refresh tokens by number, the last of which is the live one."""

    began: datetime
    used: datetime
    tenant: str
    refresh: list[str]
    access: list[Access] = field(default_factory=list)
    rotated: datetime | None = None
    over: bool = False


class SessionMachine(RuleBasedStateMachine):
    """Ada logs in, refreshes, switches, logs out, is deactivated, and belongs to Grace's tenant or does not."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.logins: list[Login] = []
        self.active = True
        self.role: Role | None = None
        self.membership = 0
        self.replays = 0
        self.settled = self.clock.now()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @initialize(seed=st.integers(0, 1_000))
    def begin(self, seed: int) -> None:
        engine = SuspendingEngine(self.run(memory_engine()), seed=seed)
        catalog = Catalog({"realm": ENTITIES})
        store = Store(cast("Engine", engine), catalog, cursor_secret=b"c" * 32, clock=self.clock.now)
        self.realm = Realm(store, self.clock, Path(self.folder.name))
        self.here, self.there = self.realm.serve(), self.realm.serve()
        self.run(self.here.add_user(ADA, "Ada", PASSWORD))
        self.run(self.here.add_user(GRACE, "Grace", PASSWORD))
        self.run(self.here.add_tenant("Acme", GRACE))

    def teardown(self) -> None:
        for accounts in self.realm.served if hasattr(self, "realm") else []:
            self.run(accounts.aclose())
        self.runner.close()
        self.folder.cleanup()

    # -- what the model says --------------------------------------------------------------------------------------

    def may_enter(self, tenant: str) -> bool:
        return self.active and (tenant == OWN or self.role is not None)

    def stands(self, login: Login) -> bool:
        return not login.over and self.clock.now() < login.began + 30 * DAY

    def refreshes(self, login: Login) -> bool:
        return self.stands(login) and self.clock.now() < login.used + 7 * DAY

    def granted(self, login: Login, grant: Grant, tenant: str) -> None:
        now = self.clock.now()
        ends = min(now + DAY, login.began + 30 * DAY)
        assert now + grant.expires_in * SECOND == ends
        login.access.append(Access(grant.access_token, tenant, 0 if tenant == OWN else self.membership, ends))

    # -- what happens ---------------------------------------------------------------------------------------------

    # Who is deactivated fails, and is locked after five times: that has tests of its own.
    @precondition(lambda self: self.active)
    @rule(tenant=st.sampled_from([OWN, ACME]))
    def log_in(self, tenant: str) -> None:
        name = None if tenant == OWN else ACME
        grant = self.run(outcome(self.here.login(ADA, PASSWORD, tenant=name)))
        assert isinstance(grant, Grant) is self.may_enter(tenant)
        if isinstance(grant, Grant):
            now = self.clock.now()
            login = Login(now, now, tenant, [grant.refresh_token or ""])
            self.granted(login, grant, tenant)
            self.logins.append(login)

    @precondition(lambda self: self.logins)
    @rule(data=st.data(), at_once=st.sampled_from([1, 1, 1, 2, 7]))
    def refresh(self, data: st.DataObject, at_once: int) -> None:
        login = data.draw(st.sampled_from(self.logins[-4:]))
        back = data.draw(st.integers(0, min(2, len(login.refresh) - 1)))
        number = len(login.refresh) - 1 - back
        now, before = self.clock.now(), self.refreshes(login)
        in_grace = back == 1 and login.rotated is not None and now < login.rotated + 30 * SECOND
        results = self.run(self._refreshed(login.refresh[number], at_once))
        if before and (back == 0 or in_grace) and self.may_enter(login.tenant):
            grants = [result for result in results if isinstance(result, Grant)]
            assert len(grants) == at_once
            [successor] = {grant.refresh_token or "" for grant in grants}
            if back == 0:
                login.refresh.append(successor)
                login.rotated = login.used = now
            assert successor == login.refresh[-1]
            self.granted(login, grants[0], login.tenant)
            return
        assert all(isinstance(result, NotAuthenticated) for result in results)
        if before and back > 0 and not in_grace:
            login.over, self.settled = True, now
            self.replays += 1

    async def _refreshed(self, token: str, at_once: int) -> list[object]:
        processes = [self.here, self.there]
        calls = [outcome(processes[n % 2].refresh(token)) for n in range(at_once)]
        return list(await asyncio.gather(*calls))

    @precondition(lambda self: self.logins)
    @rule(data=st.data(), tenant=st.sampled_from([OWN, ACME]))
    def switch(self, data: st.DataObject, tenant: str) -> None:
        principal, login = self._principal(data)
        if principal is None:
            return
        name = ACME if tenant == ACME else self.own_id(principal)
        result = self.run(outcome(self.here.switch(principal, name)))
        assert isinstance(result, Grant) is self.may_enter(tenant)
        if isinstance(result, Grant):
            assert result.refresh_token is None
            login.tenant = tenant
            self.granted(login, result, tenant)

    def own_id(self, principal: Principal) -> str:
        [own] = [t for t in self.run(self.here.tenants(principal.user_id)) if t.personal]
        return str(own.id)

    @precondition(lambda self: self.logins)
    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        principal, login = self._principal(data)
        if principal is not None:
            self.run(self.here.logout(principal))
            login.over, self.settled = True, self.clock.now()

    def _principal(self, data: st.DataObject) -> tuple[Principal | None, Login]:
        login = data.draw(st.sampled_from(self.logins[-4:]))
        for access in login.access:
            if self.holds(login, access):
                return self.run(self.here.authenticate(access.token)), login
        return None, login

    @rule(active=st.booleans())
    def set_active(self, active: bool) -> None:
        self.run(self.here.set_active(ADA, active=active))
        self.active, self.settled = active, self.clock.now()
        for login in self.logins:
            login.over |= not active

    @rule(role=st.sampled_from([Role.VIEWER, Role.ADMIN]))
    def take_in(self, role: Role) -> None:
        self.run(self.here.add_member(ACME, ADA, role))
        self.role, self.settled = role, self.clock.now()

    @precondition(lambda self: self.role is not None)
    @rule()
    def send_away(self) -> None:
        self.run(self.here.remove_member(ACME, ADA))
        self.role, self.settled = None, self.clock.now()
        self.membership += 1

    @rule(seconds=st.sampled_from([1, 4, 5, 29, 30, 31, 3_600, 86_399, 86_400, 6 * 86_400, 7 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    # -- what always holds ----------------------------------------------------------------------------------------

    def holds(self, login: Login, access: Access) -> bool:
        current = access.tenant == OWN or access.membership == self.membership
        in_time = self.clock.now() < access.ends
        return self.stands(login) and in_time and self.may_enter(access.tenant) and current

    @invariant()
    def access_tokens_hold_as_the_model_says(self) -> None:
        for login in self.logins[-4:]:
            for access in login.access[-3:]:
                expected = self.holds(login, access)
                self._check(self.here, access, expected=expected)
                if self.clock.now() >= self.settled + 5 * SECOND:
                    self._check(self.there, access, expected=expected)

    def _check(self, process: Accounts, access: Access, *, expected: bool) -> None:
        result = self.run(outcome(process.authenticate(access.token)))
        assert isinstance(result, Principal) is expected
        if isinstance(result, Principal):
            assert result.role is (Role.OWNER if access.tenant == OWN else self.role)

    @invariant()
    def each_replay_is_reported_once(self) -> None:
        if hasattr(self, "realm"):
            assert len(self.run(self.realm.events(Event.REFRESH_REPLAYED))) == self.replays


SessionMachine.TestCase.settings = settings(max_examples=examples(30), stateful_step_count=30, deadline=None)
TestSessions = SessionMachine.TestCase
