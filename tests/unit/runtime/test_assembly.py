"""The composition root, on a store that forgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast import Entity, InvalidInput, Pack, Scope, Shared, new_id, open_store
from holdfast.errors import ConfigurationError, Duplicate, Forbidden, IsolationTooWeak, NotFound
from holdfast.packs.finance.entities import FinancialAccount
from holdfast.runtime.assembly import open_platform
from holdfast.runtime.demo import make_demo
from holdfast.runtime.settings import Settings


class Note(Entity, table="assembled_notes", policies=(Shared(),)):
    text: str


PACK = Pack(name="app", entities=(Note,))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("DATABASE_URL", "HOLDFAST_HOME", "HOLDFAST_PACKS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


async def test_a_store_of_ones_own_entities(here: Path) -> None:
    async with open_store("memory://", packs=[PACK]) as store:
        scope = Scope.system(new_id(), reason="test")
        async with store.session(scope) as session:
            await session.put(Note(text="one"))
        async with store.session(scope) as session:
            assert [note.text for note in (await session.select(Note)).items] == ["one"]


async def test_an_unknown_engine_is_refused_by_its_setting(here: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        async with open_store("oracle://host/db"):
            pass
    assert raised.value.where == "DATABASE_URL from open_store(…)"


async def test_health_of_an_open_platform(memory: Settings) -> None:
    async with open_platform(memory) as platform:
        answer = await platform.health()
    assert answer["status"] == "ok"
    assert answer["database"] == "connected"


async def test_isolation_is_demanded_before_anything_is_served(memory: Settings) -> None:
    strict = memory.changed("test", require_isolation="database")
    with pytest.raises(IsolationTooWeak):
        async with open_platform(strict):
            pass


async def test_the_demo_person_is_made_once_and_can_log_in(memory: Settings) -> None:
    async with open_platform(memory) as platform:
        assert await make_demo(platform)
        assert not await make_demo(platform)
        path = memory.home / "demo.json"
        assert path.stat().st_mode & 0o777 == 0o600
        login = json.loads(path.read_text())
        assert set(login) == {"email", "password"}
        grant = await platform.accounts.login(**login)
        assert grant.access_token
        scope = await platform.scope_of(None)
        async with platform.store.session(scope) as session:
            accounts = (await session.select(FinancialAccount)).items
        assert {account.user_id for account in accounts} == {scope.user_id}
        assert len(accounts) == 2


async def test_whose_rows_are_meant(memory: Settings) -> None:
    async with open_platform(memory) as platform:
        with pytest.raises(InvalidInput, match="not said whose"):
            await platform.scope_of(None)
        with pytest.raises(NotFound):
            await platform.scope_of("nobody@example.com")
        ada = await platform.accounts.add_user("ada@example.com", "Ada")
        await platform.accounts.add_user("bob@example.com", "Bob")
        scope = await platform.scope_of("Ada@Example.com")
        assert (scope.user_id, scope.tenant_id, scope.whole_tenant) == (ada.user_id, ada.tenant_id, False)
        acme = await platform.accounts.add_tenant("Acme", "ada@example.com")
        assert (await platform.scope_of("ada@example.com", tenant="acme")).tenant_id == acme.id
        with pytest.raises(Forbidden):
            await platform.scope_of("bob@example.com", tenant="acme")
        await platform.accounts.set_active("ada@example.com", active=False)
        with pytest.raises(Forbidden, match="deactivated"):
            await platform.scope_of("ada@example.com")
        with pytest.raises(Duplicate):
            await platform.accounts.add_user("ada@example.com", "Ada")


async def test_serving_leaves_the_administrators_logins_behind() -> None:
    from holdfast.engines.postgres.provision import logins_for
    from holdfast.runtime.database import Database

    passwords = dict.fromkeys(("runtime", "realm", "maintenance", "backup"), "secret")
    logins = logins_for("postgresql://admin:secret@host/db", "db", passwords)
    serving = Database("postgresql", logins.runtime, logins, admin_url="postgresql://…").for_serving
    assert serving is not None
    assert (serving.admin, serving.maintenance, serving.backup) == (None, None, None)
    assert serving.realm
    assert "secret" not in repr(serving) + repr(Database("postgresql", logins.runtime, logins))
