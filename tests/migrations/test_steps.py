"""Each kind of change: the rows keep what they held, old and new code work side by side, and it can be taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field

from holdfast.errors import ReferenceMissing
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.markers import Converted, Digits, MaxLength, Member, Ref, Was
from holdfast.model.policies import Index, Owned, Policy, Shared, Synced, Unique
from holdfast.store.store import Store
from tests.migrations.bench import SECRET, Bench, catalog
from tests.unit.model.declaring import declare

Text = Annotated[str, MaxLength(20)]


def notes(*policies: Policy, **fields: Any) -> type[Entity]:
    return declare(*(policies or (Shared(),)), table="notes", **fields)


OLD = notes(title=Text)


async def written(bench: Bench, entity: type[Entity], **values: Any) -> tuple[Any, UUID]:
    """A row of ours, by code that declares `entity`; and by whom."""
    scope = (await bench.world()).ann
    row = entity(**values)
    async with bench.store(entity).session(scope) as session:
        await session.put(row)
    return scope, row.id


async def read(bench: Bench, entity: type[Entity], scope: Any, row_id: UUID) -> Any:
    async with bench.store(entity).session(scope) as session:
        return await session.get(entity, row_id)


async def patched(bench: Bench, entity: type[Entity], scope: Any, row_id: UUID, **values: Any) -> None:
    async with bench.store(entity).session(scope) as session:
        await session.patch(entity, row_id, values)


async def there_and_back(bench: Bench, old: type[Entity], new: type[Entity], **control: Any) -> None:
    """Up, down, and up again: what stands is what is declared, each time."""
    await bench.become(new, **control)
    assert await bench.findings() == ()
    count = len(bench.revisions)
    while len(bench.revisions) > 1:
        await bench.take_back(**control)
    assert await bench.findings() == ()
    assert bench.declared().keys() == {"app.notes"}
    await bench.become(new, **control)
    assert await bench.findings() == ()
    assert len(bench.revisions) == count


CHANGES: dict[str, tuple[type[Entity], type[Entity]]] = {
    "a field more, that may be absent": (OLD, notes(title=Text, done=(bool | None, None))),
    "a field more, with a default": (OLD, notes(title=Text, stars=(Annotated[int, Field(ge=0, le=5)], 3))),
    "a field less": (notes(title=Text, stars=int), OLD),
    "a field less, that was optional": (notes(title=Text, stars=(int | None, None)), OLD),
    "the only field less": (OLD, notes()),
    "a field renamed": (OLD, notes(headline=Annotated[Text, Was("title")])),
    "a table renamed": (OLD, declare(Shared(), Was("notes"), table="memos", title=Text)),
    "longer text": (OLD, notes(title=Annotated[str, MaxLength(50)])),
    "text of any length": (OLD, notes(title=str)),
    "shorter text": (OLD, notes(title=Annotated[str, MaxLength(10)])),
    "more choices": (notes(kind=Literal["a", "b"]), notes(kind=Literal["a", "b", "c"])),
    "fewer choices": (notes(kind=Literal["a", "b", "c"]), notes(kind=Literal["a", "b"])),
    "other choices": (notes(kind=Literal["a", "b"]), notes(kind=Literal["b", "c"])),
    "choices instead of text": (notes(kind=Text), notes(kind=Literal["a", "b"])),
    "text instead of choices": (notes(kind=Literal["a", "b"]), notes(kind=Text)),
    "a wider range": (notes(n=Annotated[int, Field(ge=0, le=5)]), notes(n=Annotated[int, Field(ge=0, le=9)])),
    "no range": (notes(n=Annotated[int, Field(ge=0, le=5)]), notes(n=int)),
    "a narrower range": (notes(n=int), notes(n=Annotated[int, Field(ge=0, le=5)])),
    "more digits": (notes(n=Annotated[Decimal, Digits(8, 2)]), notes(n=Annotated[Decimal, Digits(12, 2)])),
    "fewer digits": (notes(n=Annotated[Decimal, Digits(12, 2)]), notes(n=Annotated[Decimal, Digits(8, 2)])),
    "what may be absent": (OLD, notes(title=(Text | None, None))),
    "what may be absent no more": (notes(title=(Text | None, None)), OLD),
    "an index": (OLD, notes(Shared(), Index("title"), title=Text)),
    "an index less": (notes(Shared(), Index("title"), title=Text), OLD),
    "a unique rule": (OLD, notes(Shared(), Unique("title"), title=Text)),
    "a unique rule less": (notes(Shared(), Unique("title"), title=Text), OLD),
    "a unique rule of some": (
        notes(title=Text, on=bool),
        notes(Shared(), Unique("title", when="on"), title=Text, on=bool),
    ),
    "a reference": (notes(up=(UUID | None, None)), notes(up=(Annotated[UUID, Ref("notes")] | None, None))),
    "a reference less": (
        notes(up=(Annotated[UUID, Ref("notes")] | None, None)),
        notes(up=(UUID | None, None)),
    ),
    "a new reference": (OLD, notes(title=Text, up=(Annotated[UUID, Ref("notes")] | None, None))),
    "a reference gone": (notes(title=Text, up=Annotated[UUID, Ref("notes")]), OLD),
    "a member": (notes(who=(UUID | None, None)), notes(who=(Annotated[UUID, Member()] | None, None))),
    "an owner": (
        notes(title=Text, user_id=(UUID | None, None)),
        notes(Owned(), title=Text, user_id=(UUID | None, None)),
    ),
    "an owner less": (
        notes(Owned(), title=Text, user_id=(UUID | None, None)),
        notes(title=Text, user_id=(UUID | None, None)),
    ),
    "a number instead of text": (notes(n=Text), notes(n=Annotated[int, Converted("n")])),
    "text instead of a number": (notes(n=int), notes(n=Annotated[str, Converted("n")])),
    "a decimal of another scale": (
        notes(n=Annotated[Decimal, Digits(8, 2)]),
        notes(n=Annotated[Decimal, Digits(8, 4), Converted("n")]),
    ),
    "a day instead of text": (notes(d=Text), notes(d=(Annotated[date, Converted("d")] | None, None))),
    "other roles, and synced": (OLD, notes(Shared(write="admin", read="member"), Synced(), title=Text)),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_every_change_leads_there_and_back_and_there_again(bench: Bench, change: str) -> None:
    old, new = CHANGES[change]
    await bench.become(old)
    await there_and_back(bench, old, new)


async def test_a_table_comes_back_with_its_references_and_its_rows(bench: Bench) -> None:
    target: Any = declare(Shared(), table="targets", title=Text)
    other = notes(title=Text)
    referring: Any = declare(
        Shared(),
        table="others",
        up=(Annotated[UUID, Ref("others")] | None, None),
        to=(Annotated[UUID, Ref("targets")] | None, None),
    )
    await bench.become(target, other)
    await bench.become(target, other, referring)
    scope = (await bench.world()).ann
    made = target(title="t")
    row = referring(to=made.id)
    async with bench.store(target, other, referring).session(scope) as session:
        await session.batch([made, row])
    await bench.take_back(force=True)
    assert await bench.findings() == ()
    await bench.become(target, other, referring)
    assert await bench.findings() == ()
    async with bench.store(target, other, referring).session(scope) as session:
        found: Any = await session.get(referring, row.id)
    assert found.to == made.id
    with pytest.raises(ReferenceMissing):
        async with bench.store(target, other, referring).session(scope) as session:
            await session.patch(referring, row.id, {"to": new_id()})


async def test_rows_of_a_clock_that_is_ahead_are_filled_too(bench: Bench) -> None:
    old: Any = notes(amount=str)
    new: Any = notes(amount=(Annotated[int | None, Converted("amount")], None))
    await bench.become(old)
    scope = (await bench.world()).ann
    ahead = Store(
        bench.engine, catalog(old), cursor_secret=SECRET, clock=lambda: datetime.now(UTC) + timedelta(days=1)
    )
    for store, value in ((bench.store(old), "1"), (ahead, "2")):
        async with store.session(scope) as session:
            await session.put(old(amount=value))
    await bench.become(new)
    async with bench.store(new).session(scope) as session:
        found: Any = (await session.select(new)).items
    assert [row.amount for row in found] == [1, 2]


@pytest.mark.parametrize(
    ("old", "new", "value", "is_read"),
    [
        (int, Annotated[Decimal, Digits(19, 0)], -(2**63), True),
        (int, Annotated[Decimal, Digits(15, 2)], -(2**63), False),
        (str, Annotated[Decimal, Digits(4, 4)], "0.1234", True),
        (str, Annotated[Decimal, Digits(4, 4)], "1.5", False),
    ],
)
async def test_a_number_that_does_not_fit_has_no_counterpart(
    bench: Bench, old: Any, new: Any, value: Any, *, is_read: bool
) -> None:
    entity: Any = notes(title=Text, amount=old)
    wider: Any = notes(title=Text, amount=(Annotated[new | None, Converted("amount")], None))
    await bench.become(entity)
    scope, row_id = await written(bench, entity, title="t", amount=value)
    await bench.apply(bench.plan(wider).pre)
    found = await read(bench, wider, scope, row_id)
    assert found.amount == (Decimal(value) if is_read else None)


async def test_a_field_that_is_declared_again_holds_what_it_held(bench: Bench) -> None:
    whole: Any = notes(title=Text, n=(int, 7), m=(str | None, "d"))
    less: Any = notes(title=Text)
    await bench.become(whole)
    scope, old = await written(bench, whole, title="old", n=1, m="m")
    await bench.become(less)
    async with bench.store(less).session(scope) as session:
        row = less(title="between")
        await session.put(row)
    await bench.become(whole)
    found = [await read(bench, whole, scope, row_id) for row_id in (old, row.id)]
    assert [(each.n, each.m) for each in found] == [(1, "m"), (7, None)]
