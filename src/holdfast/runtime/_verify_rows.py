"""Rows: the round trip of one, and that it is not there for those whose it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from holdfast.engines.port import Walled
from holdfast.errors import Forbidden, NotFound
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity
from holdfast.runtime._guests import Guests
from holdfast.runtime._samples import Sample, tried
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import Failed, NotChecked, must
from holdfast.tenancy.scope import Scope


async def check_round_trip(platform: Platform, guests: Guests) -> str:
    """Create, read, patch and delete a row of its owner, and find each in the log's numbers."""
    samples, reasons = tried(platform.catalog, guests.one.user_id)
    reasons.update({each.schema.name: "no field to change" for each in samples if each.change is None})
    sample = next((each for each in samples if each.change is not None), None)
    if sample is None or sample.change is None:
        raise NotChecked(why_not(reasons, "no enabled pack has an entity whose changes are logged"))
    store, scope = platform.store, guests.one.scope()
    schema, row, (name, value) = sample.schema, sample.row, sample.change
    entity = type(row)
    async with _standing(platform, scope, sample.parents):
        start = await store.head(scope)
        await _put(platform, scope, row)
        async with store.session(scope) as session:
            must((await session.get(entity, row.id)).version == 1, "a new row is not of version 1")
        async with store.session(scope) as session:
            await session.patch(entity, row.id, {name: value}, if_version=1)
        async with store.session(scope) as session:
            read = await session.get(entity, row.id)
            must(getattr(read, name) == value, "the row does not hold what it was patched with")
            must(read.version == 2, "the patch did not raise the version to 2")
        async with store.session(scope) as session:
            await session.delete(entity, row.id)
        async with store.session(scope) as session:
            must(await session.find(entity, row.id) is None, "the row is there after its delete")
        numbers = await store.head(scope) - start
        must(numbers == 3, f"three changes took {numbers} numbers")
    return f"a row of {schema.name} created, read, patched, deleted; 3 changes, 3 numbers"


async def check_tenants(platform: Platform, guests: Guests) -> str:
    """A row of one tenant is not there for a member of another, of no entity."""
    samples, reasons = tried(platform.catalog, guests.one.user_id)
    if not samples:
        raise NotChecked(why_not(reasons, "no enabled pack has an entity whose changes are logged"))
    for sample in samples:
        async with _standing(platform, guests.one.scope(), sample.rows):
            await _not_there(platform, guests.other.scope(), sample)
            await _still_there(platform, guests.one.scope(), sample)
    return f"{named(samples)}: found, listed, changed and deleted by nobody of the other tenant{but(reasons)}"


async def check_owners(platform: Platform, guests: Guests) -> str:
    """In the tenant that both belong to, one member's row is not there for the other."""
    samples, reasons = tried(platform.catalog, guests.one.user_id, visibility=("owned",))
    if not samples:
        raise NotChecked(why_not(reasons, "no enabled pack has an owned entity"))
    owner = guests.one.scope(guests.common)
    for sample in samples:
        async with _standing(platform, owner, sample.rows):
            await _not_there(platform, guests.other.scope(guests.common, Role.MEMBER), sample)
            await _still_there(platform, owner, sample)
    return f"{named(samples)}: found, listed, changed and deleted by no other member{but(reasons)}"


def why_not(reasons: Mapping[str, str], nothing: str) -> str:
    """Why nothing could be checked: what stood in the way of each entity, or that there is none."""
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or nothing


def named(samples: list[Sample]) -> str:
    """The entities of these samples."""
    return ", ".join(sample.schema.name for sample in samples)


def but(reasons: Mapping[str, str]) -> str:
    """What was left out, and why."""
    return f"; not tried: {why_not(reasons, '')}" if reasons else ""


@asynccontextmanager
async def _standing(platform: Platform, scope: Scope, rows: tuple[Entity, ...]) -> AsyncIterator[None]:
    """These rows are there within the block, and gone behind it, so that no rule of uniqueness meets them again."""
    for row in rows:
        await _put(platform, scope, row)
    yield
    for row in reversed(rows):
        async with platform.store.session(scope) as session:
            await session.delete(type(row), row.id)


async def _put(platform: Platform, scope: Scope, row: Entity) -> None:
    async with platform.store.session(scope) as session:
        await session.put(row)


async def _not_there(platform: Platform, scope: Scope, sample: Sample) -> None:
    store, row, entity, name = platform.store, sample.row, type(sample.row), sample.schema.name
    if isinstance(store.engine, Walled):
        bare = await store.engine.shows_bare(scope, sample.schema, row.id)
        must(not bare, f"{name}: the database itself shows a stranger the row")
    async with store.session(scope) as session:
        must(await session.find(entity, row.id) is None, f"{name}: a stranger reads the row")
        listed = await session.select(entity, limit=1_000)
        must(all(item.id != row.id for item in listed.items), f"{name}: a stranger lists the row")
    for attempt in ("change", "delete"):
        try:
            async with store.session(scope) as session:
                if attempt == "delete":
                    await session.delete(entity, row.id)
                elif sample.change is not None:
                    await session.patch(entity, row.id, dict([sample.change]))
                else:
                    continue
        except (NotFound, Forbidden):
            continue
        raise Failed(f"{name}: a stranger's attempt to {attempt} the row was let through")


async def _still_there(platform: Platform, scope: Scope, sample: Sample) -> None:
    async with platform.store.session(scope) as session:
        kept = await session.find(type(sample.row), sample.row.id)
    must(kept is not None and kept.version == 1, f"{sample.schema.name}: the row is not as its owner left it")
