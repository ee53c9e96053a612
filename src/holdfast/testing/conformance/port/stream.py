"""`Capability.STREAM`: selected rows in wire form, as the medium makes them. `model.wire` says how each must read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from holdfast.changes.change import canonical
from holdfast.engines.port import Capability, Piece, Row, Selection, Since
from holdfast.errors import NotSupported
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id, parse_id
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import encode_wire_row, spell_id
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.base import EngineTests, needs
from holdfast.testing.conformance.entities import Board, File, Folder, Note, Specimen
from holdfast.testing.conformance.port.values import EDGES
from holdfast.testing.conformance.world import World


async def _refused(world: World) -> None:
    with pytest.raises(NotSupported):
        await pieces(world, world.ann, Selection(world.schema(Board)))


needs_stream = needs(Capability.STREAM, _refused)

MILLISECOND_EDGES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 998_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    datetime(1970, 1, 1, 0, 0, 0, 999, tzinfo=UTC),
    datetime(1700, 2, 28, 11, 1, 1, 1_001, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 2, 3, 4_999, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    *(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=turn * 1_000 - 1) for turn in range(40)),
]


async def pieces(world: World, scope: Scope, selection: Selection) -> list[Piece]:
    """All pieces of a selection."""
    async with world.engine.begin(scope, read_only=True) as tx:
        return [piece async for piece in tx.stream(selection)]


async def rows(
    world: World, scope: Scope, entity: type[Entity], since: Since | None = None, **rest: Any
) -> list[dict[str, Any]]:
    """The rows of a selection, parsed; what each piece says of itself is checked."""
    read: list[dict[str, Any]] = []
    for piece in await pieces(world, scope, Selection(world.schema(entity), since, **rest)):
        part = json.loads(b"[" + piece.json + b"]")
        assert len(part) == piece.count > 0
        assert part[-1]["id"] == spell_id(piece.last)
        read += part
    return read


async def names(world: World, scope: Scope, since: Since | None = None, **rest: Any) -> list[str]:
    """The names of the selected boards, in byte order."""
    return sorted(row["name"] for row in await rows(world, scope, Board, since, **rest))


def on_wire(schema: EntitySchema, row: Row) -> Any:
    """A row as any reader of JSON reads it."""
    return json.loads(orjson.dumps(encode_wire_row(schema, row)))


class WireTests(EngineTests):
    """How rows read."""

    @pytest.mark.parametrize("field", EDGES)
    @needs_stream
    async def test_a_value_reads_as_the_wire_has_it(self, world: World, field: str) -> None:
        schema = world.schema(Specimen)
        values = [*EDGES[field], None]
        if field == "moment":
            values += MILLISECOND_EDGES
        expected = []
        for value in values:
            (row,) = await world.put(world.ann, Specimen.model_validate({field: value}))
            expected.append(on_wire(schema, row))
        expected.sort(key=lambda row: UUID(row["id"]).bytes)
        assert await rows(world, world.ann, Specimen) == expected

    @needs_stream
    async def test_decimals_have_no_trailing_zeros(self, world: World) -> None:
        for money in ("12.50", "12.00", "-0.10", "100.00", "0.00"):
            await world.put(world.ann, Specimen(money=Decimal(money)))
        text = b",".join(p.json for p in await pieces(world, world.ann, Selection(world.schema(Specimen))))
        found = sorted(part.split(b",")[0] for part in text.split(b'"money":')[1:])
        assert found == sorted([b"12.5", b"12", b"-0.1", b"100", b"0"])

    @needs_stream
    async def test_ids_are_the_devices_own_in_references_too(self, world: World) -> None:
        folder, other = parse_id("0123456789abcdef"), parse_id("ZZZZZZZZZZZZZZZZ")
        foreign = UUID(bytes=b"\xff" * 6 + other.bytes[6:10] + b"\xff" * 6)
        await world.put(
            world.ann,
            Folder(id=folder, name="device's"),
            File(id=other, folder_id=folder, name="device's"),
            File(id=foreign, folder_id=folder, name="tagged, and spelled with a slash"),
        )
        files = await rows(world, world.ann, File)
        assert {row["id"] for row in files} == {"ZZZZZZZZZZZZZZZZ", str(foreign)}
        assert {row["folder_id"] for row in files} == {"0123456789abcdef"}
        assert {row["user_id"] for row in files} == {str(world.ann.user_id)}

    @needs_stream
    async def test_documents_are_canonical(self, world: World) -> None:
        documents: list[Any] = [{"b": 1, "a": {"long key": [], "k": 1e22}}, {}, [], [1, "é", "\n~"], None]
        for document in documents:
            await world.put(world.ann, Specimen(document=document, text="\n~{"))
        found = [row["document"] for row in await rows(world, world.ann, Specimen)]
        expected = [canonical(document).decode() for document in documents if document is not None]
        assert expected[0].startswith('{"a":{"k":1e')
        assert sorted(text for text in found if text is not None) == sorted(expected)
        assert found.count(None) == 1


class SelectionTests(EngineTests):
    """Which rows."""

    @needs_stream
    async def test_all_rows_come_by_id(self, world: World) -> None:
        made = await world.put(world.ann, *(Board(id=new_id(), name=f"{turn}") for turn in range(20)))
        made.sort(key=lambda row: row["id"].bytes)
        found = await rows(world, world.bob, Board)
        assert found == [on_wire(world.schema(Board), row) for row in made]
        assert set(found[0]) == set(world.schema(Board).by_name) - {"version"}
        start = made[11]["id"]
        assert await rows(world, world.bob, Board, start=start) == found[12:]
        assert await rows(world, world.bob, Board, start=made[-1]["id"]) == []

    @needs_stream
    async def test_nothing_is_no_piece(self, world: World) -> None:
        assert await pieces(world, world.ann, Selection(world.schema(Board))) == []
        assert await pieces(world, world.ann, Selection(world.schema(Board), Since(0, 9))) == []

    @needs_stream
    async def test_only_what_the_scope_sees(self, world: World) -> None:
        await world.put(world.ann, Note(title="Ann's"), Board(name="ours"))
        await world.put(world.bob, Note(title="Bob's"))
        await world.put(world.cleo, Note(title="Cleo's"), Board(name="theirs"))
        for since in (None, Since(0, 9)):
            for scope, titles in (
                (world.ann, ["Ann's"]),
                (world.bob, ["Bob's"]),
                (world.everyone, ["Ann's", "Bob's"]),
                (world.cleo, ["Cleo's"]),
            ):
                found = await rows(world, scope, Note, since, differing=())
                assert sorted(row["title"] for row in found) == titles
                found = await rows(world, scope, Note, since, differing=("stars", "title"))
                assert sorted(row["title"] for row in found) == titles
            assert await names(world, world.cleo, since) == ["theirs"]

    @needs_stream
    async def test_rows_whose_last_change_is_within_the_span(self, world: World) -> None:
        a, b, c, d = await world.put(world.ann, *(Board(name=name) for name in "abcd"))
        await world.flush(world.ann, await world.update(world.ann, Board, b, name="b2"))
        await world.flush(world.ann, await world.deletion(world.ann, Board, c))
        await world.flush(world.ann, await world.update(world.ann, Board, a, name="a2"))
        assert await names(world, world.bob, Since(0, 7)) == ["a2", "b2", "d"]
        assert await names(world, world.bob, Since(4, 7)) == ["a2", "b2"]
        assert await names(world, world.bob, Since(4, 5)) == ["b2"]
        assert await names(world, world.bob, Since(0, 4)) == ["d"]
        assert await names(world, world.bob, Since(5, 6)) == []
        assert await names(world, world.bob, Since(7, 7)) == []
        assert await names(world, world.bob, Since(0, 7), start=d["id"]) == []

    @needs_stream
    async def test_a_row_made_anew_comes_once(self, world: World) -> None:
        board = Board(name="first")
        (row,) = await world.put(world.ann, board)
        await world.flush(world.ann, await world.deletion(world.ann, Board, row))
        await world.put(replace(world.ann, device="x"), Board(id=board.id, name="second"))
        assert await names(world, world.ann, Since(0, 9)) == ["second"]
        assert await names(world, world.ann, Since(0, 9, device="x")) == []
        assert await names(world, world.ann, Since(2, 9)) == ["second"]
        assert await names(world, world.ann, Since(1, 2)) == []

    @needs_stream
    async def test_what_a_device_did_itself_is_left_out(self, world: World) -> None:
        phone = replace(world.ann, device="sync:it's a phone")
        (row,) = await world.put(phone, Board(name="from the phone"))
        await world.put(replace(phone, device="sync:it's a phone+"), Board(name="corrected"))
        await world.put(world.ann, Board(name="from nowhere"))
        mine = Since(0, 9, device="sync:it's a phone")
        assert await names(world, world.ann, mine) == ["corrected", "from nowhere"]
        assert len(await names(world, world.ann, Since(0, 9, device="other"))) == 3
        await world.flush(world.bob, await world.update(world.bob, Board, row, name="changed"))
        assert await names(world, world.ann, mine) == ["changed", "corrected", "from nowhere"]

    @needs_stream
    async def test_rows_in_which_a_field_differs_join_those_that_changed(self, world: World) -> None:
        await world.put(
            world.ann,
            Board(name="bare"),
            Board(name="empty", shelf="", position=0),
            Board(name="shelved", shelf="s"),
            Board(name="placed", position=-1),
            Board(name="set", settings={"a": 1}),
        )
        phone = replace(world.ann, device="sync:phone")
        await world.put(phone, Board(name="late"))
        assert await names(world, world.ann, differing=("shelf", "position")) == ["placed", "shelved"]
        assert await names(world, world.ann, Since(5, 6), differing=("shelf",)) == ["late", "shelved"]
        assert await names(world, world.ann, Since(4, 6), differing=("position",)) == [
            "late",
            "placed",
            "set",
        ]
        mine = Since(4, 6, device="sync:phone")
        assert await names(world, world.ann, mine, differing=("position",)) == ["placed", "set"]
        assert len(await names(world, world.ann, differing=("settings",))) == 6

    @pytest.mark.parametrize("field", EDGES)
    @needs_stream
    async def test_nothing_and_empty_do_not_differ_and_all_else_does(self, world: World, field: str) -> None:
        kind = world.schema(Specimen).by_name[field].type.kind
        empty = {"text": "", "boolean": False, "bytes": b"", "instant": datetime(1970, 1, 1, tzinfo=UTC)}
        nothing = empty.get(kind, 0 if kind in {"integer", "float", "decimal"} else None)
        await world.put(world.ann, Specimen())
        if nothing is not None:
            await world.put(world.ann, Specimen.model_validate({field: nothing}))
        full = [value for value in EDGES[field] if value != nothing or kind == "json"]
        for value in full:
            await world.put(world.ann, Specimen.model_validate({field: value}))
        assert len(await rows(world, world.ann, Specimen, differing=(field,))) == len(full)

    @needs_stream
    async def test_rows_that_have_moved_on_are_left_out(self, world: World) -> None:
        a, b, _ = await world.put(world.ann, *(Board(name=name) for name in "abc"))
        await world.flush(world.ann, await world.update(world.ann, Board, a, name="a2"))
        await world.put(world.ann, Board(name="new"))
        assert await names(world, world.ann, standing=3) == ["b", "c"]
        assert await names(world, world.ann, standing=4) == ["a2", "b", "c"]
        assert await names(world, world.ann, standing=5) == ["a2", "b", "c", "new"]
        assert await names(world, world.ann, Since(1, 5), standing=4) == ["a2", "b", "c"]
        assert await names(world, world.ann, standing=3, start=b["id"]) == ["c"]


class StreamTests(EngineTests):
    """How they come."""

    @needs_stream
    async def test_many_rows_come_in_pieces(self, world: World) -> None:
        made = await world.put(
            world.ann, *(Board(name="x" * 150, shelf=f"{n}", label="l") for n in range(4_000))
        )
        found = await pieces(world, world.ann, Selection(world.schema(Board)))
        assert len(found) > 1
        assert sum(piece.count for piece in found) == 4_000
        text = b"[" + b",".join(piece.json for piece in found) + b"]"
        ids = [row["id"] for row in orjson.loads(text)]
        assert ids == sorted(str(row["id"]) for row in made)
        assert str(found[0].last) == ids[found[0].count - 1]

    @needs_stream
    async def test_a_stream_keeps_the_moment_of_its_transaction(self, world: World) -> None:
        (row,) = await world.put(world.ann, Board(name="before"))
        async with world.engine.begin(world.ann, read_only=True) as tx:
            assert (await tx.marks()).head == 1
            await world.flush(world.ann, await world.update(world.ann, Board, row, name="after"))
            await world.put(world.ann, Board(name="later"))
            text = b"".join([piece.json async for piece in tx.stream(Selection(world.schema(Board)))])
            again = b"".join(
                [piece.json async for piece in tx.stream(Selection(world.schema(Board), Since(0, 9)))]
            )
        assert b'"before"' in text
        assert text == again
        assert b'"later"' not in text

    @needs_stream
    async def test_a_reader_may_stop_early(self, world: World) -> None:
        await world.put(world.ann, *(Board(name="x" * 200, shelf=f"{n}", label="l") for n in range(4_000)))
        selection = Selection(world.schema(Board))
        for _ in range(6):
            async with world.engine.begin(world.ann, read_only=True) as tx:
                stream = tx.stream(selection)
                first = await anext(stream)
                await stream.aclose()
            assert 0 < first.count < 4_000
            assert await world.head(world.ann) == 4_000
        assert sum(piece.count for piece in await pieces(world, world.ann, selection)) == 4_000

    @needs_stream
    async def test_a_reader_may_be_cancelled(self, world: World) -> None:
        await world.put(world.ann, *(Board(name="x" * 200, shelf=f"{n}", label="l") for n in range(4_000)))

        async def read() -> None:
            async with world.engine.begin(world.ann, read_only=True) as tx:
                async for _ in tx.stream(Selection(world.schema(Board))):
                    await asyncio.sleep(60)

        for _ in range(3):
            task = asyncio.create_task(read())
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert len(await names(world, world.ann)) == 4_000

    @needs_stream
    async def test_a_slow_reader_holds_the_medium_back(self, world: World) -> None:
        """What nobody has taken is not read ahead without bound."""
        await world.put(world.ann, *(Board(name="x" * 200, shelf=f"{n}", label="l") for n in range(4_000)))
        read = 0
        async with world.engine.begin(world.ann, read_only=True) as tx:
            async for piece in tx.stream(Selection(world.schema(Board))):
                await asyncio.sleep(0.01)
                read += piece.count
                assert len(piece.json) < 4_000_000
        assert read == 4_000
