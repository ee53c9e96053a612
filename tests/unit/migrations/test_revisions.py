"""The revisions that ship: they add up to the declaration, the SQL beside them is what they run, and edits are noticed."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from holdfast.accounts.entities import ENTITIES
from holdfast.engines.memory import MemoryEngine
from holdfast.engines.port import Control
from holdfast.engines.postgres.review import review_sql
from holdfast.errors import NotSupported, SchemaError
from holdfast.migrations import migrate
from holdfast.migrations.graph import load_revisions
from holdfast.migrations.revision import Revision
from holdfast.model.catalog import Catalog
from holdfast.model.diff import diff, first_steps
from holdfast.model.pack import Pack
from holdfast.model.schema import MEMBERS, FieldSchema
from holdfast.model.steps import (
    CreateEntity,
    CreatePlans,
    Step,
    checksum,
    describe_step,
    replay,
    restore_step,
)
from holdfast.model.types import BooleanType
from holdfast.packs.finance import PACK

REALM = Pack(name="realm", entities=ENTITIES, revisions="holdfast.accounts.revisions")
PACKS = (REALM, PACK)
CATALOG = Catalog({pack.name: pack.entities for pack in PACKS})
FOLDERS = ("holdfast.accounts.revisions", "holdfast.migrations.core", "holdfast.packs.finance.revisions")


def shipped() -> list[Revision]:
    return migrate.revisions_of(PACKS, CATALOG)


def test_the_sum_of_the_revisions_is_the_declaration() -> None:
    migrate.check_declared(shipped(), CATALOG)


def test_people_come_before_the_log_and_the_log_before_tenants_rows() -> None:
    assert [revision.id for revision in shipped()] == [
        "realm_0001",
        "core_0001",
        "core_0002",
        "finance_0001",
        "finance_0002",
    ]


@pytest.mark.parametrize("package", FOLDERS)
def test_the_sql_beside_a_revision_is_what_it_runs(package: str) -> None:
    folder = Path(next(iter(import_module(package).__path__)))
    by_id = {revision.id: revision for revision in shipped()}
    files = sorted(folder.glob("[0-9]*.py"))
    assert files
    for path in files:
        source: dict[str, object] = {}
        exec(compile(path.read_text(), path, "exec"), source)
        revision = by_id[str(source["revision"])]
        assert path.with_suffix(".sql").read_text() == review_sql(revision.steps)


def test_steps_survive_being_written_down() -> None:
    for revision in shipped():
        assert tuple(restore_step(describe_step(step)) for step in revision.steps) == revision.steps


def test_a_declaration_that_has_moved_on_is_told_field_by_field() -> None:
    *others, told, again = shipped()
    assert told.id == "finance_0001"
    first, *rest = told.steps
    assert isinstance(first, CreateEntity)
    extra = FieldSchema("seen", BooleanType())
    older = replace(first.schema, fields=(*first.schema.fields, extra))
    rest = [step for step in (*rest, *again.steps) if not _is_of(step, first.schema.name)]
    revisions = [*others, Revision("finance_0001", "finance", "", (CreateEntity(older), *rest))]
    with pytest.raises(SchemaError, match="seen is gone"):
        migrate.check_declared(revisions, CATALOG)


def _is_of(step: Step, name: str) -> bool:
    return isinstance(step, CreatePlans) and step.schema.name == name


async def test_up_applies_what_is_pending_once() -> None:
    engine, told = MemoryEngine(), list[str]()
    assert await migrate.up(engine, PACKS, CATALOG, control=Control(tell=told.append)) == [
        r.id for r in shipped()
    ]
    assert await migrate.up(engine, PACKS, CATALOG) == []
    assert len(told) == len(shipped())
    assert set(engine.data.tables) == {schema.name for schema in CATALOG}


async def test_a_revision_edited_after_it_was_applied_is_refused() -> None:
    engine = MemoryEngine()
    await engine.apply((), revision="realm_0001", checksum=checksum(()))
    with pytest.raises(SchemaError, match="changed after it was applied"):
        await migrate.up(engine, PACKS, CATALOG)
    assert not engine.data.tables


async def test_a_store_ahead_of_the_code_is_refused() -> None:
    engine = MemoryEngine()
    await engine.apply((), revision="finance_0099", checksum="-")
    with pytest.raises(SchemaError, match="ahead of this code"):
        await migrate.up(engine, PACKS, CATALOG)
    assert not engine.data.tables


def test_a_pack_without_files_gets_its_first_revision_from_the_declaration() -> None:
    bare = [(PACK.name, [schema for schema in CATALOG if schema.pack == PACK.name])]
    revision = load_revisions(FOLDERS[:1], bare)[-1]
    assert set(replay(revision.steps)) == {schema.name for _, schemas in bare for schema in schemas}
    assert revision.checksum == next(r.checksum for r in shipped() if r.id == "finance_0001")


def test_plans_are_made_again_for_the_schemas_that_stand() -> None:
    """The digests of tables that were made before schemas had more to say are what they were."""
    by_id = {revision.id: revision for revision in shipped()}
    made = [step.schema for step in by_id["finance_0001"].steps if isinstance(step, CreatePlans)]
    again = [step.schema for step in by_id["finance_0002"].steps if isinstance(step, CreatePlans)]
    assert again == made
    assert (
        [s.digest for s in again] == [s.digest for s in made] == [CATALOG.schema(s.name).digest for s in made]
    )


def test_a_revision_that_depends_on_nothing_known_is_refused() -> None:
    with pytest.raises(SchemaError, match="realm_0001 is missing, core_0001 builds on it") as caught:
        load_revisions(("holdfast.packs.finance.revisions",), ())
    assert caught.value.hint == "Enable the pack realm."


def write(folder: Path, revision: str, after: object = None, *, more: str = "STEPS = []") -> None:
    lines = ['"""a change"""', f"revision = {revision!r}", f"down_revision = {after!r}", more]
    (folder / f"{revision}.py").write_text("\n".join(lines) + "\n")


def revisions_in(folder: Path) -> list[str]:
    found = load_revisions(("holdfast.accounts.revisions", folder), ())
    return [revision.id for revision in found if revision.branch == "app"]


def test_files_stand_in_the_order_of_what_they_build_on(tmp_path: Path) -> None:
    write(tmp_path, "app_0002", "app_0003")
    write(tmp_path, "app_0003", "app_0001")
    write(tmp_path, "app_0001")
    (tmp_path / "__init__.py").write_text("raise SystemExit")
    assert revisions_in(tmp_path) == ["app_0001", "app_0003", "app_0002"]


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    write(tmp_path, "app_0001", more=f"STEPS = []\nopen({str(tmp_path / 'ran')!r}, 'w').close()")
    assert revisions_in(tmp_path) == ["app_0001"]
    assert not (tmp_path / "ran").exists()
    write(tmp_path, "app_0002", "app_0001", more="STEPS = list(range(3))")
    with pytest.raises(SchemaError, match="cannot be read") as caught:
        revisions_in(tmp_path)
    assert (caught.value.where or "").endswith("app_0002.py, line 4: what it says must be plain data")


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "app_0001", "app_0002")
    write(tmp_path, "app_0002", "app_0001")
    with pytest.raises(SchemaError, match="in a circle"):
        revisions_in(tmp_path)
    write(tmp_path, "app_0001")
    (tmp_path / "app_0001_again.py").write_text((tmp_path / "app_0001.py").read_text())
    with pytest.raises(SchemaError, match="two files are app_0001"):
        revisions_in(tmp_path)
    (tmp_path / "app_0001_again.py").write_text("STEPS = []")
    with pytest.raises(SchemaError, match="does not say which one it is"):
        revisions_in(tmp_path)


def test_more_than_new_entities_is_not_supported_yet() -> None:
    with pytest.raises(NotSupported):
        first_steps(diff(CATALOG, ()))


def test_tables_come_behind_those_that_they_refer_to() -> None:
    seen: set[str] = set()
    for step in (step for revision in shipped() for step in revision.steps):
        if isinstance(step, CreateEntity):
            targets = {field.reference.table for field in step.schema.fields if field.reference}
            assert targets <= {*seen, MEMBERS, step.schema.name}
            seen.add(step.schema.name)
