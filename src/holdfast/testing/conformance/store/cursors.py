"""Cursors: a page goes on for whom it was begun, in the list for which it was begun, and for nobody else."""

from __future__ import annotations

import base64

import pytest

from holdfast.errors import BadCursor
from holdfast.store.store import Store
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Note, Specimen
from holdfast.testing.conformance.port.ordering import ASCENDING, plant_specimens
from holdfast.testing.conformance.world import World


class CursorTests(EngineTests):
    """Paging through the store."""

    @pytest.mark.parametrize(
        "sort", [*ASCENDING, *(f"-{field}" for field in ASCENDING), "id", "-id", "created_at"]
    )
    async def test_pages_follow_one_another(self, world: World, sort: str) -> None:
        field = sort.removeprefix("-")
        await plant_specimens(world, field if field in ASCENDING else "flag")
        store = world.store()
        async with store.session(world.ann) as s:
            whole = [specimen.id for specimen in (await s.select(Specimen, sort=sort)).items]
            paged, after, pages = [], None, 0
            while pages == 0 or after is not None:
                page = await s.select(Specimen, sort=sort, limit=4, after=after)
                paged += [specimen.id for specimen in page.items]
                after, pages = page.next, pages + 1
        assert paged == whole
        assert pages == -(-len(whole) // 4)

    async def test_bodies_come_in_the_same_pages(self, world: World) -> None:
        await world.put(world.ann, *(Board(name=f"{turn}", position=turn % 3) for turn in range(9)))
        store, schema = world.store(), world.schema(Board)
        for sort in ("id", "-id", "position"):
            after, rows = None, []
            while True:
                body, cursor = await store.read_bodies(world.ann, schema, {}, sort=sort, limit=4, after=after)
                page, same = await store.read_page(world.ann, schema, {}, sort=sort, limit=4, after=after)
                assert cursor == same
                assert body.count(b'"id":') == len(page)
                rows += page
                if cursor is None:
                    break
                after = cursor
            assert len(rows) == 9

    async def test_a_cursor_of_another_list_is_refused(self, world: World) -> None:
        store, cursor = await _cursor(world)
        others = [
            store.read_page(world.ann, world.schema(Note), {}, sort="-title", after=cursor),
            store.read_page(world.ann, world.schema(Note), {}, sort="id", after=cursor),
            store.read_page(world.ann, world.schema(Note), {"title__gt": "a"}, sort="title", after=cursor),
            store.read_page(world.ann, world.schema(Board), {}, sort="position", after=cursor),
        ]
        for other in others:
            with pytest.raises(BadCursor):
                await other
        rows, _ = await store.read_page(world.ann, world.schema(Note), {}, sort="title", after=cursor)
        assert len(rows) == 3

    async def test_a_cursor_of_another_scope_is_refused(self, world: World) -> None:
        store, cursor = await _cursor(world)
        for scope in (world.bob, world.cleo, world.everyone, world.strangers):
            with pytest.raises(BadCursor):
                await store.read_page(scope, world.schema(Note), {}, sort="title", after=cursor)

    async def test_a_cursor_that_was_tampered_with_is_refused(self, world: World) -> None:
        store, cursor = await _cursor(world)
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        flipped = [
            raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :] for place in range(0, len(raw), 5)
        ]
        bad = [base64.urlsafe_b64encode(item).rstrip(b"=").decode() for item in flipped]
        bad += [
            cursor[:-4],
            cursor[:8],
            cursor + "AAAA",
            "",
            "A",
            "=",
            "not base64!",
            "\u00e9",
            "A" * 100_000,
        ]
        for text in bad:
            with pytest.raises(BadCursor):
                await store.read_page(world.ann, world.schema(Note), {}, sort="title", after=text)

    async def test_a_cursor_that_another_secret_signed_is_refused(self, world: World) -> None:
        _, cursor = await _cursor(world)
        other = Store(world.engine, world.catalog, cursor_secret=b"another secret")
        with pytest.raises(BadCursor):
            await other.read_page(world.ann, world.schema(Note), {}, sort="title", after=cursor)

    @pytest.mark.parametrize("letter", ["x", "\x01", "\u00e4"])
    async def test_a_cursor_holds_the_longest_value_that_may_be_indexed(
        self, world: World, letter: str
    ) -> None:
        store = world.store()
        text = letter * (world.engine.limits.key_bytes // len(letter.encode()))
        async with store.session(world.ann) as s:
            await s.batch(Specimen(text=text) for _ in range(3))
        async with store.session(world.ann) as s:
            first = await s.select(Specimen, {"text__in": [text]}, sort="text", limit=2)
            rest = await s.select(Specimen, {"text__in": [text]}, sort="text", limit=2, after=first.next)
        assert (len(first.items), len(rest.items), rest.next) == (2, 1, None)


async def _cursor(world: World) -> tuple[Store, str]:
    """Ann's cursor behind the third of six notes in the order of their titles."""
    await world.put(world.ann, *(Note(title=f"note {turn}") for turn in range(6)))
    store = world.store()
    _, cursor = await store.read_page(world.ann, world.schema(Note), {}, sort="title", limit=3)
    assert cursor is not None
    return store, cursor
