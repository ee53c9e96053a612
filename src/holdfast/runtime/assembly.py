"""The composition root."""
from __future__ import annotations
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from holdfast.model.pack import Pack
from holdfast.store.store import Store
@asynccontextmanager
async def open_store(url: str | None = None, *, home: Path | str | None = None, packs: Sequence[Pack] | None = None) -> AsyncIterator[Store]:
    raise NotImplementedError
    yield
