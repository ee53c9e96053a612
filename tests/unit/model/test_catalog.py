"""Catalogs: entities that fit together, found by class and by name; their difference, and the steps that lead there."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import pytest

from holdfast.errors import DeclarationError, NotFound, NotSupported
from holdfast.model.catalog import Catalog
from holdfast.model.diff import diff, first_steps, in_reference_order
from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength, Ref
from holdfast.model.policies import Index, Realm, Shared, Synced
from holdfast.model.schema import Reference
from holdfast.model.steps import CreateEntity, CreatePlans
from holdfast.testing.conformance.entities import CATALOG, File, Folder, Loan, Note
from tests.unit.model.declaring import declare


def ref(table: str, **options: Any) -> Any:
    return (Annotated[UUID, Ref(table, **options)] | None, None)


def test_an_entity_is_found_by_its_class_and_by_its_name() -> None:
    schema = CATALOG.schema(Note)
    assert CATALOG.schema("kit.notes") is schema
    assert CATALOG.entity(schema) is Note
    for unknown in ("notes", "kit.nothing", ""):
        with pytest.raises(NotFound):
            CATALOG.schema(unknown)
    with pytest.raises(NotFound):
        CATALOG.schema(declare(name=str))


def test_references_are_told_by_their_full_name() -> None:
    assert [r.table for _, r in CATALOG.schema(File).references] == ["kit.folders"]
    other = Catalog(
        {"a": [declare(table="roots", name=str)], "b": [declare(table="leaves", root=ref("a.roots"))]}
    )
    assert other.schema("b.leaves").fields[0].reference == Reference("a.roots")


def test_who_refers_to_an_entity_is_known_to_it() -> None:
    found = {(r.schema.table, r.field.name, r.on_delete) for r in CATALOG.referrers(CATALOG.schema(Folder))}
    assert found == {
        ("folders", "parent_id", "cascade"),
        ("files", "folder_id", "cascade"),
        ("bookmarks", "folder_id", "cascade"),
    }
    assert CATALOG.referrers(CATALOG.schema(Note)) == ()
    assert len(CATALOG.referrers(CATALOG.schema(Loan))) == 1


def test_two_entities_do_not_share_a_table() -> None:
    with pytest.raises(DeclarationError, match="one table"):
        Catalog({"a": [declare(name=str), declare(size=int)]})
    assert len(list(Catalog({"a": [declare(name=str)], "b": [declare(name=str)]}))) == 2


def test_synced_tables_have_one_name_in_a_deployment() -> None:
    synced = declare(Shared(), Synced(), name=str)
    with pytest.raises(DeclarationError, match="unique in a deployment"):
        Catalog({"a": [synced], "b": [declare(Shared(), Synced(), size=int)]})
    Catalog({"a": [synced], "b": [declare(name=str)]})


def test_a_reference_leads_to_a_table_that_is_declared() -> None:
    for table in ("nothing", "b.roots", "realm.tenants"):
        with pytest.raises(DeclarationError, match="not declared"):
            Catalog({"a": [declare(table="roots", name=str), declare(table="leaves", root=ref(table))]})


def test_references_between_tables_form_no_cycle() -> None:
    one, two = declare(table="ones", other=ref("twos")), declare(table="twos", other=ref("threes"))
    three = declare(table="threes", other=ref("ones"))
    with pytest.raises(DeclarationError, match=r"a\.ones → a\.twos → a\.threes → a\.ones"):
        Catalog({"a": [one, two, three]})
    Catalog({"a": [declare(table="trees", parent=ref("trees", on_delete="cascade"))]})


def test_entities_come_behind_those_they_refer_to() -> None:
    ordered = [schema.name for schema in in_reference_order(reversed(list(CATALOG)))]
    assert sorted(ordered) == sorted(schema.name for schema in CATALOG)
    for schema in CATALOG:
        for _, reference in schema.references:
            assert ordered.index(reference.table) <= ordered.index(schema.name)


def test_an_order_that_cannot_be_is_refused() -> None:
    catalog = Catalog({"a": [declare(table="ones", name=str), declare(table="twos", other=ref("ones"))]})
    one, two = catalog
    field = replace(two.fields[0], reference=Reference("a.twos"))
    with pytest.raises(NotSupported, match="cycle"):
        in_reference_order([replace(one, fields=(field,)), two])


def test_the_difference_names_what_is_new_what_is_gone_and_what_has_changed() -> None:
    def catalog(*things: type[Entity]) -> Catalog:
        return Catalog({"app": things})

    old = catalog(declare(table="kept", name=str, gone=int, size=int), declare(table="lost", name=str))
    new = catalog(
        declare(table="kept", name=Annotated[str, MaxLength(5)], size=int, made=int),
        declare(table="new", name=str),
    )
    found = diff(old, new)
    assert found
    assert [schema.name for schema in found.added] == ["app.new"]
    assert [schema.name for schema in found.removed] == ["app.lost"]
    assert found.changed == (
        "app.kept.made is new",
        "app.kept.gone is gone",
        "app.kept.name is declared otherwise",
    )
    policies = diff(catalog(declare(name=str)), catalog(declare(Shared(), Index("name"), name=str)))
    assert policies.changed == ("app.things has other policies",)
    assert not diff(old, old)


def test_the_first_steps_make_what_is_new_in_order() -> None:
    folders, files = Catalog({"kit": (Folder, File)})
    assert first_steps(diff([], [files, folders])) == (
        CreateEntity(folders),
        CreatePlans(folders),
        CreateEntity(files),
        CreatePlans(files),
    )


def test_the_realm_has_no_hot_paths() -> None:
    steps = first_steps(diff([], Catalog({"realm": [declare(Realm(), name=str)]})))
    assert [type(step) for step in steps] == [CreateEntity]


def test_what_a_first_revision_cannot_do_is_refused() -> None:
    old = Catalog({"app": [declare(name=str)]})
    for new in (Catalog({"app": []}), Catalog({"app": [declare(name=int)]})):
        with pytest.raises(NotSupported) as caught:
            first_steps(diff(old, new))
        assert "app.things" in str(caught.value.where)
