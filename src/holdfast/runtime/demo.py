"""The person that lives in a development store, so that there is something to try at once.

<home>/demo.json    their e-mail address and random password, for the owner of the home alone; the body of a login
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import Conflict, Duplicate, InvalidInput
from holdfast.runtime.database import Tell, is_development, silent
from holdfast.runtime.people import scope_of
from holdfast.runtime.secrets import keep, read_private
from holdfast.runtime.settings import Settings

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

DEMO_EMAIL = "demo@example.com"


def demo_path(home: Path) -> Path:
    """Where the demo login is kept."""
    return home / "demo.json"


def demo_email(settings: Settings) -> str:
    """The demo person's address. Raises InvalidInput where there is no such person."""
    if is_development(settings) and read_private(demo_path(settings.home)):
        return DEMO_EMAIL
    raise InvalidInput(
        "It is not said whose: there is no demo person here.",
        where="user",
        hint="Name the person: `--user EMAIL`.",
    )


async def make_demo(platform: Platform, tell: Tell = silent) -> bool:
    """Make the demo person and their rows where they are missing; whether they were made. Development stores only."""
    if not platform.development:
        raise Conflict("Demo people live in development stores alone.")
    login = _login(platform.settings.home)
    try:
        await platform.accounts.add_user(login["email"], "Demo", password=login["password"])
    except Duplicate:
        return False
    tell("Making a demo person.")
    scope = await scope_of(platform.store, login["email"])
    async with platform.store.session(scope) as session:
        for pack in platform.packs:
            if pack.demo is not None:
                await session.batch(pack.demo(datetime.now(UTC).date()))
    return True


def _login(home: Path) -> dict[str, str]:
    content = keep(demo_path(home), lambda: json.dumps(_new_login()).encode() + b"\n")
    login: dict[str, str] = json.loads(content)
    return login


def _new_login() -> dict[str, str]:
    return {"email": DEMO_EMAIL, "password": secrets.token_urlsafe(18)}
