"""Where `Sealed` may stand: what cannot be carried out is said when it is declared, with what to do instead."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field, JsonValue

from holdfast.crypto.envelope import OVERHEAD
from holdfast.errors import DeclarationError
from holdfast.model.entity import Entity
from holdfast.model.markers import Digits, MaxLength, Member, Ref, Sealed
from holdfast.model.policies import Index, Keep, Owned, Personal, Policy, Shared, Unique
from holdfast.model.sealing import sealed_fields
from tests.unit.model.declaring import declare

UNIQUE, BUCKET = Sealed(index="unique"), Sealed(index="bucket")


def refused(match: str, *policies: Policy, **fields: Any) -> None:
    with pytest.raises(DeclarationError, match=match) as caught:
        declare(*policies, **fields)
    assert caught.value.hint
    assert "Thing." in str(caught.value.where)


def accepted(*policies: Policy, **fields: Any) -> None:
    """The declaration can be carried out, by a release that seals."""
    refused("this release has none", *policies, **fields)


def test_what_the_finance_pack_will_declare_can_be_carried_out() -> None:
    accepted(
        Owned(by="user_id"),
        Personal(subject="user_id"),
        Index("category"),
        Unique("account_id", "source_id"),
        Index("account_id", "merchant"),
        user_id=(UUID | None, None),
        account_id=Annotated[UUID, Ref("things")],
        source_id=(Annotated[str, MaxLength(255), UNIQUE] | None, None),
        category=Annotated[str, BUCKET],
        merchant=Annotated[str, UNIQUE],
        description=(Annotated[str, Sealed(group="details")] | None, None),
        notes=(Annotated[dict[str, JsonValue], Sealed(group="details")], Field(default_factory=dict)),
        is_good=Annotated[bool, Sealed()],
        kind=Annotated[Literal["a", "b"], Sealed()],
    )


def test_a_mark_is_found_wherever_it_stands() -> None:
    class Plain(Entity):
        one: Annotated[str, Sealed()] | None = None
        two: Annotated[str | None, UNIQUE] = None
        three: str = Field(default="")

    assert sealed_fields(Plain) == {"one": Sealed(), "two": UNIQUE}


def test_a_sealed_field_is_indexed_blindly_or_not_at_all() -> None:
    for policy in (Index("field"), Unique("field"), Index("other", "field"), Unique("other", "field")):
        refused("has no blind index", Shared(), policy, field=Annotated[str, Sealed()], other=str)
        accepted(Shared(), policy, field=Annotated[str, UNIQUE], other=str)


def test_a_bucket_carries_no_unique_rule() -> None:
    refused("bucket index is shared", Shared(), Unique("field"), field=Annotated[str, BUCKET])
    accepted(Shared(), Index("field"), field=Annotated[str, BUCKET])


@pytest.mark.parametrize("marker", [UNIQUE, BUCKET], ids=str)
@pytest.mark.parametrize(
    "kind",
    [
        bool,
        Literal["checking", "savings"],
        Annotated[int, Field(ge=1, le=5)],
        Annotated[int, Field(ge=0, le=998)],
        Annotated[Decimal, Digits(2, 2)],
        Annotated[bytes, MaxLength(1)],
    ],
    ids=str,
)
def test_few_values_have_no_blind_index(kind: Any, marker: Sealed) -> None:
    refused("fewer than 1,000 possible values", field=Annotated[kind, marker])
    refused("fewer than 1,000 possible values", field=(Annotated[kind, marker] | None, None))
    accepted(field=Annotated[kind, Sealed()])


@pytest.mark.parametrize("kind", [float, dict[str, JsonValue], list[str]], ids=str)
def test_what_is_not_compared_exactly_has_none_either(kind: Any) -> None:
    refused("JSON and floats", field=Annotated[kind, UNIQUE])
    accepted(field=Annotated[kind, Sealed()])


@pytest.mark.parametrize(
    "kind",
    [
        str,
        int,
        UUID,
        date,
        datetime,
        bytes,
        Annotated[int, Field(ge=0, le=999)],
        Annotated[Decimal, Digits(3, 2)],
    ],
    ids=str,
)
def test_many_values_may_have_one(kind: Any) -> None:
    accepted(Shared(), Unique("field"), field=Annotated[kind, UNIQUE])


def test_what_decides_before_it_is_opened_stays_plain() -> None:
    refused("a reference", field=Annotated[UUID, Ref("things"), Sealed()])
    refused("a reference", field=Annotated[UUID, Member(), UNIQUE])
    refused("the row's owner", Owned(by="user_id"), user_id=(Annotated[UUID, Sealed()] | None, None))
    refused(
        "the person whom the row is about",
        Shared(),
        Personal(subject="person"),
        person=Annotated[UUID, Sealed()],
    )
    refused(
        "what retention counts from",
        Shared(),
        Keep(hot=timedelta(days=1), since="at"),
        at=Annotated[datetime, Sealed()],
    )
    refused(
        "the condition of a unique rule",
        Shared(),
        Unique("name", when="chosen"),
        name=str,
        chosen=Annotated[bool, Sealed()],
    )
    refused("the store's own", created_at=(Annotated[datetime, Sealed()] | None, None))


def test_a_group_has_a_name_of_its_own() -> None:
    refused("a name of its own", field=Annotated[str, Sealed(group="other")], other=str)
    refused("a name of its own", field=Annotated[str, Sealed(group="field")])
    refused("a name of its own", field=Annotated[str, Sealed(group="no name")])
    refused("a name of its own", field=Annotated[str, Sealed(group="")])


def test_what_sealing_adds_is_known() -> None:
    assert OVERHEAD == 46
