"""From what a caller says to a write: validated, normalised, measured, in whose name. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import Field, field_validator

from holdfast.changes.change import SALT_BYTES, Operation
from holdfast.engines.port import Limits
from holdfast.errors import Forbidden, InvalidInput, NotSupported, TooLarge
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity, schema_of
from holdfast.model.ids import new_id
from holdfast.model.markers import Digits, MaxLength, ServerSet
from holdfast.model.policies import Index, Owned, Realm, Shared, Unique, Unjournaled
from holdfast.model.schema import EntitySchema
from holdfast.store._authorize import authorize_ingest, authorize_read, authorize_write
from holdfast.store._prepare import (
    prepare_create,
    prepare_delete,
    prepare_patch,
    prepare_replace,
    row_size,
)
from holdfast.tenancy.scope import Scope
from tests.unit.model.declaring import declare

LIMITS = Limits()


class Word(Entity, table="words", policies=(Owned(), Index("text", "kind"), Unique("kind"))):
    """Text in small letters."""

    user_id: UUID | None = None
    text: Annotated[str, MaxLength(2_000)]
    kind: str | None = None
    weight: Annotated[Decimal, Digits(5, 2)] | None = None
    stars: Annotated[int, Field(gt=0, multiple_of=2)] = 2
    long: str | None = None
    other: str | None = None
    seen: Annotated[int, ServerSet()] = 0

    @field_validator("text")
    @classmethod
    def small(cls, value: str) -> str:
        if "!" in value:
            raise ValueError("must not shout")
        return value.lower()


WORD = schema_of(Word, pack="app")
ANN = Scope(UUID(int=1), Role.MEMBER, UUID(int=2))
EVERYONE = Scope.system(UUID(int=1), reason="a test")


def patch(changes: dict[str, Any], **options: Any) -> Any:
    return prepare_patch(
        ANN, WORD, Word, UUID(int=9), changes, **{"if_version": None, "limits": LIMITS, **options}
    )


def test_a_new_row_has_every_declared_value_in_its_stored_form() -> None:
    word = Word(text="ABC", weight=Decimal("1.5"))
    write = prepare_create(ANN, WORD, word, LIMITS)
    assert (write.op, write.row_id, write.if_version) == (Operation.CREATE, word.id, 0)
    assert list(write.values) == [field.name for field in WORD.fields]
    assert (write.values["text"], str(write.values["weight"])) == ("abc", "1.50")
    assert write.values["user_id"] == ANN.user_id
    assert len(write.salt) == SALT_BYTES
    assert prepare_create(ANN, WORD, word, LIMITS).salt != write.salt


def test_a_copy_replaces_what_its_reader_may_set() -> None:
    word = Word(text="abc", version=3, user_id=new_id(), seen=7)
    write = prepare_replace(ANN, WORD, word, LIMITS)
    assert (write.op, write.if_version) == (Operation.UPDATE, 3)
    assert set(write.values) == {"text", "kind", "weight", "stars", "long", "other"}


def test_a_patch_passes_the_entitys_own_rules() -> None:
    write = patch({"text": "ABC", "weight": "1.5", "stars": 4})
    assert (write.op, write.if_version) == (Operation.UPDATE, None)
    assert {name: str(value) for name, value in write.values.items()} == {
        "text": "abc",
        "weight": "1.50",
        "stars": "4",
    }
    assert patch({}, if_version=4).if_version == 4


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"text": "Hey!"}, "must not shout"),
        ({"text": None}, "Input should be a valid string"),
        ({"text": "x" * 2_001}, "at most 2000 characters"),
        ({"text": "a\x00"}, "NUL"),
        ({"stars": 3}, "multiple of 2"),
        ({"stars": 0}, "greater than 0"),
        ({"weight": 1.5}, "a float is not exact"),
        ({"weight": "1.234"}, "behind the point"),
        ({"nothing": 1}, "is not a field"),
        ({"id": new_id()}, "set by the server"),
        ({"version": 2}, "set by the server"),
        ({"created_at": None}, "set by the server"),
        ({"user_id": ANN.user_id}, "set by the server"),
        ({"seen": 1}, "set by the server"),
    ],
)
def test_a_patch_that_breaks_a_rule_names_its_field(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        patch(changes)
    assert list(caught.value.fields) == list(changes)
    assert problem in caught.value.fields[next(iter(changes))]


def test_a_patch_names_all_offending_fields_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        patch({"text": "!", "stars": 1, "seen": 1, "kind": "fine"})
    assert set(caught.value.fields) == {"text", "stars", "seen"}


def test_one_patch_leaves_nothing_behind_for_the_next() -> None:
    assert set(patch({"kind": "a", "weight": "2"}).values) == {"kind", "weight"}
    assert dict(patch({"other": "x"}).values) == {"other": "x"}


def test_the_server_sets_its_fields_in_the_realm() -> None:
    entity = declare(Realm(), name=str, seen=(Annotated[int, ServerSet()], 0))
    schema = schema_of(entity, pack="realm")
    realm = Scope.realm(reason="a test")
    write = prepare_patch(realm, schema, entity, UUID(int=9), {"seen": 3}, if_version=None, limits=LIMITS)
    assert write.values == {"seen": 3}


def test_whose_a_new_row_is() -> None:
    bob = UUID(int=3)
    assert (
        prepare_create(ANN, WORD, Word(text="a", user_id=ANN.user_id), LIMITS).values["user_id"]
        == ANN.user_id
    )
    assert prepare_create(EVERYONE, WORD, Word(text="a", user_id=bob), LIMITS).values["user_id"] == bob
    with pytest.raises(Forbidden):
        prepare_create(ANN, WORD, Word(text="a", user_id=bob), LIMITS)
    with pytest.raises(InvalidInput):
        prepare_create(EVERYONE, WORD, Word(text="a"), LIMITS)
    admin = Scope(UUID(int=1), Role.ADMIN, UUID(int=4)).for_tenant(reason="a test")
    assert prepare_create(admin, WORD, Word(text="a"), LIMITS).values["user_id"] == UUID(int=4)


class TestSizes:
    def test_a_row_is_measured_by_its_plain_form(self) -> None:
        assert row_size({"a": "xyz"}) == 4
        assert row_size({"name": "\u00e4\U0001f600"}) == 10
        assert row_size({"n": 1, "b": True, "x": None}) == 51
        assert row_size({"doc": {"key": ["ab", 1, {"k": "v"}]}}) == 3 + 3 + 2 + 16 + 2

    def test_a_row_is_as_large_as_the_limit_and_no_larger(self) -> None:
        room = LIMITS.row_bytes - row_size(
            {
                "user_id": "x" * 36,
                "text": "a",
                "kind": None,
                "weight": None,
                "stars": 2,
                "other": None,
                "seen": 0,
            }
        )
        fits = "x" * (room - len("long"))
        prepare_create(ANN, WORD, Word(text="a", long=fits), LIMITS)
        with pytest.raises(TooLarge, match="400000 bytes"):
            prepare_create(ANN, WORD, Word(text="a", long=fits + "x"), LIMITS)
        with pytest.raises(TooLarge):
            patch({"long": "x" * 399_997})
        with pytest.raises(TooLarge):
            prepare_replace(ANN, WORD, Word(text="a", version=1, long="x" * 400_000), LIMITS)

    def test_an_index_holds_so_many_bytes_and_no_more(self) -> None:
        prepare_create(ANN, WORD, Word(text="x" * 1_000, kind="x" * 24), LIMITS)
        for word in (
            Word(text="x" * 1_000, kind="x" * 25),
            Word(text="\u00e4" * 513),
            Word(text="", kind="x" * 1_025),
        ):
            with pytest.raises(TooLarge, match="indexed values"):
                prepare_create(ANN, WORD, word, LIMITS)
        with pytest.raises(TooLarge) as caught:
            patch({"kind": "x" * 1_025})
        assert caught.value.where == "app.words: text, kind"


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "writes", "administers"),
        [
            (Role.VIEWER, False, False),
            (Role.MEMBER, True, False),
            (Role.ADMIN, True, True),
            (Role.OWNER, True, True),
        ],
    )
    def test_each_role_may_do_what_it_may(self, role: Role, *, writes: bool, administers: bool) -> None:
        scope = Scope(UUID(int=1), role, UUID(int=2))
        plain = schema_of(declare(name=str), pack="app")
        strict = schema_of(declare(Shared(write="admin"), name=str), pack="app")
        authorize_read(scope, strict)
        for op in Operation:
            assert _allowed(scope, plain, op) is writes
            assert _allowed(scope, strict, op) is administers

    def test_a_viewer_prepares_nothing(self) -> None:
        viewer = Scope(UUID(int=1), Role.VIEWER, UUID(int=2))
        with pytest.raises(Forbidden):
            prepare_delete(viewer, WORD, UUID(int=9), if_version=None)
        with pytest.raises(Forbidden):
            prepare_create(viewer, WORD, Word(text="a"), LIMITS)

    def test_the_realm_and_the_tenants_do_not_meet(self) -> None:
        member = schema_of(declare(Realm(), name=str), pack="realm")
        realm = Scope.realm(reason="a test")
        for scope, schema in ((ANN, member), (EVERYONE, member), (realm, WORD)):
            with pytest.raises(Forbidden):
                authorize_read(scope, schema)
            with pytest.raises(Forbidden):
                authorize_write(scope, schema, Operation.UPDATE)
            with pytest.raises(Forbidden):
                authorize_ingest(scope, schema)
        authorize_write(realm, member, Operation.DELETE)

    def test_a_firehose_is_ingested_and_nothing_else_is(self) -> None:
        firehose = schema_of(declare(Shared(), Unjournaled(), value=float), pack="app")
        authorize_ingest(ANN, firehose)
        with pytest.raises(NotSupported):
            authorize_write(ANN, firehose, Operation.CREATE)
        with pytest.raises(NotSupported):
            authorize_ingest(ANN, WORD)


def _allowed(scope: Scope, schema: EntitySchema, op: Operation) -> bool:
    try:
        authorize_write(scope, schema, op)
    except Forbidden:
        return False
    return True
