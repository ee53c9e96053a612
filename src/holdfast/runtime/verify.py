"""`holdfast verify`: named checks, each carried out for real on throw-away people and tenants, each with what was seen.

What is written is removed again; one line in the realm's log stays. What cannot be checked is said, never left out.
Open `CHECKS` first; each check raises `Failed` or `NotChecked`, or returns its evidence.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from holdfast.engines.port import Capability, Inspection
from holdfast.errors import Forbidden, HoldfastError
from holdfast.migrations.migrate import State
from holdfast.runtime._guests import Guests, log_verification, remove_guests, remove_leftovers, welcome_guests
from holdfast.runtime._verify_api import check_api
from holdfast.runtime._verify_jobs import check_leases
from holdfast.runtime._verify_rows import check_owners, check_round_trip, check_tenants
from holdfast.runtime._verify_sync import check_devices
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import Failed, NotChecked
from holdfast.runtime.database import Tell, silent

Outcome = Literal["passed", "failed", "not checked"]
_PINGS = 20
_WHO_MAY_WHAT = re.compile(
    r"^(role|default privileges|parameter) |\b(holds|lacks|can act as|reaches it|may (pass|execute|create|use))\b"
)


@dataclass(frozen=True, slots=True)
class Result:
    """One check, how it went, and what was seen."""

    name: str
    outcome: Outcome
    evidence: str
    seconds: float


@dataclass(slots=True)
class Verification:
    """What the checks share: the platform, and the guests while there are any."""

    platform: Platform
    url: str | None = None
    guests: Guests | None = None
    results: list[Result] = field(default_factory=list)

    def need_guests(self) -> Guests:
        """The throw-away people. Raises NotChecked without them."""
        if self.guests is None:
            raise NotChecked("there are no throw-away people to try it with")
        return self.guests


Check = Callable[[Verification], Awaitable[str]]


async def check_database(run: Verification) -> str:
    """The database answers, and how quickly."""
    engine = run.platform.store.engine
    times = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        await engine.ping()
        times.append(time.perf_counter() - began)
    median = sorted(times)[_PINGS // 2]
    return f"{engine.name} answers, median of {_PINGS}: {median * 1000:.2f} ms"


async def check_isolation_level(run: Verification) -> str:
    """The engine isolates as strongly as the deployment demands."""
    engine, demanded = run.platform.store.engine, run.platform.settings.require_isolation
    if engine.isolation < demanded:
        raise Failed(f"{engine.isolation.name.lower()}, and {demanded.name.lower()} is demanded")
    return f"{engine.isolation.name.lower()}, at least {demanded.name.lower()} is demanded"


async def check_migrations(run: Verification) -> str:
    """Every revision is applied, none was edited, and none is unknown."""
    entries = await run.platform.revisions()
    strange = [f"{entry.id} is {entry.state}" for entry in entries if entry.state is not State.APPLIED]
    strange += run.platform.undeclared()
    if strange:
        raise Failed("; ".join(strange))
    return f"{len(entries)} revisions applied, and they add up to the declaration"


async def check_schema(run: Verification) -> str:
    """Tables, policies, indexes, guards and references are as declared."""
    schemas, inspection = await _inspect(run)
    wrong = [finding for finding in inspection.findings if not _is_grant(finding)]
    if wrong:
        raise Failed("; ".join(wrong))
    looked = [
        f"{fact} {inspection.facts[fact]}"
        for fact in ("conditions", "orphans", "damage")
        if fact in inspection.facts
    ]
    return ", ".join([f"{len(schemas)} tables as declared", *looked])


async def check_grants(run: Verification) -> str:
    """Each role may do what it must, and nothing else."""
    schemas, inspection = await _inspect(run)
    engine = run.platform.store.engine
    if Capability.ROW_SECURITY not in engine.capabilities:
        raise NotChecked(f"not applicable: {engine.name} has no roles (it lacks {Capability.ROW_SECURITY})")
    wrong = [finding for finding in inspection.findings if _is_grant(finding)]
    if wrong:
        raise Failed("; ".join(wrong))
    return f"the grants on {len(schemas)} tables are as declared"


async def check_guests(run: Verification) -> str:
    """Two people and three tenants can be made, and could be removed."""
    left = await remove_leftovers(run.platform)
    run.guests = await welcome_guests(run.platform)
    before = f"; {left} left over from a broken run removed" if left else ""
    return f"2 people, 2 tenants of their own and 1 of both{before}"


async def check_login(run: Verification) -> str:
    """Login, authentication, refresh and logout; a used refresh token and an ended session are refused."""
    from holdfast.runtime._verify_people import login_round_trip

    return await login_round_trip(run.platform, run.need_guests())


async def check_rows(run: Verification) -> str:
    """Create, read, patch, delete, each in the log."""
    return await check_round_trip(run.platform, run.need_guests())


async def check_other_tenant(run: Verification) -> str:
    """One tenant's row is not there for another: not to read, list, change or delete."""
    return await check_tenants(run.platform, run.need_guests())


async def check_other_owner(run: Verification) -> str:
    """Within a tenant, one member's row is not there for another."""
    return await check_owners(run.platform, run.need_guests())


async def check_server(run: Verification) -> str:
    """The API answers: health, its description, a login, a list; and refuses who brings no token."""
    return await check_api(run.platform, run.need_guests(), run.url)


async def check_sync(run: Verification) -> str:
    """Two throw-away devices meet: a row made, seen, deleted; another person's cursor is refused."""
    return await check_devices(run.platform, run.need_guests())


async def check_jobs(run: Verification) -> str:
    """A throw-away job's lease is taken, kept and given back, and no second holder gets it; no job fails or waits in vain."""
    return await check_leases(run.platform)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("database", check_database),
    ("isolation level", check_isolation_level),
    ("migrations", check_migrations),
    ("schema", check_schema),
    ("grants", check_grants),
    ("throw-away people", check_guests),
    ("round trip", check_rows),
    ("isolation of tenants", check_other_tenant),
    ("isolation of owners", check_other_owner),
    ("login", check_login),
    ("sync", check_sync),
    ("jobs", check_jobs),
    ("api", check_server),
)


async def verify_platform(platform: Platform, *, url: str | None = None, tell: Tell = silent) -> list[Result]:
    """Carry out every check, and remove what they wrote. `url` is the API's, where it is not this home's server."""
    run = Verification(platform, url)
    try:
        for name, check in CHECKS:
            tell(f"Checking: {name}.")
            run.results.append(await _carry_out(name, check, run))
    finally:
        tell("Removing what the checks wrote.")
        run.results.append(await _carry_out("nothing left behind", _clean_up, run))
    return run.results


async def _clean_up(run: Verification) -> str:
    """Everything is removed, and the one line that stays is written."""
    if run.guests is None:
        raise NotChecked("nothing was written")
    removed = await remove_guests(run.platform, run.guests)
    failed = sum(result.outcome == "failed" for result in run.results)
    await log_verification(run.platform, passed=len(run.results) - failed, failed=failed)
    return f"{removed} rows of the realm and {len(run.guests.tenants)} tenants removed; one line in the realm's log stays"


async def _carry_out(name: str, check: Check, run: Verification) -> Result:
    began = time.monotonic()
    outcome: Outcome = "passed"
    try:
        evidence = await check(run)
    except NotChecked as reason:
        outcome, evidence = "not checked", str(reason)
    except Failed as failure:
        outcome, evidence = "failed", str(failure)
    except HoldfastError as error:
        outcome, evidence = "failed", str(error)
    except Exception as error:  # noqa: BLE001 (the other checks are carried out all the same)
        outcome, evidence = "failed", f"the check itself broke: {type(error).__name__}"
    return Result(name, outcome, evidence, time.monotonic() - began)


async def _inspect(run: Verification) -> tuple[list[str], Inspection]:
    schemas = list(run.platform.catalog)
    try:
        inspection = await run.platform.store.engine.inspect(schemas)
    except Forbidden:
        raise NotChecked("the runtime's login may not look; set DATABASE_ADMIN_URL") from None
    return [schema.name for schema in schemas], inspection


def _is_grant(finding: str) -> bool:
    """Whether a finding is about who may do what, rather than about what stands there."""
    return _WHO_MAY_WHAT.search(finding) is not None
