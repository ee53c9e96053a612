"""A FastAPI application with one route of its own, and all of Holdfast's beside it: `uvicorn app:app`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI
from notebook import Note

from holdfast import HoldfastError, Scope, Store
from holdfast.api import answer_problem, create_app, current_scope, current_store, lifespan

app = FastAPI(
    title="Notebook",
    lifespan=lifespan(),
    exception_handlers={HoldfastError: answer_problem},
)


@app.get("/titles")
async def titles(
    store: Annotated[Store, Depends(current_store)], scope: Annotated[Scope, Depends(current_scope)]
) -> list[str]:
    """The caller's notes, by title alone."""
    async with store.session(scope) as session:
        return [note.title for note in (await session.select(Note, sort="title")).items]


app.mount("/", create_app())  # last: routes are tried in their order
