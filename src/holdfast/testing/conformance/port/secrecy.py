"""Promise 10: an engine's errors are Holdfast's, and no value stands in them, their arguments or their causes."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from holdfast.errors import HoldfastError
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.plain import decode_fields
from holdfast.model.validate import validate_entity
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, File, Folder, Loan, Note, Specimen
from holdfast.testing.conformance.world import World


class SecrecyTests(EngineTests):
    """Values that can be recognised are planted; every error that they lead to is searched."""

    @pytest.fixture
    def canary(self) -> str:
        """Text that stands nowhere else, source code included."""
        return f"canary{new_id().hex}"

    async def test_the_engines_errors_hold_no_value(self, world: World, canary: str) -> None:
        number = int(canary[-15:], 16)
        folder = Folder(name=canary)
        row, folder_row, file = await world.put(
            world.ann, Note(title=canary, number=number), folder, File(folder_id=folder.id, name=canary)
        )
        stale = await world.update(world.ann, Note, row, title=canary)
        await world.flush(world.ann, stale)
        gone = await world.deletion(world.ann, Folder, folder_row)
        attempts = [
            world.put(world.ann, Note(id=row["id"], title=canary)),
            world.put(world.bob, Note(title=canary, number=number)),
            world.put(world.ann, Note(title=canary, user_id=world.bob.user_id)),
            world.put(world.everyone, Note(title=canary, user_id=new_id())),
            world.put(world.ann, File(folder_id=new_id(), name=canary), Loan(file_id=file["id"])),
            world.flush(world.ann, stale),
            world.flush(world.ann, gone),
        ]
        for attempt in attempts:
            error = await _error_of(attempt)
            assert isinstance(error, HoldfastError)
            assert_silent(error, canary, str(number))

    async def test_what_the_medium_cannot_hold_is_refused_without_a_value(
        self, world: World, canary: str
    ) -> None:
        """The store never lets such values through; an engine that gets one all the same does not tell it."""
        whole = world.row(world.ann, Specimen(text=canary))
        strange: list[dict[str, Any]] = [
            {"text": canary + "\x00"},
            {"text": canary + "\ud800"},
            {"whole": 2**70},
            {"choice": canary},
            {"short": canary},
        ]
        for values in strange:
            write = world.creation(world.ann, Specimen(text=canary))
            assert write.row is not None
            write.row.update({**whole, **values, "id": write.row_id})
            try:
                await world.flush(world.ann, write)
            except Exception as error:  # noqa: BLE001 (whatever it is, it is looked into)
                assert_silent(error, canary, str(2**70))

    async def test_the_stores_errors_hold_no_value(self, world: World, canary: str) -> None:
        store = world.store()
        note = Note(title="note")
        async with store.session(world.ann) as s:
            await s.put(note)

        async def patch(entity: type[Entity], row_id: UUID, changes: dict[str, Any], version: int) -> None:
            async with store.session(world.ann) as s:
                await s.patch(entity, row_id, changes, if_version=version)

        async def select(**query: Any) -> None:
            async with store.session(world.ann) as s:
                await s.select(Board, **query)

        attempts = [
            patch(Note, note.id, {"title": canary * 20}, 1),
            patch(Note, note.id, {"stars": canary}, 1),
            patch(Note, note.id, {"title": canary + "\x00"}, 1),
            patch(Note, note.id, {"title": canary}, 7),
            patch(Note, new_id(), {"title": canary}, 1),
            patch(Specimen, new_id(), {"moment": canary, "document": {"a": object()}}, 1),
            select(where={"position": canary}),
            select(where={"position__in": canary}),
            select(where={"position__gt": None, "shelf": 3}),
            select(sort="name", where={"name": canary}),
            select(after=canary),
        ]
        for attempt in attempts:
            error = await _error_of(attempt)
            assert isinstance(error, HoldfastError)
            assert_silent(error, canary)

    async def test_the_errors_of_plain_values_hold_no_value(self, world: World, canary: str) -> None:
        plain = {name: [canary] for name in world.schema(Specimen).by_name}
        errors = [await _error_of(_decoded(world, plain)), await _error_of(_validated(world, plain))]
        for error in errors:
            assert isinstance(error, HoldfastError)
            assert_silent(error, canary)


async def _decoded(world: World, plain: dict[str, Any]) -> None:
    decode_fields(world.schema(Specimen), plain)


async def _validated(world: World, plain: dict[str, Any]) -> None:
    validate_entity(world.schema(Specimen), Specimen, plain)


async def _error_of(attempt: Awaitable[object]) -> BaseException:
    try:
        await attempt
    except Exception as error:  # noqa: BLE001 (whatever it is, it is looked into)
        return error
    return pytest.fail("the attempt was meant to fail, and did not")


def assert_silent(error: BaseException, *secrets: str) -> None:
    """None of `secrets` is in the error, its arguments, its attributes, its causes, or its printed traceback."""
    texts = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        texts += [str(seen), repr(seen), repr(seen.args), repr(vars(seen))]
        with suppress(AttributeError):
            texts.append(repr(seen.__notes__))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    for secret in secrets:
        assert not any(secret in text for text in texts), type(error).__name__
