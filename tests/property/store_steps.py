"""What the store machine does: writes as values that can be carried out on any store, and strategies that draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st

from holdfast.model.entity import Entity
from holdfast.model.ids import parse_id
from holdfast.store.session import Receipt, Session
from holdfast.testing.conformance.entities import (
    CATALOG,
    Board,
    Bookmark,
    File,
    Folder,
    Loan,
    Note,
    Preference,
    Specimen,
)
from holdfast.testing.strategies import json_values, patches

NAMES = UUID("9a4b2c6e-3f0d-4a5b-8c7d-1e2f3a4b5c6d")
USERS = {name: uuid5(NAMES, name) for name in ("ann", "bob", "cleo")}
ENTITIES: tuple[type[Entity], ...] = (Note, Board, Preference, Folder, File, Bookmark, Loan, Specimen)

# Few ids, so that writes meet: one of a device, and one at each end.
_POOL = [UUID(int=1), parse_id("Zz09aAbBcCdDeE19"), uuid5(NAMES, "row"), UUID(int=2**128 - 1)]
IDS: dict[type[Entity], list[UUID]] = dict.fromkeys(ENTITIES, _POOL)


@dataclass(frozen=True)
class Put:
    """Store a new row, or replace the one of which this is said to be a copy."""

    entity: type[Entity]
    row_id: UUID
    values: dict[str, Any]
    version: int = 0

    async def apply(self, session: Session) -> Receipt:
        values = {"id": self.row_id, "version": self.version, **self.values}
        return await session.put(self.entity.model_validate(values))


@dataclass(frozen=True)
class Patch:
    """Change some fields."""

    entity: type[Entity]
    row_id: UUID
    changes: dict[str, Any]
    if_version: int | None = None

    async def apply(self, session: Session) -> Receipt:
        return await session.patch(self.entity, self.row_id, self.changes, if_version=self.if_version)


@dataclass(frozen=True)
class Delete:
    """Delete a row."""

    entity: type[Entity]
    row_id: UUID
    if_version: int | None = None

    async def apply(self, session: Session) -> Receipt:
        return await session.delete(self.entity, self.row_id, if_version=self.if_version)


Step = Put | Patch | Delete

_words = st.sampled_from(["", "a", "B", "\u00e4", "a b", "\U0001f600"])
_few = st.sampled_from([None, 0, 1, 1])
_labels = st.sampled_from([None, "x", "x", "y"])


_settings = st.dictionaries(st.sampled_from("abc"), json_values(), max_size=2)


def _ref(entity: type[Entity]) -> st.SearchStrategy[UUID]:
    return st.sampled_from(IDS[entity])


_GIVEN: dict[type[Entity], dict[str, st.SearchStrategy[Any]]] = {
    Note: {"title": _words, "number": _few, "body": st.none() | _words},
    Board: {"name": _words, "shelf": _labels, "label": _labels, "position": _few, "settings": _settings},
    Preference: {"name": _words},
    Folder: {"name": _words, "parent_id": st.none() | _ref(Folder)},
    File: {"name": _words, "folder_id": _ref(Folder)},
    Bookmark: {
        "name": _words,
        "file_id": st.none() | _ref(File),
        "other_id": st.none() | _ref(File),
        "folder_id": st.none() | _ref(Folder),
    },
    Loan: {
        "file_id": _ref(File),
        "holder_id": st.none() | st.sampled_from(list(USERS.values())),
        "replaces_id": st.none() | _ref(Loan),
    },
    Specimen: {},
}
# A few values that an application gets wrong.
_WRONG: dict[type[Entity], dict[str, Any]] = {
    Note: {"stars": 9, "title": "x" * 201},
    Board: {"shelf": "\x00", "settings": {"a": float("inf")}},
    Specimen: {"whole": 2**63, "nothing": 1},
}


@st.composite
def steps(draw: st.DrawFn, scope: str) -> Step:
    """One write. Now and then it is wrong, in another's name, or on a version that may not be there."""
    entity = draw(st.sampled_from(ENTITIES))
    row_id = draw(st.sampled_from(IDS[entity]))
    version = draw(st.sampled_from([None, None, None, 1, 2, 3]))
    kind = draw(st.sampled_from(["put", "put", "patch", "patch", "patch", "delete", "wrong", "copy"]))
    if kind == "delete":
        return Delete(entity, row_id, version)
    if kind == "wrong" and entity in _WRONG:
        return Patch(entity, row_id, dict([draw(st.sampled_from(list(_WRONG[entity].items())))]))
    changes = draw(patches(CATALOG.schema(entity), **_GIVEN[entity]))
    if kind in {"patch", "wrong"}:
        return Patch(entity, row_id, changes, version)
    required = {f.name: _GIVEN[entity][f.name] for f in CATALOG.schema(entity).fields if f.required}
    values = {**changes, **draw(st.fixed_dictionaries(required))}
    if CATALOG.schema(entity).owner is not None:
        values["user_id"] = USERS.get(draw(_owners(scope)))
    return Put(entity, row_id, values, (version or 1) if kind == "copy" else 0)


def _owners(scope: str) -> st.SearchStrategy[str]:
    own = [""] * 6 if scope in {"ann", "bob", "cleo"} else ["ann", "bob", "ann", "bob", ""]
    return st.sampled_from([*own, "bob", "cleo"])


@st.composite
def commits(draw: st.DrawFn, *, most: int) -> tuple[str, list[Step]]:
    """What one session does: in whose scope, and at most so many writes."""
    scope = draw(
        st.sampled_from(["ann"] * 4 + ["bob"] * 3 + ["everyone"] * 2 + ["cleo", "strangers", "viewer"])
    )
    return scope, draw(st.lists(steps(scope), min_size=1, max_size=most))


def first_rows() -> list[tuple[str, list[Step]]]:
    """What is there before the first step: rows of each kind that hang on one another, some of them changed already."""
    one, two, three, _ = _POOL
    anns: list[Step] = [
        Put(Folder, one, {"name": "root"}),
        Put(Folder, two, {"name": "leaf", "parent_id": one}),
        Put(File, one, {"name": "Ann's", "folder_id": two}),
        Put(Note, one, {"title": "a", "number": 0}),
        Put(Board, one, {"name": "a", "shelf": "x", "label": "x"}),
        Put(Preference, one, {"name": "a", "is_default": True}),
        Put(Bookmark, one, {"name": "a", "file_id": one, "other_id": one}),
        Put(Specimen, one, {"text": "a", "whole": 0}),
    ]
    bobs: list[Step] = [
        Put(File, two, {"name": "Bob's", "folder_id": one}),
        Put(Note, two, {"title": "b", "number": 1}),
        Put(Loan, one, {"file_id": two, "holder_id": USERS["ann"]}),
        Put(Bookmark, three, {"name": "b", "file_id": two, "folder_id": two}),
    ]
    documents: list[Any] = [{"bb": 1, "a": [True, None, 1.5e300]}, {"a": {"\u00e4": "\x01"}}]
    later: list[Step] = [Patch(Board, one, {"settings": document}) for document in documents]
    later += [Patch(Specimen, one, {"ratio": ratio, "document": [ratio]}) for ratio in (1.0, 1e16)]
    return [
        ("ann", anns),
        ("bob", bobs),
        *(("ann", [step]) for step in [*later, Patch(Note, one, {"stars": 2})]),
    ]


@st.composite
def removals(draw: st.DrawFn) -> tuple[str, list[Step]]:
    """Deletes of rows on which others hang, sometimes together with what hangs on them."""
    tree: list[type[Entity]] = [Folder, File, File, Loan]
    chosen = draw(st.lists(st.sampled_from(tree), min_size=1, max_size=2))
    writes: list[Step] = [Delete(entity, draw(st.sampled_from(_POOL[:3]))) for entity in chosen]
    if draw(st.integers(0, 3)) == 0:
        moved = draw(patches(CATALOG.schema(Loan), file_id=_ref(File), replaces_id=st.none() | _ref(Loan)))
        writes.append(Patch(Loan, _POOL[0], moved))
    return draw(st.sampled_from(["ann", "bob", "everyone", "everyone"])), writes


@dataclass(frozen=True)
class List:
    """A list to be paged through."""

    entity: type[Entity]
    where: dict[str, Any]
    sort: str
    limit: int


_LISTS: dict[type[Entity], tuple[list[str], dict[str, st.SearchStrategy[Any]]]] = {
    Note: (["id", "title", "number", "created_at", "user_id", "body"], {"title": _words, "number": _few}),
    Board: (["id", "shelf", "label", "position"], {"shelf": _labels, "position": _few}),
    File: (["id", "folder_id"], {"folder_id": _ref(Folder)}),
    Specimen: (
        ["id", "text", "flag", "whole", "money", "day", "moment", "blob", "ratio"],
        {"flag": st.booleans(), "whole": st.integers(-1, 1), "text": _words},
    ),
}


@st.composite
def lists(draw: st.DrawFn) -> List:
    """A list: a sort, up to two conditions, a small page."""
    entity = draw(st.sampled_from(list(_LISTS)))
    sorts, filters = _LISTS[entity]
    where: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(list(filters)), max_size=2)):
        op = draw(st.sampled_from(["", "__gt", "__gte", "__lt", "__lte", "__in"]))
        if op == "__in":
            where[name + op] = draw(st.lists(filters[name].filter(lambda v: v is not None), max_size=2))
        else:
            where[name + op] = draw(filters[name])
    sort = draw(st.sampled_from(["", "-"])) + draw(st.sampled_from(sorts))
    return List(entity, where, sort, draw(st.integers(1, 4)))
