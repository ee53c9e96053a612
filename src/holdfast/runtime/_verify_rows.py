"""Rows: the round trip of one, and that it is not there for those whose it is not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from holdfast.errors import Forbidden, NotFound
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity
from holdfast.model.schema import EntitySchema
from holdfast.runtime._guests import Guests
from holdfast.runtime._samples import changeable, sample_entity, sample_row
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import Failed, NotChecked, must
from holdfast.tenancy.scope import Scope


async def check_round_trip(platform: Platform, guests: Guests) -> str:
    """Create, read, patch and delete a row of its owner, and find each in the log's numbers."""
    schema = _any_entity(platform)
    store, scope = platform.store, guests.one.scope()
    entity, (name, value) = platform.catalog.entity(schema), _change(schema)
    start = await store.head(scope)
    row = await _put(platform, scope, schema, guests.one.user_id)
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
    """A row of one tenant is not there for a member of another."""
    seen = []
    for visibility in ("owned", "shared"):
        schema = sample_entity(platform.catalog, visibility=visibility)
        if schema is not None:
            row = await _put(platform, guests.one.scope(), schema, guests.one.user_id)
            await _not_there(platform, guests.other.scope(), schema, row)
            await _still_there(platform, guests.one.scope(), schema, row)
            seen.append(schema.name)
    if not seen:
        raise NotChecked("no enabled pack has an entity whose rows stand alone")
    return f"{', '.join(seen)}: found, listed, changed and deleted by nobody of the other tenant"


async def check_owners(platform: Platform, guests: Guests) -> str:
    """In the tenant that both belong to, one member's row is not there for the other."""
    schema = sample_entity(platform.catalog, visibility="owned")
    if schema is None:
        raise NotChecked("no enabled pack has an owned entity whose rows stand alone")
    owner = guests.one.scope(guests.common)
    row = await _put(platform, owner, schema, guests.one.user_id)
    await _not_there(platform, guests.other.scope(guests.common, Role.MEMBER), schema, row)
    await _still_there(platform, owner, schema, row)
    return f"{schema.name}: found, listed, changed and deleted by no other member"


async def _put(platform: Platform, scope: Scope, schema: EntitySchema, member: UUID) -> Entity:
    row = sample_row(platform.catalog, schema, member)
    async with platform.store.session(scope) as session:
        await session.put(row)
    return row


async def _not_there(platform: Platform, scope: Scope, schema: EntitySchema, row: Entity) -> None:
    store, entity, (name, value) = platform.store, type(row), _change(schema)
    async with store.session(scope) as session:
        must(await session.find(entity, row.id) is None, f"{schema.name}: a stranger reads the row")
        listed = await session.select(entity, limit=1_000)
        must(all(item.id != row.id for item in listed.items), f"{schema.name}: a stranger lists the row")
    for attempt in ("change", "delete"):
        try:
            async with store.session(scope) as session:
                if attempt == "change":
                    await session.patch(entity, row.id, {name: value})
                else:
                    await session.delete(entity, row.id)
        except (NotFound, Forbidden):
            continue
        raise Failed(f"{schema.name}: a stranger's attempt to {attempt} the row was let through")


async def _still_there(platform: Platform, scope: Scope, schema: EntitySchema, row: Entity) -> None:
    async with platform.store.session(scope) as session:
        kept = await session.find(type(row), row.id)
    must(kept is not None and kept.version == 1, f"{schema.name}: the row is not as its owner left it")


def _any_entity(platform: Platform) -> EntitySchema:
    for visibility in ("owned", "shared"):
        schema = sample_entity(platform.catalog, visibility=visibility)
        if schema is not None:
            return schema
    raise NotChecked("no enabled pack has an entity whose rows stand alone")


def _change(schema: EntitySchema) -> tuple[str, Any]:
    change = changeable(schema)
    if change is None:
        raise NotChecked(f"{schema.name} has no field to change")
    return change
