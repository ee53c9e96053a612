"""All revisions of a deployment, in the order in which they are applied: one branch for the core, one for each pack.

Revision files are Alembic revision modules that hold `STEPS` as plain data and import nothing. A pack that has none yet
gets its first revision from its declaration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from holdfast.errors import SchemaError
from holdfast.migrations.revision import Revision
from holdfast.model.diff import diff, first_steps
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import restore_step

CORE = "holdfast.migrations.core"


def load_revisions(
    folders: Iterable[str], unversioned: Iterable[tuple[str, list[EntitySchema]]]
) -> list[Revision]:
    """The revisions of the packages `folders` (the core's always among them), then those of packs without files.

    Raises SchemaError for a file that cannot be read as a revision.
    """
    locations = [_folder(package) for package in dict.fromkeys((CORE, *folders))]
    directory = ScriptDirectory(locations[0], version_locations=locations)
    try:
        scripts = list(directory.walk_revisions(base="base", head="heads"))
    except (KeyError, CommandError, RevisionError) as error:
        raise SchemaError(
            "the revisions of the enabled packs do not fit together", where=str(error)[:200]
        ) from error
    return [*(_revision(script) for script in reversed(scripts)), *_computed(unversioned)]


def _folder(package: str) -> str:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("a pack names a package of revisions that is not there", where=package)
    return str(Path(next(iter(spec.submodule_search_locations))))


def _revision(script: Script) -> Revision:
    steps = getattr(script.module, "STEPS", None)
    if not isinstance(steps, list):
        raise SchemaError("a revision file holds no STEPS", where=Path(script.path).name)
    label = next(iter(script.branch_labels), script.revision.split("_")[0])
    return Revision(script.revision, label, script.doc, tuple(restore_step(step) for step in steps))


def _computed(unversioned: Iterable[tuple[str, list[EntitySchema]]]) -> Iterator[Revision]:
    for pack, schemas in unversioned:
        yield Revision(
            f"{pack}_0001", pack, "first tables, from the declaration", first_steps(diff((), schemas))
        )
