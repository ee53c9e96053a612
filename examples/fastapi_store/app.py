"""A FastAPI application that uses the store and the login, and has no other route of Holdfast's: `uvicorn app:app`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI
from notebook import Note, Title
from pydantic import BaseModel

from holdfast import HoldfastError, Scope, Store
from holdfast.api import Accounts, answer_problem, current_accounts, current_scope, current_store, lifespan

app = FastAPI(
    title="Notebook",
    lifespan=lifespan(),
    exception_handlers={HoldfastError: answer_problem},
)


class NewNote(BaseModel):
    """What a caller sends."""

    title: Title


class Credentials(BaseModel):
    """Who comes."""

    email: str
    password: str


@app.post("/token")
async def token(who: Credentials, accounts: Annotated[Accounts, Depends(current_accounts)]) -> dict[str, str]:
    """Sign in. The answer to a failure is the same whatever was wrong."""
    grant = await accounts.login(who.email, who.password)
    return {"access_token": grant.access_token}


@app.post("/notes", status_code=201)
async def add(
    new: NewNote,
    store: Annotated[Store, Depends(current_store)],
    scope: Annotated[Scope, Depends(current_scope)],
) -> dict[str, str]:
    """Keep a note. Leaving the block commits it; the answer goes out behind that."""
    note = Note(title=new.title)
    async with store.session(scope) as session:
        await session.put(note)
    return {"id": str(note.id), "title": note.title}


@app.get("/notes")
async def titles(
    store: Annotated[Store, Depends(current_store)],
    scope: Annotated[Scope, Depends(current_scope)],
) -> list[str]:
    """The caller's notes."""
    async with store.session(scope) as session:
        return [note.title for note in (await session.select(Note, sort="title")).items]


@app.get("/notes/{note_id}")
async def one(
    note_id: UUID,
    store: Annotated[Store, Depends(current_store)],
    scope: Annotated[Scope, Depends(current_scope)],
) -> dict[str, str]:
    """A note; another person's is not there."""
    async with store.session(scope) as session:
        note = await session.get(Note, note_id)
    return {"id": str(note.id), "title": note.title}
