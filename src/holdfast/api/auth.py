"""Sign-in and what belongs to it: models in, grants out. Who may, and what it means, is decided by the accounts."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from holdfast.api.dependencies import current_device, current_principal
from holdfast.api.platform import Grant, Platform
from holdfast.identity.principal import Principal, Role

Caller = Annotated[Principal, Depends(current_principal)]
Device = Annotated[str | None, Depends(current_device)]
BEARER: dict[str, Any] = {"security": [{"bearer": []}]}


Email = Annotated[str, Field(min_length=3, max_length=255, examples=["ada@example.com"])]
Password = Annotated[SecretStr, Field(min_length=1, max_length=1024)]
TenantName = Annotated[
    str,
    Field(min_length=1, max_length=64, description="A tenant's id or slug.", examples=["acme"]),
]
Token = Annotated[SecretStr, Field(min_length=1, max_length=4096)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Registration(_Body):
    """A person who wants an account."""

    email: Email
    name: Annotated[str, Field(min_length=1, max_length=255, examples=["Ada Lovelace"])]
    password: Password


class Login(_Body):
    """A person who comes back. `tenant` is the one to act in; the personal one where it is not given."""

    email: Email
    password: Password
    tenant: TenantName | None = None


class Refresh(_Body):
    """The refresh token that came last; it is used up."""

    refresh_token: Token


class Switch(_Body):
    """The tenant to act in from now on."""

    tenant: TenantName


class Verification(_Body):
    """The token from a mail."""

    token: Token


class Tenant(BaseModel):
    """A tenant in which the caller is a member."""

    id: UUID
    name: str
    slug: str
    personal: bool
    role: Role


class Tokens(BaseModel):
    """Tokens for one tenant. `expires_in` is the access token's life in seconds; where there is no `refresh_token`, the one
    that the session has goes on.
    """

    access_token: str
    refresh_token: str | None = None
    token_type: str
    expires_in: int
    tenant: Tenant


class Accepted(BaseModel):
    """The same for every address, known or not: the mail says the rest."""

    status: Literal["accepted"] = "accepted"
    detail: str = "If this address can be registered, a message with the next step is on its way to it."


class Tenants(BaseModel):
    """All of the caller's tenants."""

    items: list[Tenant]


def auth_router(platform: Platform) -> APIRouter:
    """The routes below `/auth`."""
    router = APIRouter(prefix="/auth", tags=["auth"])
    _add_entrances(router, platform)
    _add_session_routes(router, platform)
    return router


def _add_entrances(router: APIRouter, platform: Platform) -> None:
    accounts = platform.accounts

    @router.post("/register", status_code=202, response_model=Accepted, responses={201: {"model": Tokens}})
    async def register(body: Registration, device: Device) -> Response:
        """Register. 202 with the same body for every address; a development store signs in at once, with 201."""
        password = body.password.get_secret_value()
        grant = await accounts.register(body.email, body.name, password, device=device)
        if grant is not None and platform.development:
            return JSONResponse(_tokens(grant).model_dump(mode="json", exclude_none=True), status_code=201)
        return JSONResponse(Accepted().model_dump(mode="json"), status_code=202)

    @router.post("/login", response_model_exclude_none=True)
    async def login(body: Login, device: Device) -> Tokens:
        """Sign in. The answer to a failure is the same whatever was wrong."""
        password = body.password.get_secret_value()
        return _tokens(await accounts.login(body.email, password, tenant=body.tenant, device=device))

    @router.post("/refresh", response_model_exclude_none=True)
    async def refresh(body: Refresh, device: Device) -> Tokens:
        """Exchange a refresh token for the next pair. Using one twice ends the session."""
        return _tokens(await accounts.refresh(body.refresh_token.get_secret_value(), device=device))

    @router.post("/verify", status_code=204)
    async def verify(body: Verification) -> None:
        """Show that a message arrived."""
        await accounts.verify_email(body.token.get_secret_value())


def _add_session_routes(router: APIRouter, platform: Platform) -> None:
    accounts = platform.accounts

    @router.post("/logout", status_code=204, openapi_extra=BEARER)
    async def logout(caller: Caller) -> None:
        """End this session: its tokens hold no longer."""
        await accounts.logout(caller)

    @router.post("/switch", openapi_extra=BEARER, response_model_exclude_none=True)
    async def switch(body: Switch, caller: Caller) -> Tokens:
        """Go on in another tenant, in the same session."""
        return _tokens(await accounts.switch(caller, body.tenant))

    @router.get("/tenants", openapi_extra=BEARER)
    async def tenants(caller: Caller) -> Tenants:
        """The tenants in which the caller is a member."""
        found = await accounts.tenants(caller.user_id)
        return Tenants(items=[Tenant.model_validate(each, from_attributes=True) for each in found])


def _tokens(grant: Grant) -> Tokens:
    return Tokens.model_validate(grant, from_attributes=True)
