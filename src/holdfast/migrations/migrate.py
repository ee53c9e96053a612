"""Bring a store up to the code, and say how they stand to one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from holdfast.engines.port import Engine
from holdfast.errors import SchemaError
from holdfast.migrations.graph import load_revisions
from holdfast.migrations.revision import Revision
from holdfast.model.catalog import Catalog
from holdfast.model.diff import Difference, diff
from holdfast.model.pack import Pack
from holdfast.model.steps import replay


class State(StrEnum):
    """How a revision stands in a store."""

    APPLIED = "applied"
    PENDING = "pending"
    EDITED = "edited"
    """Applied, and changed in the code afterwards."""
    UNKNOWN = "unknown"
    """Applied by newer code, or by another deployment."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision and its state."""

    id: str
    branch: str
    message: str
    state: State


def revisions_of(packs: Sequence[Pack], catalog: Catalog) -> list[Revision]:
    """All revisions of these packs, in order."""
    folders = [pack.revisions for pack in packs if pack.revisions is not None]
    bare = [
        (pack.name, [s for s in catalog if s.pack == pack.name])
        for pack in packs
        if pack.revisions is None and pack.entities
    ]
    return load_revisions(folders, bare)


def undeclared(revisions: Iterable[Revision], catalog: Catalog) -> Difference:
    """What the declaration says beyond the sum of the revisions."""
    applied = replay(step for revision in revisions for step in revision.steps)
    return diff(applied.values(), catalog)


def check_declared(revisions: Iterable[Revision], catalog: Catalog) -> None:
    """Raises SchemaError where the revisions do not add up to the declaration."""
    difference = undeclared(revisions, catalog)
    lines = [*difference.changed, *(f"{s.name} is new" for s in difference.added)]
    lines += [f"{s.name} is no longer declared" for s in difference.removed]
    if lines:
        raise SchemaError(
            "the declaration and the revisions differ: " + "; ".join(lines)[:800],
            hint="Write a revision for what has changed, or take the change back.",
        )


def status(revisions: Sequence[Revision], applied: Mapping[str, str]) -> list[Entry]:
    """Each revision with its state, unknown ones last."""
    entries = [Entry(r.id, r.branch, r.message, _state(r, applied)) for r in revisions]
    known = {revision.id for revision in revisions}
    entries += [Entry(name, "", "not in this code", State.UNKNOWN) for name in sorted(set(applied) - known)]
    return entries


def _state(revision: Revision, applied: Mapping[str, str]) -> State:
    kept = applied.get(revision.id)
    if kept is None:
        return State.PENDING
    return State.APPLIED if kept == revision.checksum else State.EDITED


async def up(
    engine: Engine,
    packs: Sequence[Pack],
    catalog: Catalog,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Apply what is pending, in order; returns the revisions applied.

    Raises SchemaError, before anything is changed, for a store that is ahead of the code, a revision that was edited
    after it was applied, a declaration without a revision, or a foreign database.
    """
    revisions = revisions_of(packs, catalog)
    check_declared(revisions, catalog)
    entries = status(revisions, await engine.applied())
    refuse_strange(entries)
    pending = {entry.id for entry in entries if entry.state is State.PENDING}
    done = []
    for revision in revisions:
        if revision.id in pending:
            progress(f"{revision.id}: {revision.message}")
            await engine.apply(revision.steps, revision=revision.id, checksum=revision.checksum)
            done.append(revision.id)
    return done


def refuse_strange(entries: Iterable[Entry]) -> None:
    """Raises SchemaError for a store whose ledger this code cannot continue."""
    unknown = [entry.id for entry in entries if entry.state is State.UNKNOWN]
    edited = [entry.id for entry in entries if entry.state is State.EDITED]
    if unknown:
        raise SchemaError(
            "the database is ahead of this code: it holds revisions that the code does not know",
            where=", ".join(unknown),
            hint="Run the newer code, or enable the packs that these revisions belong to.",
        )
    if edited:
        raise SchemaError(
            "a revision was changed after it was applied",
            where=", ".join(edited),
            hint="Take the change back, and write a new revision for it.",
        )
