"""The log and the history: what changed, what stood there before, and that the commitments hold."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from holdfast.changes.change import (
    SALT_FIELD,
    Change,
    OldValue,
    Operation,
    canonical,
    commitment,
    value_hash,
)
from holdfast.model.entity import Entity
from holdfast.model.plain import encode_row
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START, ManualClock
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Note, Specimen
from holdfast.testing.conformance.port.values import EDGES
from holdfast.testing.conformance.world import World


class HistoryTests(EngineTests):
    """One row's life."""

    async def test_every_change_names_what_it_changed(self, world: World) -> None:
        clock = ManualClock()
        store, note = world.store(clock), Note(title="first", stars=1)
        device = Scope(world.tenant, world.ann.role, world.ann.user_id, device="a phone")
        async with store.session(device) as s:
            await s.put(note)
        clock.advance(timedelta(seconds=1))
        async with store.session(world.ann) as s:
            await s.patch(Note, note.id, {"title": "second", "stars": 1, "body": "text"})
        async with store.session(world.everyone) as s:
            await s.delete(Note, note.id)
        created, updated, deleted = await world.changes(world.everyone)
        assert (created.op, updated.op, deleted.op) == tuple(Operation)
        assert created.fields == ("body", "number", "stars", "synced_at", "title", "user_id")
        assert updated.fields == ("body", "title")
        assert deleted.fields == ()
        assert [c.version for c in (created, updated, deleted)] == [1, 2, 3]
        assert [c.number for c in (created, updated, deleted)] == [1, 2, 3]
        assert [c.actor for c in (created, updated, deleted)] == [world.ann.user_id, world.ann.user_id, None]
        assert [c.device for c in (created, updated, deleted)] == ["a phone", None, None]
        assert (created.at, updated.at) == (START, START + timedelta(seconds=1))
        assert {(c.tenant_id, c.entity, c.row_id) for c in (created, updated, deleted)} == {
            (world.tenant, "kit.notes", note.id)
        }

    async def test_old_values_are_what_stood_there_before(self, world: World) -> None:
        store, board = world.store(), Board(name="first", settings={"b": 1, "a": [True, None]}, position=1)
        async with store.session(world.ann) as s:
            await s.put(board)
        async with store.session(world.ann) as s:
            await s.patch(Board, board.id, {"name": "second", "settings": {}, "label": "x", "position": 1})
        async with store.session(world.ann) as s:
            await s.patch(Board, board.id, {"name": "third"})
        async with store.session(world.ann) as s:
            await s.delete(Board, board.id)
        old = {(v.number, v.field): v.value for v in await world.history(world.ann, Board, board.id)}
        salt = old.pop((4, SALT_FIELD))
        assert len(base64.b64decode(orjson.loads(salt), validate=True)) == 16
        assert old == {
            (2, "name"): b'"first"',
            (2, "label"): b"null",
            (2, "settings"): b'{"a":[true,null],"b":1}',
            (3, "name"): b'"second"',
            (4, "label"): b'"x"',
            (4, "name"): b'"third"',
            (4, "position"): b"1",
            (4, "settings"): b"{}",
        }

    @pytest.mark.parametrize("field", EDGES)
    async def test_old_values_are_canonical_for_every_type(self, world: World, field: str) -> None:
        """One spelling a value: what is hashed and what is kept are the same bytes on every engine."""
        store = world.store()
        for value in EDGES[field]:
            specimen = Specimen.model_validate({field: value})
            async with store.session(world.ann) as s:
                await s.put(specimen)
            row = await world.get(world.ann, Specimen, specimen.id)
            assert row is not None
            expected = canonical(encode_row(world.schema(Specimen), row)[field])
            async with store.session(world.ann) as s:
                await s.patch(Specimen, specimen.id, {field: None})
            assert _values_of(await world.history(world.ann, Specimen, specimen.id), field) == [expected]
            async with store.session(world.ann) as s:
                await s.patch(Specimen, specimen.id, {field: value})
            async with store.session(world.ann) as s:
                await s.delete(Specimen, specimen.id)
            history = await world.history(world.ann, Specimen, specimen.id)
            assert _values_of(history, field) == [expected, b"null", expected]

    @pytest.mark.parametrize("field", EDGES)
    async def test_the_commitment_of_every_change_holds(self, world: World, field: str) -> None:
        store = world.store()
        living, dead = Specimen(whole=1), Specimen(whole=2)
        async with store.session(world.ann) as s:
            await s.batch([living, dead])
        for turn, value in enumerate([*EDGES[field], None]):
            for specimen in (living, dead):
                async with store.session(world.ann) as s:
                    await s.patch(Specimen, specimen.id, {"ratio": turn / 8, field: value})
        async with store.session(world.ann) as s:
            await s.delete(Specimen, dead.id)
        for specimen in (living, dead):
            changes = [c for c in await world.changes(world.ann) if c.row_id == specimen.id]
            salt, states = await replay(world, Specimen, specimen.id, changes)
            for change, state in zip(changes, states, strict=True):
                hashes = {name: value_hash(state[name]) for name in change.fields}
                assert change.commitment == commitment(salt, change.version, hashes)

    async def test_a_changes_digest_survives_being_kept(self, world: World) -> None:
        """What a hash chain links does not depend on the medium that a change was read from."""
        clock = ManualClock(START + timedelta(microseconds=120))
        store, board = world.store(clock), Board(name="board")
        async with store.session(
            Scope(world.tenant, world.ann.role, world.ann.user_id, device="d\u00e9vice")
        ) as s:
            await s.put(board)
        (kept,) = await world.changes(world.ann)
        again = Change(
            tenant_id=world.tenant,
            number=1,
            flush_end=1,
            entity="kit.boards",
            row_id=board.id,
            op=Operation.CREATE,
            fields=("label", "name", "position", "settings", "shelf"),
            version=1,
            actor=world.ann.user_id,
            device="d\u00e9vice",
            at=START + timedelta(microseconds=120),
            commitment=kept.commitment,
        )
        assert kept == again
        assert kept.digest() == again.digest()

    async def test_a_second_life_has_a_salt_of_its_own(self, world: World) -> None:
        store, row_id = world.store(), Board(name="first").id
        salts = []
        for name in ("first", "second"):
            async with store.session(world.ann) as s:
                await s.put(Board(id=row_id, name=name))
            (stored,) = await world.batch_get(world.ann, Board, [row_id])
            assert stored is not None
            salts.append(stored.salt)
            async with store.session(world.ann) as s:
                await s.delete(Board, row_id)
        assert salts[0] != salts[1]
        kept = _values_of(await world.history(world.ann, Board, row_id), SALT_FIELD)
        assert [base64.b64decode(orjson.loads(salt)) for salt in kept] == salts


async def replay(
    world: World, entity: type[Entity], row_id: UUID, changes: list[Change]
) -> tuple[bytes, list[dict[str, Any]]]:
    """A row's salt, and its plain values after each of its changes, from what stands now and its history backwards."""
    schema = world.schema(entity)
    (stored,) = await world.batch_get(world.everyone, entity, [row_id])
    old: dict[int, dict[str, Any]] = {}
    for value in await world.history(world.everyone, entity, row_id):
        old.setdefault(value.number, {})[value.field] = orjson.loads(value.value)
    if stored is None:
        salt = base64.b64decode(old[changes[-1].number].pop(SALT_FIELD))
        state: dict[str, Any] = {}
    else:
        salt, state = stored.salt, encode_row(schema, stored.row)
    states: list[dict[str, Any]] = []
    for change in reversed(changes):
        states.insert(0, state)
        before = state or {field.name: None for field in schema.fields}
        state = {**before, **old.get(change.number, {})}
    return salt, states


def _values_of(history: list[OldValue], field: str) -> list[bytes]:
    return [value.value for value in history if value.field == field]
