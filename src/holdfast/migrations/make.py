"""The next revisions of a pack: what is declared beyond what its revisions add up to. Needs no database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from holdfast.errors import ConfigurationError
from holdfast.migrations.files import write_revision
from holdfast.migrations.graph import folder_of
from holdfast.migrations.migrate import revisions_of
from holdfast.migrations.revision import Revision
from holdfast.model.catalog import Catalog
from holdfast.model.pack import Pack
from holdfast.model.planning import likely_renames, plan
from holdfast.model.steps import Phase, Step, replay


def make_revisions(
    packs: Sequence[Pack],
    catalog: Catalog,
    *,
    pack: Pack,
    message: str,
    note: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write the revision that brings `pack` to its declaration, and one for what comes after the old code; returns the files.
    `note` is told what may have been meant otherwise.

    Raises DeclarationError, NotSupported for what cannot be planned; then nothing is written.
    """
    if pack.revisions is None:
        raise ConfigurationError(
            "The pack does not say where its revisions are.",
            where=pack.name,
            hint='Pack(…, revisions=Path(__file__).parent / "migrations")',
        )
    revisions = revisions_of(packs, catalog)
    before = replay(step for revision in revisions for step in revision.steps)
    made = plan(
        (schema for schema in before.values() if schema.pack == pack.name),
        (schema for schema in catalog if schema.pack == pack.name),
    )
    for table, old, new in likely_renames((*made.pre, *made.post)):
        note(
            f'If {new} of {table} is {old} under another name, declare it with Was("{old}") and write this again.'
        )
    chain = [revision.id for revision in revisions if revision.branch == pack.name]
    others = _heads(revisions, without=pack.name)
    written: list[Path] = []
    parts: tuple[tuple[Phase, Sequence[Step], str], ...] = (
        ("pre", made.pre, message),
        ("post", made.post, f"{message}, after the old code"),
    )
    for phase, steps, title in parts:
        if not steps:
            continue
        number = max((int(name.rpartition("_")[2]) for name in chain), default=0) + 1
        revision = Revision(f"{pack.name}_{number:04}", pack.name, title, tuple(steps), phase)
        down = chain[-1] if chain else None
        path = write_revision(
            folder_of(pack.revisions), revision, down=down, depends_on=() if down else others, before=before
        )
        before = replay(steps, before)
        chain.append(revision.id)
        written.append(path)
    return written


def _heads(revisions: Sequence[Revision], *, without: str) -> tuple[str, ...]:
    """The last revision of each branch: a pack's first one comes behind them."""
    last = {revision.branch: revision.id for revision in revisions if revision.branch != without}
    return tuple(last.values())
