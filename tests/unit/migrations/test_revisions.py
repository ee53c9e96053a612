"""The revision files that are shipped: data that adds up to the declarations, with the SQL beside it that will run."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path

import pytest

from holdfast import Entity, Shared
from holdfast.engines.postgres.review import review_sql
from holdfast.errors import NotSupported, SchemaError
from holdfast.migrations.files import write_revision
from holdfast.migrations.graph import CORE, load_revisions
from holdfast.migrations.migrate import check_declared, revisions_of, undeclared
from holdfast.migrations.revision import Revision
from holdfast.model.catalog import Catalog
from holdfast.model.diff import diff, first_steps
from holdfast.model.entity import schema_of
from holdfast.runtime.packs import catalog_of, load_packs, realm_pack

PACKS = (realm_pack(), *load_packs(["finance"]))
FOLDERS = (CORE, *(pack.revisions for pack in PACKS if pack.revisions))


def shipped() -> list[tuple[Path, Revision]]:
    """Each revision file with what it says."""
    known = {revision.id: revision for revision in revisions_of(PACKS, catalog_of(PACKS))}
    paths = [Path(str(path)) for folder in FOLDERS for path in files(folder).iterdir()]
    found = sorted(path for path in paths if path.name[:4].isdigit() and path.suffix == ".py")
    return [(path, known[_id_in(path)]) for path in found]


def _id_in(path: Path) -> str:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="revision")], value=value):
                return str(ast.literal_eval(value))
    raise AssertionError(f"{path.name} names no revision")


def test_the_sum_of_the_revisions_is_the_declaration() -> None:
    catalog = catalog_of(PACKS)
    assert not undeclared(revisions_of(PACKS, catalog), catalog)
    assert len(shipped()) == len(revisions_of(PACKS, catalog))


@pytest.mark.parametrize(("path", "revision"), shipped(), ids=lambda value: getattr(value, "stem", ""))
def test_the_sql_for_review_is_what_will_run(path: Path, revision: Revision) -> None:
    assert path.with_suffix(".sql").read_text(encoding="utf-8") == review_sql(revision.steps)


@pytest.mark.parametrize(("path", "revision"), shipped(), ids=lambda value: getattr(value, "stem", ""))
def test_a_revision_is_data_and_imports_nothing(path: Path, revision: Revision) -> None:
    kinds = {type(node) for node in ast.parse(path.read_text(encoding="utf-8")).body[1:]}
    assert kinds == {ast.Assign}
    assert revision.message


def test_the_realm_comes_first_for_everything_refers_to_it() -> None:
    revisions = revisions_of(PACKS, catalog_of(PACKS))
    assert [revision.branch for revision in revisions] == ["realm", "core", "finance"]


def test_a_declaration_that_has_moved_on_is_told_field_by_field() -> None:
    revisions = revisions_of(PACKS, catalog_of(PACKS))
    fewer = {
        pack.name: [entity for entity in pack.entities if entity.table != "transactions"] for pack in PACKS
    }
    with pytest.raises(SchemaError, match=r"finance\.transactions is no longer declared"):
        check_declared(revisions, Catalog(fewer))


def test_a_revision_that_is_written_is_read_again_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Note(Entity, table="notes", policies=(Shared(),)):
        text: str

    steps = first_steps(diff((), [schema_of(Note, pack="memos")]))
    package = tmp_path / "memo_revisions"
    written = write_revision(
        package, branch="memos", number=1, message="First tables", steps=steps, depends_on=("core_0001",)
    )
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    (read,) = (each for each in load_revisions([*FOLDERS, package.name], []) if each.branch == "memos")
    assert (read.id, read.message) == ("memos_0001", "First tables")
    assert read.steps == steps
    assert written.with_suffix(".sql").read_text() == review_sql(steps)
    with pytest.raises(FileExistsError):
        write_revision(package, branch="memos", number=1, message="First tables", steps=())


def test_more_than_new_tables_is_not_pretended() -> None:
    class Before(Entity, table="notes", policies=(Shared(),)):
        text: str

    class After(Entity, table="notes", policies=(Shared(),)):
        text: str
        tag: str | None = None

    before, after = schema_of(Before, pack="memos"), schema_of(After, pack="memos")
    with pytest.raises(NotSupported) as refusal:
        first_steps(diff([before], [after]))
    assert refusal.value.where == "memos.notes.tag is new"
