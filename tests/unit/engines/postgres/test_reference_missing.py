"""A reference that leads nowhere is told by its field, not by the name of a constraint."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import asyncpg

from holdfast.engines.postgres._errors import translate
from holdfast.errors import ReferenceMissing
from holdfast.model.entity import schema_of
from holdfast.model.markers import Ref, Was
from holdfast.model.policies import Shared
from tests.unit.model.declaring import declare


def violation(constraint: str) -> Any:
    error = asyncpg.ForeignKeyViolationError("of somebody's id")
    error.schema_name, error.table_name, error.constraint_name = "app", "things", constraint
    return error


def test_the_field_is_named() -> None:
    thing = declare(Shared(), product_id=Annotated[UUID, Ref("things"), Was("item_id")])
    schema = schema_of(thing, pack="app")
    found = translate(violation("things_item_id_fkey"), schema)
    assert isinstance(found, ReferenceMissing)
    assert found.where == "app.things.product_id"


def test_a_commit_that_knows_no_schema_names_table_and_column() -> None:
    assert translate(violation("things_item_id_fkey"), None).where == "app.things.item_id"
