"""The same store for code that is not asynchronous: each call waits for its answer, in an event loop on a thread of its own.

    with holdfast.blocking.open_store() as store:
        with store.session(scope) as session:
            session.put(account)

Every method is the asynchronous one, forwarded: same name, same arguments, same errors.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from holdfast.model.pack import Pack
from holdfast.runtime.assembly import open_store as open_async_store
from holdfast.store.session import Session
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def open_store(
    url: str | None = None, *, home: Path | str | None = None, packs: Sequence[Pack] | None = None
) -> Iterator[BlockingStore]:
    """`holdfast.open_store`, for synchronous callers: a store until the block ends."""
    opening = open_async_store(url, home=home, packs=packs)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opening) as store:
        yield BlockingStore(portal, store)


def _of_session(
    method: Callable[Concatenate[Session, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[BlockingSession, P], R]:
    """The session's method, waiting."""

    def call(self: BlockingSession, /, *args: P.args, **named: P.kwargs) -> R:
        answer: R = self._portal.call(partial(method, self._session, *args, **named))
        return answer

    return _named(call, method)


def _of_store(
    method: Callable[Concatenate[Store, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[BlockingStore, P], R]:
    """The store's method, waiting."""

    def call(self: BlockingStore, /, *args: P.args, **named: P.kwargs) -> R:
        answer: R = self._portal.call(partial(method, self._store, *args, **named))
        return answer

    return _named(call, method)


C = TypeVar("C", bound=Callable[..., Any])


def _named(call: C, method: Callable[..., Any]) -> C:
    call.__name__ = method.__name__
    call.__doc__ = method.__doc__
    return call


class BlockingSession:
    """A `Session` whose methods wait. `with store.session(scope) as s:` commits at the end, unless the block raises."""

    def __init__(self, portal: BlockingPortal, session: Session) -> None:
        """Private: see `BlockingStore.session`."""
        self._portal = portal
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.call(self._session.__aexit__, kind, error, trace)

    @property
    def scope(self) -> Scope:
        """Whose session it is."""
        return self._session.scope

    def discard(self) -> None:
        """Forget what was buffered."""
        self._session.discard()

    get = _of_session(Session.get)
    find = _of_session(Session.find)
    select = _of_session(Session.select)
    put = _of_session(Session.put)
    batch = _of_session(Session.batch)
    patch = _of_session(Session.patch)
    delete = _of_session(Session.delete)
    commit = _of_session(Session.commit)


class BlockingStore:
    """A `Store` whose methods wait. Safe to share between threads."""

    def __init__(self, portal: BlockingPortal, store: Store) -> None:
        """Private: see `open_store`."""
        self._portal = portal
        self._store = store

    def session(self, scope: Scope) -> BlockingSession:
        """A session for `scope`: `with store.session(scope) as s: …`."""
        return BlockingSession(self._portal, self._store.session(scope))

    head = _of_store(Store.head)
    ingest = _of_store(Store.ingest)
