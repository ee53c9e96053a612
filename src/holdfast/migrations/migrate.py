"""Bring a store up to the code, or back, and say how they stand to one another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from holdfast.engines.port import (
    CALM,
    Applied,
    Capability,
    Control,
    Engine,
    Foresees,
    Resumes,
    UnderWay,
    branch_of,
)
from holdfast.errors import NotFound, SchemaError
from holdfast.migrations.graph import load_revisions
from holdfast.migrations.revision import Revision
from holdfast.model.catalog import Catalog
from holdfast.model.diff import Difference, diff
from holdfast.model.pack import Pack
from holdfast.model.planning import plan
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Phase, Step, left_standing, replay, undo


class State(StrEnum):
    """How a revision stands in a store."""

    APPLIED = "applied"
    PENDING = "pending"
    HALF_APPLIED = "half applied"
    HALF_BACK = "half taken back"
    EDITED = "edited"
    """Applied, and changed in the code afterwards."""
    AHEAD = "ahead"
    """Applied by newer code, in a way that this code can live with."""
    UNKNOWN = "unknown"
    """Applied by newer code, or by another deployment."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision and its state."""

    id: str
    branch: str
    message: str
    state: State
    phase: Phase = "pre"


def revisions_of(packs: Sequence[Pack], catalog: Catalog, *, follow: bool = False) -> list[Revision]:
    """All revisions of these packs, in order. `follow`: and one for what is declared beyond them, as is enough for a store
    that does not outlive its process.
    """
    folders = [pack.revisions for pack in packs if pack.revisions is not None]
    bare = [
        (pack.name, [s for s in catalog if s.pack == pack.name])
        for pack in packs
        if pack.revisions is None and pack.entities
    ]
    revisions = load_revisions(folders, bare)
    if follow:
        made = plan(_sum(revisions).values(), catalog)
        if made:
            revisions.append(Revision("declared_0001", "declared", "as declared", (*made.pre, *made.post)))
    return revisions


def revisions_for(engine: Engine, packs: Sequence[Pack], catalog: Catalog) -> list[Revision]:
    """All revisions, as far as they are asked of this engine."""
    return revisions_of(packs, catalog, follow=Capability.DURABLE not in engine.capabilities)


def _sum(revisions: Iterable[Revision]) -> dict[str, EntitySchema]:
    """What revisions add up to."""
    return replay(step for revision in revisions for step in revision.steps)


def undeclared(revisions: Iterable[Revision], catalog: Catalog) -> Difference:
    """What the declaration says beyond the sum of the revisions."""
    return diff(_sum(revisions).values(), catalog)


def check_declared(revisions: Iterable[Revision], catalog: Catalog) -> None:
    """Raises SchemaError where the revisions do not add up to the declaration."""
    difference = undeclared(revisions, catalog)
    lines = [*difference.changed, *(f"{s.name} is new" for s in difference.added)]
    lines += [f"{s.name} is no longer declared" for s in difference.removed]
    if lines:
        raise SchemaError(
            "the declaration and the revisions differ: " + "; ".join(lines)[:800],
            hint='`holdfast migrate make -m "…"` writes the revision for what has changed; or take the change back.',
        )


async def read_status(engine: Engine, revisions: Sequence[Revision]) -> list[Entry]:
    """Each revision with its state in the engine's ledger."""
    return status(revisions, await engine.history(), await _under_way(engine))


async def interrupted(engine: Engine) -> list[str]:
    """The revisions that are half applied or half taken back, and nobody goes on with."""
    found = await _under_way(engine)
    at_work = bool(found) and isinstance(engine, Resumes) and await engine.is_migrating()
    return [] if at_work else [each.revision for each in found]


async def _under_way(engine: Engine) -> list[UnderWay]:
    return await engine.under_way() if isinstance(engine, Resumes) else []


def status(
    revisions: Sequence[Revision], ledger: Iterable[Applied], under_way: Iterable[UnderWay] = ()
) -> list[Entry]:
    """Each revision with its state, unknown ones last."""
    kept = {applied.revision: applied for applied in ledger}
    half = {each.revision: State.HALF_BACK if each.back else State.HALF_APPLIED for each in under_way}
    entries = [
        Entry(r.id, r.branch, r.message, _state(r, kept.get(r.id), half.get(r.id)), r.phase)
        for r in revisions
    ]
    known = {revision.id for revision in revisions}
    for name in sorted(kept.keys() - known):
        state = State.AHEAD if kept[name].phase == "pre" and name in _next(known, kept) else State.UNKNOWN
        entries.append(Entry(name, "", "not in this code", state, kept[name].phase))
    return entries


def _next(known: Collection[str], kept: Iterable[str]) -> set[str]:
    """Of what is applied, revisions of branches that this code knows: of the same application, only later."""
    branches = {branch_of(name) for name in known}
    return {name for name in kept if branch_of(name) in branches}


def _state(revision: Revision, kept: Applied | None, half: State | None) -> State:
    if kept is None:
        return half or State.PENDING
    return (half or State.APPLIED) if kept.checksum == revision.checksum else State.EDITED


async def up(
    engine: Engine,
    packs: Sequence[Pack],
    catalog: Catalog,
    *,
    control: Control = CALM,
    pre_only: bool = False,
) -> list[str]:
    """Apply what is pending, in order; returns the revisions applied. `pre_only` leaves what must wait for the old code to go.

    Raises SchemaError, before anything is changed, for a store that is ahead of the code, a revision that was edited
    after it was applied, a declaration without a revision, rows that stand in the way, or a foreign database. What is half
    taken back is brought back.
    """
    revisions = revisions_for(engine, packs, catalog)
    waiting = await pending(engine, revisions, pre_only=pre_only)
    check_declared(revisions, catalog)
    half = {each.revision: each for each in await _under_way(engine)}
    left = {r.id: _left(revisions, r, half[r.id]) for r in waiting if r.id in half and half[r.id].back}
    done: list[str] = []
    async with _told_how_far(engine, done, "applied"):
        ahead = [step for r in waiting for step in _to_do(r, half.get(r.id), left.get(r.id))]
        await _foresee(engine, ahead, control)
        for revision in waiting:
            control.tell(f"{revision.id}: {revision.message}")
            ours = replace(control, phase=revision.phase)
            name, mark, steps = revision.id, revision.checksum, revision.steps
            if name in left and isinstance(engine, Resumes):
                await engine.abandon(steps, revision=name, checksum=mark, left=left[name], control=ours)
            await engine.apply(steps, revision=name, checksum=mark, control=ours)
            done.append(name)
    await engine.refresh(catalog)
    return done


def _left(revisions: Sequence[Revision], revision: Revision, half: UnderWay) -> int:
    """How many steps of a revision that is half taken back stand as they were."""
    return left_standing(revision.steps, _before(revisions, revision), half.begun)


def _to_do(revision: Revision, half: UnderWay | None, left: int | None) -> list[Step]:
    """What of a revision is still to be applied."""
    if left is not None:
        return list(revision.steps[left:])
    return [step for at, step in enumerate(revision.steps) if half is None or at not in half.done]


async def _foresee(engine: Engine, steps: Sequence[Step], control: Control) -> None:
    """Before anything is changed: raises SchemaError where rows stand in the way."""
    if steps and isinstance(engine, Foresees):
        await engine.foresee(steps, control=control)


@asynccontextmanager
async def _told_how_far(engine: Engine, done: Sequence[str], what: str) -> AsyncIterator[None]:
    """Whoever is refused is told what was changed until then."""
    try:
        yield
    except SchemaError as error:
        half = [
            f"{each.revision} is half {'taken back' if each.back else 'applied'}: `holdfast migrate "
            + (
                f"down {each.revision}` goes on, `holdfast migrate up` brings it back"
                if each.back
                else "up` goes on"
            )
            for each in await _under_way(engine)
        ]
        so_far = [f"{', '.join(done)} {'is' if len(done) == 1 else 'are'} {what}"] if done else []
        far = f"{'; '.join([*so_far, *half])}." if so_far or half else "Nothing was changed."
        error.hint = f"{error.hint or ''} {far}".strip()
        raise


async def pending(engine: Engine, revisions: Sequence[Revision], *, pre_only: bool = False) -> list[Revision]:
    """What `up` would apply. Raises SchemaError for a store whose ledger this code cannot continue."""
    entries = await read_status(engine, revisions)
    refuse_strange(entries)
    waiting = {e.id for e in entries if e.state in {State.PENDING, State.HALF_APPLIED, State.HALF_BACK}}
    half_back = {entry.id for entry in entries if entry.state is State.HALF_BACK}
    ahead = [entry.id for entry in entries if entry.state is State.AHEAD]
    if waiting and ahead:
        raise _ahead(ahead)
    found, stopped = [], set()
    for revision in revisions:
        if revision.id not in waiting:
            continue
        if pre_only and revision.phase == "post" and revision.id not in half_back:
            stopped.add(revision.branch)
        if revision.branch not in stopped:
            found.append(revision)
    return found


async def down(
    engine: Engine,
    packs: Sequence[Pack],
    catalog: Catalog,
    *,
    branch: str,
    to: str | None = None,
    control: Control = CALM,
    approve: Callable[[Sequence[Revision]], None] = lambda _: None,
) -> list[str]:
    """Take back the last revision of a branch, or all down to and including `to`; returns those taken back.

    Raises SchemaError, before anything is changed, where one of them cannot be undone or rows stand in the way, NotFound for
    one that is not applied.
    """
    revisions = revisions_of(packs, catalog)
    refuse_strange(await read_status(engine, revisions))
    going = _going(revisions, await engine.applied(), branch, to)
    backs = [undo(revision.steps, _before(revisions, revision)) for revision in going]
    half = {each.revision: each.done for each in await _under_way(engine) if each.back}
    done: list[str] = []
    async with _told_how_far(engine, done, "taken back"):
        ahead = [
            step
            for revision, steps in zip(going, backs, strict=True)
            for at, step in enumerate(steps)
            if at not in half.get(revision.id, ())
        ]
        await _foresee(engine, ahead, control)
        approve(going)
        for revision, steps in zip(going, backs, strict=True):
            control.tell(f"{revision.id}: {revision.message}")
            await engine.revert(steps, revision=revision.id, control=control)
            done.append(revision.id)
    return done


def _going(
    revisions: Sequence[Revision], applied: Mapping[str, str], branch: str, to: str | None
) -> list[Revision]:
    """Applied revisions of the branch, the last one first."""
    if to is not None:
        branch = next((revision.branch for revision in revisions if revision.id == to), branch)
    chain = [revision for revision in revisions if revision.branch == branch and revision.id in applied]
    names = [revision.id for revision in chain]
    if not chain or (to is not None and to not in names):
        raise NotFound(
            "there is no such revision to take back",
            where=(to or branch)[:100],
            hint=f"`holdfast migrate status` lists them: a name such as {names[-1]}." if names else None,
        )
    first = len(chain) - 1 if to is None else names.index(to)
    return chain[first:][::-1]


def _before(revisions: Sequence[Revision], revision: Revision) -> dict[str, EntitySchema]:
    """What was declared before a revision."""
    return _sum(revisions[: revisions.index(revision)])


def refuse_strange(entries: Sequence[Entry]) -> None:
    """Raises SchemaError for a store whose ledger this code cannot continue."""
    unknown = [entry.id for entry in entries if entry.state is State.UNKNOWN]
    edited = [entry.id for entry in entries if entry.state is State.EDITED]
    if unknown:
        raise _ahead(unknown)
    if edited:
        raise SchemaError(
            "a revision was changed after it was applied",
            where=", ".join(edited),
            hint=how_to_mend(entries),
        )


def how_to_mend(entries: Sequence[Entry]) -> str:
    """What to do about revisions that were edited."""
    text = "Put the file back as it was applied; `holdfast migrate make` then writes a new revision for the change."
    applied = {State.APPLIED, State.EDITED, State.HALF_BACK}
    for branch in sorted({entry.branch for entry in entries if entry.state is State.EDITED}):
        if all(e.state is State.EDITED for e in entries if e.branch == branch and e.state in applied):
            return (
                f"{text} Where it was never edited, another application with a pack called {branch} lives in this "
                "database: give each its own."
            )
    return text


def _ahead(names: Sequence[str]) -> SchemaError:
    return SchemaError(
        "the database is ahead of this code: it holds revisions that the code does not know",
        where=", ".join(names),
        hint="Run the newer code, or enable the packs that these revisions belong to.",
    )
