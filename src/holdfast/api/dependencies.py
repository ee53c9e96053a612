"""What a FastAPI route depends on: who calls, in which scope, on which store.

    @app.get("/notes")
    async def notes(store: Annotated[Store, Depends(current_store)], scope: Annotated[Scope, Depends(current_scope)]): …

They work in every application that knows a platform: in Holdfast's own, in the routers of packs, and in an application that
was made with `lifespan`. There is no dependency that opens a session: FastAPI would leave it after the answer has gone out,
and what the commit refuses would come too late.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request

from holdfast.api.callers import Callers, read_device
from holdfast.api.exchange import read_headers
from holdfast.api.platform import Accounts, Platform
from holdfast.errors import ConfigurationError
from holdfast.identity.principal import Principal
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope


@dataclass(frozen=True, slots=True)
class Attached:
    """What an application knows of Holdfast."""

    platform: Platform
    callers: Callers


def attach(app: Starlette, platform: Platform, callers: Callers | None = None) -> None:
    """Let an application know an open platform."""
    app.state.holdfast = Attached(platform, callers or Callers(platform.accounts))


def attached(app: object) -> Attached:
    """What the application knows. Raises ConfigurationError where nobody told it."""
    found = getattr(getattr(app, "state", None), "holdfast", None)
    if not isinstance(found, Attached):
        raise ConfigurationError(
            "This application knows no store, or has not started.",
            where="holdfast.api",
            hint="Make it with FastAPI(lifespan=holdfast.api.lifespan(…)).",
        )
    return found


async def current_principal(request: Request) -> Principal:
    """Who calls. Raises NotAuthenticated or TokenExpired."""
    return await attached(request.app).callers.principal(read_headers(request.scope["headers"]))


async def current_scope(request: Request) -> Scope:
    """The scope to open a session for: the caller's own, or with `X-Holdfast-Scope: tenant` an administrator's reading of
    the whole tenant. Raises NotAuthenticated, TokenExpired or Forbidden.
    """
    callers = attached(request.app).callers
    return await callers.scope(request.method, read_headers(request.scope["headers"]))


async def current_store(request: Request) -> Store:
    """The store to open a session on."""
    return attached(request.app).platform.store


async def current_accounts(request: Request) -> Accounts:
    """People and their sessions: for routes of one's own that sign in. Nobody counts there how often an address knocks;
    Holdfast's own routes below `/auth` do.
    """
    return attached(request.app).platform.accounts


def current_device(request: Request) -> str | None:
    """The device that the caller names, or None."""
    return read_device(read_headers(request.scope["headers"]))
