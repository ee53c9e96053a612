"""What a policy or a marker does not know is refused where it is written, with what it takes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest

from holdfast.errors import DeclarationError, SchemaError
from holdfast.model.entity import Entity
from holdfast.model.markers import Marker, MaxLength, Merge, Ref, Sealed
from holdfast.model.policies import Index, Keep, Owned, Shared, Synced, Unique
from holdfast.model.schema import SYSTEM_FIELDS
from holdfast.model.steps import CreateEntity, describe_step, restore_step
from tests.unit.model.declaring import declare

ANY: Any = {
    "Shared": Shared,
    "Synced": Synced,
    "Keep": Keep,
    "Owned": Owned,
    "Unique": Unique,
    "Index": Index,
}


@pytest.mark.parametrize(
    ("policy", "said", "takes"),
    [
        (
            lambda: ANY["Shared"](write="adminn"),
            "Shared does not know write='adminn'",
            "Did you mean 'admin'?",
        ),
        (
            lambda: ANY["Shared"](read=3),
            "Shared does not know read=3",
            "'viewer', 'member', 'admin' or 'owner'.",
        ),
        (
            lambda: ANY["Synced"](against_edit="edit_win"),
            "against_edit='edit_win'",
            "Did you mean 'edit_wins'?",
        ),
        (lambda: ANY["Keep"](hot=30), "Keep does not know hot=30", "a value of type timedelta"),
        (lambda: ANY["Owned"](by=7), "Owned does not know by=7", "a value of type str"),
        (lambda: ANY["Unique"]("text", 3), "Unique does not know fields=", "names of type str"),
        (lambda: ANY["Index"](("text",)), "Index does not know fields=", "names of type str"),
    ],
)
def test_a_policy_says_what_it_takes(policy: Any, said: str, takes: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare(*{type(each): each for each in (Shared(), policy())}.values(), text=str)
    assert said in raised.value.message
    assert takes in raised.value.hint
    assert raised.value.where == "Thing"


def marked(annotation: Any, marker: type[Marker], *values: Any, **named: Any) -> Any:
    return Annotated[annotation, marker(*values, **named)]


@pytest.mark.parametrize(
    ("field", "said", "takes"),
    [
        (marked(list[str], Merge, "uniom"), "Merge does not know rule='uniom'", "Did you mean 'union'?"),
        (marked(UUID, Ref, "things", on_delete="casade"), "on_delete='casade'", "Did you mean 'cascade'?"),
        (
            marked(str, Sealed, index="uniqe"),
            "Sealed does not know index='uniqe'",
            "'unique', 'bucket' or None.",
        ),
        (marked(str, MaxLength, "9"), "MaxLength does not know length='9'", "a value of type int"),
    ],
)
def test_a_marker_says_what_it_takes(field: Any, said: str, takes: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare(Shared(), field=field)
    assert said in raised.value.message
    assert takes in raised.value.hint
    assert raised.value.where == "Thing.field"


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ((Shared(), "Synced"), "'Synced' is no policy"),
        ((Shared(), Merge()), "is no policy"),
        ((Shared,), "Shared stands without parentheses"),
        (Shared(), "policies is a tuple"),
    ],
)
def test_what_is_no_policy_is_refused(policies: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        type("Thing", (Entity,), {"__annotations__": {"text": str}}, table="things", policies=policies)


@pytest.mark.parametrize("name", SYSTEM_FIELDS)
def test_the_fields_that_every_entity_has_are_reserved(name: str) -> None:
    kinds: dict[str, Any] = {"id": UUID, "version": int, "created_at": datetime, "updated_at": date}
    with pytest.raises(DeclarationError, match="reserved") as raised:
        declare(Shared(), **{name: kinds[name]})
    assert raised.value.where == f"Thing.{name}"


def test_an_unreadable_step_names_file_step_and_field() -> None:
    from holdfast.model.entity import schema_of

    plain = describe_step(CreateEntity(schema_of(declare(Shared(), text=str), pack="app")))
    plain["schema"]["fields"][0]["merge"] = "uniom"
    with pytest.raises(SchemaError, match="'union'") as raised:
        restore_step(plain, where="0001_first.py, step 2")
    assert raised.value.where == "0001_first.py, step 2, create_entity.schema.fields.text.merge"
