"""All revisions of a deployment, in the order in which they are applied: one branch for the core, one for each pack.

A revision file is plain data, and is read as such: nothing in it is ever run. It says in constants which revision it is, behind
which it comes, and its `STEPS`. A pack that names no place for its files gets its one revision from its declaration.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

from holdfast.engines.port import branch_of
from holdfast.errors import SchemaError
from holdfast.migrations.revision import Revision
from holdfast.model.diff import diff, first_steps
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Phase, restore_step

CORE = "holdfast.migrations.core"
_FILES: Final = "[!_.]*.py"
_AS_IT_WAS: Final = "Put it back as `holdfast migrate make` wrote it."


@dataclass(frozen=True, slots=True)
class _File:
    """A revision file, read: `after` are the revisions that it builds on, in its own branch and in others."""

    path: Path
    revision: str
    after: tuple[str, ...]
    message: str
    said: Mapping[str, Any]


def load_revisions(
    folders: Iterable[str | Path], unversioned: Iterable[tuple[str, list[EntitySchema]]]
) -> list[Revision]:
    """The revisions in `folders`, packages or paths (the core's always among them), then those of packs without files.

    Raises SchemaError for a file that cannot be read as a revision, and for files that do not fit together.
    """
    places = [folder_of(place) for place in dict.fromkeys((CORE, *folders))]
    files = [_read(path) for place in places for path in sorted(place.glob(_FILES))]
    return [*(_revision(file) for file in _in_order(files)), *_computed(unversioned)]


def folder_of(place: str | Path) -> Path:
    """The folder of a package, or the path. An application's need not be there yet."""
    if isinstance(place, Path):
        return place
    spec = find_spec(place)
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("a pack names a package of revisions that is not there", where=place)
    return Path(next(iter(spec.submodule_search_locations)))


# -- a file -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> _File:
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise _unreadable(path, line) from error
    said = dict(_assigned(path, module))
    revision = said.get("revision")
    if not isinstance(revision, str) or not branch_of(revision):
        raise SchemaError("a revision file does not say which one it is", where=_at(path), hint=_AS_IT_WAS)
    after = (*_names(said.get("down_revision")), *_names(said.get("depends_on")))
    return _File(path, revision, after, ast.get_docstring(module) or "", said)


def _assigned(path: Path, module: ast.Module) -> Iterator[tuple[str, Any]]:
    """Each name that the file assigns, with the constant that it says."""
    for each in module.body:
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            try:
                yield each.targets[0].id, ast.literal_eval(each.value)
            except (ValueError, TypeError, RecursionError) as error:
                raise _unreadable(path, f", line {each.lineno}: what it says must be plain data") from error


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _unreadable(path: Path, line: str) -> SchemaError:
    return SchemaError("a revision file cannot be read", where=f"{_at(path)}{line}", hint=_AS_IT_WAS)


def _at(path: Path) -> str:
    return str(path)[-200:]


def _revision(file: _File) -> Revision:
    name = file.path.name
    steps, phase = file.said.get("STEPS"), file.said.get("PHASE", "pre")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise SchemaError("a revision file holds no STEPS", where=name)
    if phase not in {"pre", "post"}:
        raise SchemaError('PHASE of a revision file is "pre" or "post"', where=name)
    restored = tuple(
        restore_step(step, where=f"{name}, step {number}") for number, step in enumerate(steps, 1)
    )
    return Revision(file.revision, branch_of(file.revision), file.message, restored, cast("Phase", phase))


# -- how they fit together --------------------------------------------------------------------------------------------


def _in_order(files: Sequence[_File]) -> list[_File]:
    """Folder by folder and number by number, each behind what it builds on: the same in every run."""
    known: dict[str, _File] = {}
    for file in files:
        other = known.setdefault(file.revision, file)
        if other is not file:
            raise SchemaError(
                f"two files are {file.revision}",
                where=f"{_at(other.path)}, {file.path.name}",
                hint="Give the later one the next number, and let it build on the other.",
            )
    for file in files:
        _refuse_gap(file, known)
    try:
        TopologicalSorter({file.revision: file.after for file in files}).prepare()
    except CycleError as error:
        circle = " → ".join(map(str, error.args[1]))
        raise SchemaError("revisions build on one another in a circle", where=circle[:200]) from error
    ordered: dict[str, _File] = {}

    def place(file: _File) -> None:
        if file.revision not in ordered:
            for name in file.after:
                place(known[name])
            ordered[file.revision] = file

    for file in files:  # which come so from their folders
        place(file)
    return list(ordered.values())


def _refuse_gap(file: _File, known: Mapping[str, _File]) -> None:
    for name in file.after:
        if name not in known:
            own = branch_of(name) == branch_of(file.revision)
            raise SchemaError(
                f"{name} is missing, {file.revision} builds on it",
                where=_at(file.path),
                hint="Put the file back." if own else f"Enable the pack {branch_of(name)}.",
            )


def _computed(unversioned: Iterable[tuple[str, list[EntitySchema]]]) -> Iterator[Revision]:
    for pack, schemas in unversioned:
        yield Revision(
            f"{pack}_0001", pack, "first tables, from the declaration", first_steps(diff((), schemas))
        )
