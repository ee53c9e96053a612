"""All revisions of a deployment, in the order in which they are applied: one branch for the core, one for each pack.

Revision files are Alembic revision modules that hold `STEPS` as plain data and import nothing. A pack that names no place for
them gets its one revision from its declaration.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from warnings import catch_warnings, simplefilter

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from holdfast.errors import SchemaError
from holdfast.migrations.revision import Revision
from holdfast.model.diff import diff, first_steps
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Phase, restore_step

CORE = "holdfast.migrations.core"


def load_revisions(
    folders: Iterable[str | Path], unversioned: Iterable[tuple[str, list[EntitySchema]]]
) -> list[Revision]:
    """The revisions in `folders`, packages or paths (the core's always among them), then those of packs without files.

    Raises SchemaError for a file that cannot be read as a revision.
    """
    places = [folder_of(place) for place in dict.fromkeys((CORE, *folders))]
    locations = [str(place) for place in places if place.is_dir()]
    _refuse_gaps(locations)
    try:
        with catch_warnings():
            simplefilter("ignore")
            directory = ScriptDirectory(locations[0], version_locations=locations)
            scripts = list(directory.walk_revisions(base="base", head="heads"))
    except (KeyError, CommandError, RevisionError) as error:
        raise SchemaError(
            "the revisions of the enabled packs do not fit together", where=str(error)[:200]
        ) from error
    except Exception as error:
        raise SchemaError(
            "a revision file cannot be read",
            where=f"{type(error).__name__} in {', '.join(locations[1:])}"[:200],
            hint="Put it back as `holdfast migrate make` wrote it.",
        ) from error
    return [*(_revision(script) for script in _in_order(scripts, locations)), *_computed(unversioned)]


def _in_order(scripts: Sequence[Script], locations: Sequence[str]) -> list[Script]:
    """Folder by folder and number by number, each behind what it depends on: the same in every run."""
    known = {script.revision: script for script in scripts}
    place = {str(Path(location).resolve()): at for at, location in enumerate(locations)}
    found: dict[str, Script] = {}

    def rank(script: Script) -> tuple[int, str]:
        return place.get(str(Path(script.path).resolve().parent), len(place)), script.revision

    def visit(script: Script) -> None:
        if script.revision in found:
            return
        for name in (*_names(script.down_revision), *sorted(_names(script.dependencies))):
            if name in known:
                visit(known[name])
        found[script.revision] = script

    for script in sorted(scripts, key=rank):
        visit(script)
    return list(found.values())


def _names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _refuse_gaps(locations: Iterable[str]) -> None:
    """Raises SchemaError for a file that is no Python, and for one that builds on a file that is not there."""
    files = [path for location in locations for path in sorted(Path(location).glob("[!_.]*.py"))]
    said = {path: _said(path) for path in files}
    known = {each.get("revision") for each in said.values()}
    for path, each in said.items():
        for name in _names(each.get("down_revision")):
            if name not in known:
                raise SchemaError(
                    f"{name} is missing, {each.get('revision')} builds on it",
                    where=str(path)[-200:],
                    hint="Put the file back.",
                )


def _said(path: Path) -> dict[str, Any]:
    """What a revision file says of itself in plain constants."""
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise SchemaError(
            "a revision file cannot be read",
            where=f"{str(path)[-200:]}{line}",
            hint="Put it back as `holdfast migrate make` wrote it.",
        ) from error
    found = {}
    for each in module.body:
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            name = each.targets[0].id
            if name in {"revision", "down_revision"}:
                found[name] = _constant(each.value)
    return found


def _constant(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


def folder_of(place: str | Path) -> Path:
    """The folder of a package, or the path. An application's need not be there yet."""
    if isinstance(place, Path):
        return place
    spec = find_spec(place)
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("a pack names a package of revisions that is not there", where=place)
    return Path(next(iter(spec.submodule_search_locations)))


def _revision(script: Script) -> Revision:
    name = Path(script.path).name
    steps, phase = getattr(script.module, "STEPS", None), getattr(script.module, "PHASE", "pre")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise SchemaError("a revision file holds no STEPS", where=name)
    if phase not in {"pre", "post"}:
        raise SchemaError('PHASE of a revision file is "pre" or "post"', where=name)
    label = next(iter(script.branch_labels), script.revision.split("_")[0])
    restored = tuple(
        restore_step(step, where=f"{name}, step {number}") for number, step in enumerate(steps, 1)
    )
    return Revision(script.revision, label, script.doc, restored, cast("Phase", phase))


def _computed(unversioned: Iterable[tuple[str, list[EntitySchema]]]) -> Iterator[Revision]:
    for pack, schemas in unversioned:
        yield Revision(
            f"{pack}_0001", pack, "first tables, from the declaration", first_steps(diff((), schemas))
        )
