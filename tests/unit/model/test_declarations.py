"""Declarations: what an entity says becomes its schema, and what it cannot mean is refused where it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from holdfast.errors import DeclarationError
from holdfast.model.entity import Entity, schema_of
from holdfast.model.ids import new_id
from holdfast.model.markers import Digits, MaxLength, Member, Merge, Ref, Sealed, ServerSet
from holdfast.model.policies import (
    Bookkeeping,
    Index,
    Keep,
    Owned,
    Personal,
    Policy,
    Realm,
    Shared,
    Synced,
    Unique,
    Unjournaled,
)
from holdfast.model.schema import MEMBERS, FieldSchema, Reference
from holdfast.model.types import JsonType, TextType, UuidType
from tests.unit.model.declaring import declare

Money = Annotated[Decimal, Digits(15, 2)]
Owner = (UUID | None, None)


class Account(
    Entity,
    table="accounts",
    policies=(
        Owned(by="user_id"),
        Personal(),
        Synced(),
        Index("kind", "name"),
        Unique("name", when="is_main"),
    ),
):
    """What the module of entities shows."""

    user_id: UUID | None = None
    kind: Literal["checking", "savings"]
    name: Annotated[str, MaxLength(255)]
    balance: Money = Decimal(0)
    parent_id: Annotated[UUID, Ref("accounts", on_delete="set_null")] | None = None
    keeper_id: Annotated[UUID, Member()] | None = None
    count: Annotated[int, Merge("counter")] = 0
    seen_at: Annotated[datetime, ServerSet()] | None = None
    is_main: bool = False
    notes: dict[str, JsonValue] = Field(default_factory=dict)


def test_a_declaration_says_everything_that_an_engine_needs() -> None:
    schema = schema_of(Account, pack="app")
    assert (schema.pack, schema.table, schema.name) == ("app", "accounts", "app.accounts")
    assert (schema.visibility, schema.owner, schema.write_role) == ("owned", "user_id", "member")
    assert (schema.journaled, schema.synced) == (True, True)
    assert schema.uniques == (Unique("name", when="is_main"),)
    assert schema.indexes == (Index("kind", "name"),)
    fields = {field.name: field for field in schema.fields}
    assert list(fields) == list(Account.model_fields)[4:]
    assert fields["user_id"] == FieldSchema(
        "user_id", UuidType(), reference=Reference(MEMBERS), server_set=True
    )
    assert fields["name"] == FieldSchema("name", TextType(255), required=True)
    assert fields["balance"].default == "0.00"
    assert fields["parent_id"].reference == Reference("accounts", "set_null")
    assert fields["keeper_id"].reference == Reference(MEMBERS)
    assert (fields["count"].merge, fields["name"].merge) == ("counter", "last_writer")
    assert fields["seen_at"].server_set
    assert fields["notes"] == FieldSchema("notes", JsonType(), default={})


def test_policies_say_who_sees_and_who_writes() -> None:
    shared = schema_of(declare(Shared(write="admin"), name=str), pack="app")
    assert (shared.visibility, shared.owner, shared.write_role) == ("shared", None, "admin")
    realm = schema_of(declare(Realm(), tenant_id=UUID), pack="realm")
    assert (realm.visibility, realm.journaled) == ("realm", False)
    firehose = schema_of(declare(Shared(), Unjournaled(), value=float), pack="app")
    assert (firehose.visibility, firehose.journaled) == ("shared", False)


@pytest.mark.parametrize("policies", [(Index("a"),), (Owned(), Shared()), (Realm(), Shared()), (Synced(),)])
def test_an_entity_says_exactly_once_who_may_see_its_rows(policies: tuple[Any, ...]) -> None:
    with pytest.raises(DeclarationError, match="who may see"):
        declare(*policies, user_id=Owner, a=str)


@pytest.mark.parametrize("policy", [Owned(), Shared(), Synced(), Unjournaled(), Realm()])
def test_a_policy_is_said_once(policy: Any) -> None:
    visible = (Shared(),) if isinstance(policy, Synced | Unjournaled) else ()
    with pytest.raises(DeclarationError, match="said twice"):
        declare(*visible, policy, policy, user_id=Owner)


@pytest.mark.parametrize(
    "table", ["Things", "1things", "_things", "thing s", "t-s", "a__b", "\u00e4", "things\n", "x" * 49]
)
def test_a_table_has_a_plain_name(table: str) -> None:
    with pytest.raises(DeclarationError, match="lower case"):
        declare(table=table, name=str)


@pytest.mark.parametrize("name", ["tenant_id", "commit_salt", "camelCase", "a__b", "x" * 49])
def test_a_field_has_a_plain_name_that_is_not_taken(name: str) -> None:
    with pytest.raises(DeclarationError, match="reserved or not lower case"):
        declare(Shared(), **dict[str, Any]({name: str}))


@pytest.mark.parametrize(
    "policy",
    [
        Owned(by="nobody"),
        Index("nothing"),
        Unique("name", "nothing"),
        Unique("name", when="nothing"),
        Personal(subject="nobody"),
        Keep(hot=timedelta(days=1), since="nothing"),
    ],
)
def test_a_policy_names_fields_that_are_there(policy: Any) -> None:
    visible = () if isinstance(policy, Owned) else (Shared(),)
    with pytest.raises(DeclarationError, match="names a field that is not there"):
        declare(*visible, policy, name=str)


@pytest.mark.parametrize("owner", [UUID, (UUID, uuid4()), (str | None, None), UUID | None])
def test_an_owner_is_left_to_the_store(owner: Any) -> None:
    with pytest.raises(DeclarationError, match="the store fills it"):
        declare(Owned(by="user_id"), user_id=owner)


@pytest.mark.parametrize("rule", [Index("value"), Unique("value")])
@pytest.mark.parametrize("annotation", [float, dict[str, JsonValue], JsonValue])
def test_json_and_floats_are_not_indexed(rule: Any, annotation: Any) -> None:
    with pytest.raises(DeclarationError, match="cannot be indexed"):
        declare(Shared(), rule, value=annotation)


@pytest.mark.parametrize("rule", [Index(), Unique()])
def test_an_index_and_a_unique_rule_name_at_least_one_field(rule: Any) -> None:
    with pytest.raises(DeclarationError, match="at least one field"):
        declare(Shared(), rule, name=str)


def test_a_condition_is_a_boolean() -> None:
    with pytest.raises(DeclarationError, match="names a boolean"):
        declare(Shared(), Unique("name", when="title"), name=str, title=str)


def test_a_firehose_is_not_synced() -> None:
    with pytest.raises(DeclarationError, match="needs the change log"):
        declare(Shared(), Unjournaled(), Synced(), name=str)


def test_a_reference_is_a_uuid() -> None:
    with pytest.raises(DeclarationError, match="a reference is a UUID"):
        declare(other=Annotated[str, Ref("others")])


def test_a_reference_that_is_emptied_may_be_absent() -> None:
    with pytest.raises(DeclarationError, match="set_null needs"):
        declare(other=Annotated[UUID, Ref("others", on_delete="set_null")])


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, MaxLength(5), MaxLength(9)],
        Annotated[Annotated[str, MaxLength(5)] | None, MaxLength(9)],
        Annotated[UUID, Ref("a"), Ref("b")],
    ],
)
def test_a_marker_is_said_once(annotation: Any) -> None:
    with pytest.raises(DeclarationError, match="said twice"):
        declare(field=annotation)


def test_a_field_refers_to_one_thing() -> None:
    with pytest.raises(DeclarationError, match="not to both"):
        declare(field=Annotated[UUID, Ref("others"), Member()])


def test_sealed_fields_await_their_release() -> None:
    with pytest.raises(DeclarationError, match="key provider"):
        declare(field=Annotated[str, Sealed()])


@pytest.mark.parametrize("policy", [Index("field"), Unique("field")])
def test_a_sealed_field_has_a_blind_index_or_none(policy: Policy) -> None:
    with pytest.raises(DeclarationError, match="no blind index"):
        declare(Shared(), policy, field=(Annotated[str, Sealed()] | None, None))


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ((str, None), "may be None"),
        ((Annotated[str, MaxLength(2)], "abc"), "at most 2 characters"),
        ((Money, Decimal("0.001")), "behind the point"),
        ((int, 2**63), "must lie between"),
        ((JsonValue, float("inf")), "must be finite"),
    ],
)
def test_a_default_is_a_value_that_the_field_may_hold(field: Any, reason: str) -> None:
    with pytest.raises(DeclarationError, match=reason):
        declare(field=field)


def test_a_default_that_each_row_gets_anew_is_not_written_down() -> None:
    """Or the schema's digest would be another one in each process."""
    fresh: dict[str, Any] = {
        "token": (UUID, Field(default_factory=new_id)),
        "made_at": (datetime, Field(default_factory=lambda: datetime.now(UTC))),
        "word": (str, Field(default_factory=lambda: new_id().hex)),
        "settings": (dict[str, JsonValue], Field(default_factory=lambda: {"a": 1})),
    }
    first, second = (schema_of(declare(Shared(), **fresh), pack="app") for _ in range(2))
    assert first.digest == second.digest
    assert [field.default for field in first.fields] == [None, None, None, {"a": 1}]


def test_a_rule_over_several_fields_is_refused() -> None:
    with pytest.raises(DeclarationError, match="several fields"):

        class Period(Entity, table="periods", policies=(Shared(),)):
            first: int
            last: int

            @model_validator(mode="after")
            def ordered(self) -> Period:
                return self


def test_a_rule_over_one_field_holds() -> None:
    class Word(Entity, table="words", policies=(Shared(),)):
        text: str

        @field_validator("text")
        @classmethod
        def lower(cls, value: str) -> str:
            return value.lower()

    assert Word(text="ABC").text == "abc"


def test_a_base_without_a_table_declares_nothing_by_itself() -> None:
    class Base(Entity):
        name: str

    class Thing(Base, table="things", policies=(Shared(),)):
        size: int

    assert [field.name for field in schema_of(Thing, pack="app").fields] == ["name", "size"]
    with pytest.raises(DeclarationError, match="lower case"):
        schema_of(Base, pack="app")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "checking", "name": "x" * 256}, "name"),
        ({"kind": "checking", "name": "a", "balance": 1.5}, "balance"),
        ({"kind": "checking", "name": "a", "balance": "1.234"}, "balance"),
        ({"kind": "checking", "name": "a", "balance": True}, "balance"),
        ({"kind": "other", "name": "a"}, "kind"),
        ({"kind": "checking", "name": "a", "nothing": 1}, "nothing"),
        ({"kind": "checking"}, "name"),
    ],
)
def test_entities_check_what_they_are_given(values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Account.model_validate(values)
    assert caught.value.errors()[0]["loc"] == (field,)


def test_the_errors_of_entities_do_not_print_what_they_were_given() -> None:
    secret = new_id().hex
    with pytest.raises(ValidationError) as caught:
        Account.model_validate({"kind": secret, "name": [secret], "balance": secret, "is_main": secret})
    assert secret not in str(caught.value)
    assert secret not in repr(caught.value)


def test_a_decimal_stands_at_its_scale_once_it_is_in_an_entity() -> None:
    account = Account(kind="checking", name="a", balance=Decimal("1.5"))
    assert str(account.balance) == "1.50"
    account.balance = Decimal(2)
    assert str(account.balance) == "2.00"


def test_each_new_entity_has_an_id_of_its_own_and_no_version_yet() -> None:
    first, second = (Account(kind="checking", name="a") for _ in range(2))
    assert first.id != second.id
    assert (first.version, first.created_at, first.updated_at) == (0, None, None)


@pytest.mark.parametrize(
    "policies",
    [(Realm(), Bookkeeping()), (Shared(), Bookkeeping(), Unjournaled()), (Shared(), Bookkeeping(), Synced())],
)
def test_bookkeeping_stands_alone(policies: tuple[Policy, ...]) -> None:
    with pytest.raises(DeclarationError):
        schema_of(declare(*policies, name=str), pack="app")


def test_bookkeeping_leaves_the_log() -> None:
    schema = schema_of(declare(Shared(), Bookkeeping(), name=str), pack="app")
    assert (schema.bookkeeping, schema.journaled) == (True, False)
