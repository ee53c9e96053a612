"""Schemas as values: written down, read back, compared, hashed, named by their digest."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import orjson
import pytest
from pydantic import JsonValue

from holdfast.errors import InvalidInput, NotIndexed
from holdfast.model.entity import schema_of
from holdfast.model.markers import MaxLength, Ref
from holdfast.model.policies import Bookkeeping, Index, Owned, Policy, Shared, Synced, Unique
from holdfast.model.query import MAX_LIMIT, Condition, Key, Op, Query, check_query
from holdfast.model.schema import EntitySchema, describe, restore
from holdfast.packs.finance.pack import PACK
from holdfast.testing.conformance.entities import CATALOG
from tests.unit.model.declaring import declare

SCHEMAS = [*CATALOG, *(schema_of(entity, pack="finance") for entity in PACK.entities)]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_a_schema_is_written_down_and_read_back(schema: EntitySchema) -> None:
    written = orjson.dumps(describe(schema), option=orjson.OPT_SORT_KEYS)
    again = restore(orjson.loads(written))
    assert again == schema
    assert again.digest == schema.digest
    assert hash(again) == hash(schema)


def test_the_digest_is_the_same_wherever_it_is_computed() -> None:
    """It names functions in databases that are there already: a change here leaves them behind."""
    schema = schema_of(
        declare(
            Shared(),
            Index("name"),
            name=Annotated[str, MaxLength(9)],
            other=(Annotated[UUID, Ref("x")] | None, None),
        ),
        pack="app",
    )
    assert schema.digest == "9a02e136"


@pytest.mark.parametrize(
    "other",
    [
        declare(Shared(), name=Annotated[str, MaxLength(8)], flag=bool),
        declare(Shared(), name=Annotated[str, MaxLength(9)] | None, flag=bool),
        declare(Shared(), name=(Annotated[str, MaxLength(9)], ""), flag=bool),
        declare(Shared(), flag=bool, name=Annotated[str, MaxLength(9)]),
        declare(Shared(write="admin"), name=Annotated[str, MaxLength(9)], flag=bool),
        declare(Shared(), Index("name"), name=Annotated[str, MaxLength(9)], flag=bool),
        declare(Shared(), Unique("name"), name=Annotated[str, MaxLength(9)], flag=bool),
        declare(Shared(), Unique("name", when="flag"), name=Annotated[str, MaxLength(9)], flag=bool),
        declare(Shared(), name=Annotated[str, MaxLength(9)], flag=bool, table="others"),
    ],
)
def test_the_digest_changes_with_the_schema(other: Any) -> None:
    schema = schema_of(declare(Shared(), name=Annotated[str, MaxLength(9)], flag=bool), pack="app")
    assert schema_of(other, pack="app").digest != schema.digest
    assert schema_of(other, pack="app") != schema


def test_a_schema_whose_defaults_are_documents_can_be_hashed() -> None:
    schema = schema_of(declare(Shared(), settings=(dict[str, JsonValue], {"a": [1]})), pack="app")
    assert len({schema, replace(schema), replace(schema, table="others")}) == 2


def test_filters_and_sorts_work_on_what_is_indexed() -> None:
    schema = schema_of(
        declare(
            Owned(),
            Index("kind", "size"),
            Unique("name", when="flag"),
            user_id=(UUID | None, None),
            kind=str,
            size=int,
            name=str,
            flag=bool,
            rest=str,
        ),
        pack="app",
    )
    assert schema.sortable == {"id", "created_at", "user_id", "kind", "size", "name"}
    check_query(schema, sorted(schema.sortable), 1)
    for field in ("rest", "flag", "version", "updated_at"):
        with pytest.raises(NotIndexed) as caught:
            check_query(schema, [field], 1)
        assert caught.value.where == f"app.things.{field}"


def test_an_unknown_field_is_the_callers_mistake_and_is_cut_short() -> None:
    schema = schema_of(declare(name=str), pack="app")
    with pytest.raises(InvalidInput) as caught:
        check_query(schema, ["x" * 1_000], 1)
    assert list(caught.value.fields) == ["x" * 64]
    assert not isinstance(caught.value, NotIndexed)


@pytest.mark.parametrize(
    ("limit", "good"), [(1, True), (MAX_LIMIT, True), (0, False), (MAX_LIMIT + 1, False), (-1, False)]
)
def test_a_limit_lies_between_one_and_a_thousand(limit: int, *, good: bool) -> None:
    schema = schema_of(declare(name=str), pack="app")
    if good:
        check_query(schema, (), limit)
        return
    with pytest.raises(InvalidInput):
        check_query(schema, (), limit)


def test_only_the_plain_list_has_a_plan() -> None:
    schema = schema_of(declare(Shared(), Index("name"), name=str), pack="app")
    assert Query(schema).is_default
    assert Query(schema, limit=5, after=Key(None, UUID(int=1))).is_default
    assert not Query(schema, descending=True).is_default
    assert not Query(schema, sort="name").is_default
    assert not Query(schema, (Condition("name", Op.EQ, "a"),)).is_default


@pytest.mark.parametrize(
    ("policies", "differs"),
    [
        ((Shared(),), False),
        ((Shared(read="viewer"), Synced(against_edit="delete_wins")), False),
        ((Shared(read="admin"),), True),
        ((Shared(), Synced(against_edit="edit_wins")), True),
        ((Shared(), Bookkeeping()), True),
    ],
)
def test_what_schemas_have_come_to_say_leaves_those_alone_that_do_not_say_it(
    policies: tuple[Policy, ...], *, differs: bool
) -> None:
    """A digest names functions that stand in databases: it is what it was for whoever uses none of it."""
    schema = schema_of(declare(*policies, name=str), pack="app")
    later = {"read_role", "against_edit", "bookkeeping"} & set(describe(schema))
    assert bool(later) == differs
    assert restore(describe(schema)) == schema
