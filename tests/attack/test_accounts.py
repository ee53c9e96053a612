"""What somebody could try at the door, and what they must not learn there."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import ENTITIES, Credential, RealmEvent, User
from holdfast.accounts.grant import Grant
from holdfast.accounts.log import Event
from holdfast.errors import Forbidden, HoldfastError, InvalidInput, NotAuthenticated, RateLimited, Unavailable
from holdfast.identity.principal import Principal, Role
from holdfast.identity.refresh import RefreshTokens
from holdfast.model.ids import new_id
from holdfast.tenancy.scope import Scope
from tests import accounts_fixtures
from tests.accounts_fixtures import ADA, EVE, GRACE, PASSWORD, SECRET, WRONG, Realm, outcome

anyio_backend = accounts_fixtures.anyio_backend
clock = accounts_fixtures.clock
realm_store = accounts_fixtures.realm_store
realm = accounts_fixtures.realm
accounts = accounts_fixtures.accounts
development = accounts_fixtures.development


def shown(error: object) -> tuple[object, ...]:
    """Everything of an error that an answer is made of."""
    assert isinstance(error, HoldfastError)
    fields = tuple(error.fields.items()) if isinstance(error, InvalidInput) else ()
    return (
        type(error),
        str(error),
        error.code,
        error.status,
        error.hint,
        error.where,
        error.retry_after,
        fields,
    )


class Work:
    """Counts what a call costs: hashes and transactions are what takes measurable time."""

    def __init__(self, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
        self._realm = realm
        self.begun = 0
        self.appended = 0
        engine = realm.store.engine
        begin, ingest = engine.begin, engine.ingest

        @asynccontextmanager
        async def counted(scope: Scope, *, read_only: bool = False) -> AsyncIterator[Any]:
            self.begun += 1
            async with begin(scope, read_only=read_only) as tx:
                yield tx

        async def counted_ingest(*args: Any) -> None:
            self.appended += 1
            await ingest(*args)

        monkeypatch.setattr(engine, "begin", counted, raising=False)
        monkeypatch.setattr(engine, "ingest", counted_ingest, raising=False)

    def taken(self) -> tuple[int, ...]:
        hasher = self._realm.hasher
        mails = len(self._realm.mails())
        return hasher.hashed, hasher.verified, self.begun, self.appended, mails

    async def of(self, call: Awaitable[Any]) -> tuple[int, ...]:
        before = self.taken()
        await outcome(call)
        return tuple(after - earlier for earlier, after in zip(before, self.taken(), strict=True))


@pytest.fixture
def work(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(realm, monkeypatch)


async def people(realm: Realm, accounts: Accounts) -> dict[str, tuple[str, str]]:
    """An address and a password for every reason why a login fails."""
    for name in ("wrong", "inactive", "without"):
        await accounts.add_user(f"{name}@example.com", name, PASSWORD)
    await accounts.set_active("inactive@example.com", active=False)
    await accounts.register("unverified@example.com", "Una", PASSWORD)
    async with realm.store.session(Scope.realm(reason="test")) as session:
        [user] = (await session.select(User, {"email_key": "without@example.com"})).items
        [credential] = (await session.select(Credential, {"user_id": user.id})).items
        await session.delete(Credential, credential.id)
    return {
        "wrong": ("wrong@example.com", WRONG),
        "unknown": ("unknown@example.com", PASSWORD),
        "unverified": ("unverified@example.com", PASSWORD),
        "inactive": ("inactive@example.com", PASSWORD),
        "no password": ("without@example.com", PASSWORD),
        "too long": ("wrong@example.com", "x" * 100_000),
        "no text": ("wrong@example.com", "\ud800" * 10),
        "empty": ("unknown@example.com", ""),
    }


# -- whether an address is known --------------------------------------------------------------------------------------


async def test_every_failed_login_looks_and_costs_the_same(
    realm: Realm, accounts: Accounts, work: Work
) -> None:
    cases = await people(realm, accounts)
    answers = {why: shown(await outcome(accounts.login(*case))) for why, case in cases.items()}
    assert len(set(answers.values())) == 1, answers
    realm.clock.advance(days=2)
    costs = {why: await work.of(accounts.login(*case)) for why, case in cases.items()}
    assert len(set(costs.values())) == 1, costs
    assert costs["unknown"][1] == 1


async def test_a_lock_looks_the_same_whoever_is_locked(realm: Realm, accounts: Accounts) -> None:
    cases = await people(realm, accounts)
    answers = set()
    for email, _ in {case[0]: case for case in cases.values()}.values():
        for _ in range(5):
            await outcome(accounts.login(email, WRONG))
        refused = await outcome(accounts.login(email, PASSWORD))
        assert isinstance(refused, RateLimited)
        answers.add(shown(refused))
    assert len(answers) == 1


async def test_every_registration_looks_and_costs_the_same(
    realm: Realm, accounts: Accounts, work: Work
) -> None:
    await people(realm, accounts)
    addresses = ("new@example.com", "wrong@example.com", "unverified@example.com", "inactive@example.com")
    costs = {}
    for address in addresses:
        costs[address] = await work.of(accounts.register(address, "Somebody", PASSWORD))
        assert await accounts.register(address, "Somebody", PASSWORD) is None
    assert len(set(costs.values())) == 1, costs
    hashed, verified, _, appended, mailed = costs["new@example.com"]
    assert (hashed, verified, appended, mailed) == (1, 0, 1, 1)


async def test_a_registration_that_could_be_nobodys_is_refused_alike(
    realm: Realm, accounts: Accounts
) -> None:
    await people(realm, accounts)
    for password in ("short", "password123"):
        answers = [
            shown(await outcome(accounts.register(address, "Somebody", password)))
            for address in ("new@example.com", "wrong@example.com", "unverified@example.com")
        ]
        assert len(set(answers)) == 1


# -- copies of refresh tokens -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
async def test_a_thief_and_an_owner_never_both_go_on(realm: Realm, accounts: Accounts, seed: int) -> None:
    """Whatever order they come in, there is one line of tokens, and once their lines part it ends for both."""
    order = random.Random(seed)
    await accounts.add_user(ADA, "Ada", PASSWORD)
    grant = await accounts.login(ADA, PASSWORD)
    held = {"owner": grant.refresh_token or "", "thief": grant.refresh_token or ""}
    alive, rounds = True, 0
    while alive and rounds < 60:
        rounds += 1
        who = order.choice(list(held))
        realm.clock.advance(seconds=order.choice([1, 10, 40, 400]))
        result = await outcome(accounts.refresh(held[who]))
        if isinstance(result, Grant):
            held[who] = result.refresh_token or ""
        else:
            alive = False
    assert not alive
    assert len(await realm.events(Event.REFRESH_REPLAYED)) == 1
    for token in held.values():
        assert isinstance(await outcome(accounts.refresh(token)), NotAuthenticated)
    assert isinstance(await outcome(accounts.authenticate(grant.access_token)), NotAuthenticated)


async def test_nobody_ends_a_session_by_guessing_at_its_tokens(realm: Realm, accounts: Accounts) -> None:
    await accounts.add_user(ADA, "Ada", PASSWORD)
    grant = await accounts.login(ADA, PASSWORD)
    token = grant.refresh_token or ""
    head, number, mac = token.split(".")
    foreign = RefreshTokens(b"\x08" * 32)
    family = (await accounts.authenticate(grant.access_token)).session_id
    assert family is not None
    forged = [
        f"{head}.1.{mac}",
        f"rt_{uuid4().hex}.{number}.{mac}",
        f"{head}.{number}.{'A' * 43}",
        f"{head}.00.{mac}",
        f"{head.upper()}.{number}.{mac}",
        foreign.mint(family, 0),
        RefreshTokens(SECRET).mint(uuid4(), 0),
        token + "=",
        token + "\n",
    ]
    for text in forged:
        assert isinstance(await outcome(accounts.refresh(text)), NotAuthenticated)
    assert await realm.events(Event.REFRESH_REPLAYED) == []
    assert isinstance(await accounts.refresh(token), Grant)


async def test_a_number_that_was_never_given_out_ends_the_family(realm: Realm, accounts: Accounts) -> None:
    """Our mac on a number of the future: the store went back in time, or the secret is known."""
    await accounts.add_user(ADA, "Ada", PASSWORD)
    grant = await accounts.login(ADA, PASSWORD)
    family = (await accounts.authenticate(grant.access_token)).session_id
    assert family is not None
    future = RefreshTokens(SECRET).mint(family, 3)
    assert isinstance(await outcome(accounts.refresh(future)), NotAuthenticated)
    assert isinstance(await outcome(accounts.refresh(grant.refresh_token or "")), NotAuthenticated)
    [line] = await realm.events(Event.REFRESH_REPLAYED)
    assert line.detail == {"misuse": "never_issued"}


async def test_a_storm_of_refreshes_and_logouts_leaves_no_session(realm: Realm, accounts: Accounts) -> None:
    await accounts.add_user(ADA, "Ada", PASSWORD)
    other = realm.serve()
    grants = [await accounts.login(ADA, PASSWORD) for _ in range(6)]
    principals = [await accounts.authenticate(grant.access_token) for grant in grants]
    calls: list[Awaitable[Any]] = []
    for grant, principal in zip(grants, principals, strict=True):
        calls += [outcome(side.refresh(grant.refresh_token or "")) for side in (accounts, other) * 4]
        calls += [outcome(side.logout(principal)) for side in (accounts, other)]
    random.Random(5).shuffle(calls)
    results = await asyncio.gather(*calls)
    assert all(result is None or isinstance(result, Grant | NotAuthenticated) for result in results)
    for result in results:
        if isinstance(result, Grant):
            assert isinstance(await outcome(accounts.refresh(result.refresh_token or "")), NotAuthenticated)
            assert isinstance(await outcome(accounts.authenticate(result.access_token)), NotAuthenticated)
    assert len(await realm.events(Event.SESSION_ENDED)) == 6


# -- more than one has ------------------------------------------------------------------------------------------------


async def test_an_access_token_buys_no_refresh_token(accounts: Accounts) -> None:
    await accounts.add_user(ADA, "Ada", PASSWORD)
    await accounts.add_tenant("Acme", ADA)
    grant = await accounts.login(ADA, PASSWORD)
    principal = await accounts.authenticate(grant.access_token)
    assert (await accounts.switch(principal, "acme")).refresh_token is None


async def test_nobody_goes_on_in_anothers_session(accounts: Accounts) -> None:
    for email in (ADA, EVE):
        await accounts.add_user(email, "Somebody", PASSWORD)
    hers = await accounts.authenticate((await accounts.login(ADA, PASSWORD)).access_token)
    eve = await accounts.authenticate((await accounts.login(EVE, PASSWORD)).access_token)
    mixed = Principal(eve.user_id, eve.tenant_id, hers.session_id, Role.OWNER, None)
    assert isinstance(await outcome(accounts.switch(mixed, eve.tenant_id)), NotAuthenticated)


@pytest.mark.parametrize("entity", ENTITIES)
async def test_no_tenants_scope_reaches_the_realm(realm: Realm, accounts: Accounts, entity: Any) -> None:
    made = await accounts.add_user(ADA, "Ada", PASSWORD)
    owner = Principal(made.user_id, made.tenant_id, None, Role.OWNER, None)
    scopes = [
        Scope.for_user(owner),
        Scope.for_user(owner).for_tenant(reason="curiosity"),
        Scope.system(made.tenant_id, reason="curiosity"),
    ]
    for scope in scopes:
        async with realm.store.session(scope) as session:
            with pytest.raises(Forbidden):
                await session.select(entity)
            with pytest.raises(Forbidden):
                await session.find(entity, made.user_id)
            with pytest.raises(Forbidden):
                await session.delete(entity, made.user_id)


# -- what is said and written down ------------------------------------------------------------------------------------

PLANTED_EMAIL = "planted.canary@example.com"
PLANTED_PASSWORD = "planted-canary-password-1"
PLANTED_NAME = "Planted Canary-Name"


def everything_about(error: BaseException) -> str:
    """An error with whatever hangs on it, as a log line or a traceback would show it."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), repr(seen), repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "\n".join([*parts, *traceback.format_exception(error)])


async def test_no_secret_is_in_an_error_a_log_line_or_an_event(
    realm: Realm, development: Accounts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    secrets = {PLANTED_EMAIL, PLANTED_PASSWORD, PLANTED_NAME}

    async def attempt(call: Awaitable[Any]) -> Any:
        try:
            result = await call
        except Exception as error:
            said.append(everything_about(error))
            return None
        said.append(repr(result))
        if isinstance(result, Grant):
            secrets.update({result.access_token, result.refresh_token or PLANTED_NAME})
        return result

    grant = await attempt(development.register(PLANTED_EMAIL, PLANTED_NAME, PLANTED_PASSWORD))
    token = realm.last_token()
    secrets.add(token)
    principal = await development.authenticate(grant.access_token)
    await attempt(development.register(PLANTED_EMAIL, PLANTED_NAME, PLANTED_PASSWORD))
    await attempt(development.add_user(PLANTED_EMAIL, PLANTED_NAME, PLANTED_PASSWORD))
    await attempt(development.add_user(GRACE, PLANTED_NAME * 20, PLANTED_PASSWORD))
    await attempt(development.add_user(PLANTED_EMAIL + "\x00", "Name", PLANTED_PASSWORD))
    await attempt(development.add_user(GRACE, "Name", PLANTED_PASSWORD * 20))
    await attempt(development.add_user(GRACE, f"{PLANTED_NAME}\n", PLANTED_PASSWORD + "\ud800"))
    await attempt(development.add_tenant(PLANTED_NAME + "\x00", PLANTED_EMAIL))
    await attempt(development.add_tenant(PLANTED_NAME, f"x{PLANTED_EMAIL}"))
    await attempt(development.add_member(PLANTED_NAME, PLANTED_EMAIL, Role.ADMIN))
    await attempt(development.remove_member(principal.tenant_id, PLANTED_EMAIL))
    await attempt(development.login(PLANTED_EMAIL, PLANTED_PASSWORD, tenant=PLANTED_NAME))
    await attempt(development.login(PLANTED_EMAIL, PLANTED_PASSWORD, device=PLANTED_NAME + "\n"))
    refreshed = await attempt(development.refresh(grant.refresh_token))
    realm.clock.advance(seconds=31)
    for bad in (grant.refresh_token, refreshed.refresh_token, refreshed.refresh_token + PLANTED_PASSWORD):
        await attempt(development.refresh(bad))
    for bad in (grant.access_token, grant.access_token + "A", f"{grant.access_token}.{PLANTED_PASSWORD}"):
        await attempt(development.authenticate(bad))
    await attempt(development.switch(principal, PLANTED_NAME))
    await attempt(development.verify_email(token))
    await attempt(development.verify_email(token + PLANTED_PASSWORD))
    await attempt(development.verify_email(token))
    for _ in range(7):
        await attempt(development.login(PLANTED_EMAIL, PLANTED_PASSWORD + "x"))

    async def away(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(realm.store.engine, "ingest", away, raising=False)
    await attempt(development.register(EVE, PLANTED_NAME, PLANTED_PASSWORD))
    monkeypatch.undo()
    (realm.folder.parent / "blocked").write_text("")
    monkeypatch.setattr(realm, "folder", realm.folder.parent / "blocked" / "mail")
    await attempt(realm.serve().register("other@example.com", PLANTED_NAME, PLANTED_PASSWORD))

    assert len(said) > 25
    events = [line.model_dump_json() for line in await realm.rows(RealmEvent)]
    assert len(events) > 8
    for text in [*said, *events, *caplog.messages]:
        for secret in secrets:
            assert secret not in text


async def test_what_is_returned_does_not_show_what_is_secret_in_it(realm: Realm, accounts: Accounts) -> None:
    made = await accounts.add_user(PLANTED_EMAIL, PLANTED_NAME)
    assert made.password is not None
    grant = await accounts.login(PLANTED_EMAIL, made.password)
    shown_texts = [
        repr(value) for value in (made, grant, *await realm.rows(User), *await realm.rows(Credential))
    ]
    for text in shown_texts:
        for secret in (
            made.password,
            grant.access_token,
            grant.refresh_token or "",
            PLANTED_EMAIL,
            PLANTED_NAME,
        ):
            assert secret not in text


def test_principals_and_ids_are_what_events_name() -> None:
    """An event's columns hold ids; there is no column for an address or a name."""
    assert set(RealmEvent.model_fields) == {
        "id",
        "version",
        "created_at",
        "updated_at",
        "event",
        "at",
        "user_id",
        "tenant_id",
        "actor",
        "reason",
        "detail",
    }


Check = Callable[[Accounts], Awaitable[object]]


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a.switch(Principal(new_id(), new_id(), new_id(), Role.OWNER, None), "x"),
        lambda a: a.logout(Principal(new_id(), new_id(), new_id(), Role.OWNER, None)),
        lambda a: a.tenants(new_id()),
    ],
)
async def test_a_principal_that_nobody_is_gets_nothing(realm: Realm, accounts: Accounts, call: Check) -> None:
    result = await outcome(call(accounts))
    assert result in (None, []) or isinstance(result, Forbidden | NotAuthenticated)
    assert await realm.events(Event.SESSION_ENDED, Event.TENANT_SWITCHED) == []
