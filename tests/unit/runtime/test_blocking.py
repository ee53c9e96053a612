"""The store for code that is not asynchronous: same names, same errors, threads included."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from holdfast import Entity, NotFound, Pack, Scope, Shared, StaleVersion, new_id
from holdfast.blocking import BlockingSession, BlockingStore, open_store
from holdfast.store.session import Session
from holdfast.store.store import Store


class Note(Entity, table="blocking_notes", policies=(Shared(),)):
    text: str


PACK = Pack(name="app", entities=(Note,))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("DATABASE_URL", "HOLDFAST_HOME", "HOLDFAST_PACKS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def scope() -> Scope:
    return Scope.system(new_id(), reason="test")


def test_a_row_lives_its_life_without_async(home: Path) -> None:
    with open_store("memory://", packs=[PACK]) as store:
        mine = scope()
        with store.session(mine) as session:
            receipt = session.put(Note(text="one"))
            note_id = receipt.entity.id if receipt.entity else UUID(int=0)
        with store.session(mine) as session:
            assert session.get(Note, note_id).text == "one"
            session.patch(Note, note_id, {"text": "two"})
        with store.session(mine) as session:
            assert [note.text for note in session.select(Note).items] == ["two"]
            session.delete(Note, note_id)
        with store.session(mine) as session:
            assert session.find(Note, note_id) is None
        assert store.head(mine) == 3


def test_errors_are_the_same(home: Path) -> None:
    with open_store("memory://", packs=[PACK]) as store:
        mine = scope()
        with store.session(mine) as session, pytest.raises(NotFound):
            session.get(Note, new_id())
        note = Note(text="one")
        with store.session(mine) as session:
            session.put(note)
        with store.session(mine) as session, pytest.raises(StaleVersion):
            session.patch(Note, note.id, {"text": "two"}, if_version=7)
            session.commit()


def test_a_block_that_raises_commits_nothing(home: Path) -> None:
    with open_store("memory://", packs=[PACK]) as store:
        mine = scope()
        with pytest.raises(RuntimeError), store.session(mine) as session:
            session.put(Note(text="one"))
            raise RuntimeError
        assert store.head(mine) == 0


def test_threads_share_a_store(home: Path) -> None:
    with open_store("memory://", packs=[PACK]) as store:
        mine = scope()

        def write(number: int) -> None:
            with store.session(mine) as session:
                session.batch([Note(text=f"{number}"), Note(text=f"{number}")])

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(write, range(32)))
        assert store.head(mine) == 64


def test_a_memory_store_leaves_no_home_behind(home: Path) -> None:
    with open_store("memory://", packs=[PACK]):
        pass
    assert not (home / ".holdfast").exists()


@pytest.mark.parametrize(("blocking", "asynchronous"), [(BlockingSession, Session), (BlockingStore, Store)])
def test_what_is_forwarded_keeps_its_words(blocking: type, asynchronous: type) -> None:
    forwarded = [
        name
        for name, method in inspect.getmembers(blocking, inspect.isfunction)
        if inspect.iscoroutinefunction(getattr(asynchronous, name, None))
    ]
    assert forwarded
    for name in forwarded:
        assert getattr(blocking, name).__doc__ == getattr(asynchronous, name).__doc__
        assert getattr(blocking, name).__name__ == name


def test_every_method_of_a_session_is_forwarded() -> None:
    public = {name for name, _ in inspect.getmembers(Session, inspect.isfunction) if not name.startswith("_")}
    assert public <= set(dir(BlockingSession))
