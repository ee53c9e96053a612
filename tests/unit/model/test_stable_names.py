"""A rename changes what Python and REST call a thing, and nothing that is stored, logged or held by devices."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import pytest

from holdfast.errors import DeclarationError
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity, schema_of
from holdfast.model.markers import Converted, MaxLength, Ref, Was
from holdfast.model.policies import Index, Owned, Shared, Synced
from holdfast.model.schema import describe, restore
from holdfast.packs.finance import PACK
from tests.unit.model.declaring import declare

DIGESTS = {
    "financial_accounts": "344f140d",
    "financial_goals": "e7ee45eb",
    "scenarios": "3b2bab7c",
    "transactions": "19d15606",
}


class Note(Entity, table="notes", policies=(Owned(), Synced(), Index("headline"), Was("memos"))):
    user_id: UUID | None = None
    headline: Annotated[str, MaxLength(9), Was("title")]
    parent: Annotated[UUID | None, Ref("notes", on_delete="cascade"), Was("up")] = None
    amount: Annotated[int | None, Converted("amount")] = None


SCHEMA = Catalog({"app": [Note]}).schema(Note)


def test_names_that_are_stored_are_the_first_ones() -> None:
    assert (SCHEMA.name, SCHEMA.stable_name) == ("app.notes", "app.memos")
    assert [field.column for field in SCHEMA.fields] == ["user_id", "title", "up", "amount_integer"]
    assert SCHEMA.index_columns[1:] == (("title", "id"), ("user_id", "id"), ("up", "id"))
    assert SCHEMA.current_name("title") == "headline"
    assert SCHEMA.current_name("gone") == "gone"


def test_a_dropped_column_is_not_called_like_the_field_that_has_its_name_now() -> None:
    assert SCHEMA.current_name("headline") == "headline (dropped)"
    assert SCHEMA.current_name("amount") == "amount (dropped)"


def test_a_reference_names_its_target_by_the_stable_name() -> None:
    (reference,) = (reference for field, reference in SCHEMA.references)
    assert reference.table == "app.memos"
    catalog = Catalog({"app": [Note]})
    assert [r.field.name for r in catalog.referrers(SCHEMA)] == ["parent"]
    assert catalog.logged("app.memos") == catalog.schema("app.notes")


def test_what_is_not_renamed_is_described_as_before() -> None:
    plain = describe(schema_of(declare(Shared(), name=str), pack="app"))
    assert "origin" not in plain
    assert all({"origin", "source"}.isdisjoint(field) for field in plain["fields"])


def test_a_renamed_schema_is_written_down_and_read_back() -> None:
    assert restore(describe(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("entity", PACK.entities, ids=lambda entity: entity.table)
def test_the_digests_of_tables_that_stand_are_what_they_were(entity: type[Entity]) -> None:
    assert Catalog({PACK.name: PACK.entities}).schema(entity).digest == DIGESTS[entity.table]


def test_two_fields_are_not_stored_under_one_name() -> None:
    with pytest.raises(DeclarationError, match="two fields are stored as title"):
        declare(Shared(), title=str, headline=Annotated[str, Was("title")])


def test_two_tables_are_not_stored_under_one_name() -> None:
    class Memo(Entity, table="memos", policies=(Shared(),)):
        name: str

    with pytest.raises(DeclarationError, match=r"stored in one table, app\.memos"):
        Catalog({"app": [Note, Memo]})


def test_a_converted_field_is_not_renamed_as_well() -> None:
    with pytest.raises(DeclarationError, match="Converted"):
        declare(Shared(), amount=Annotated[int, Converted("a"), Was("b")])
