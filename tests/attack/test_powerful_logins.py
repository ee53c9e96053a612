"""Serving is refused to a login that could step over the wall, at once and whichever way it could."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.errors import ConfigurationError
from tests.attack.wall import Wall, run

LOGIN = "wall_mighty"


@contextmanager
def mighty(wall: Wall, how: str) -> Iterator[str]:
    """A login that was made powerful by `how`; its URL."""
    with wall.connect("admin") as admin:
        for role in ("wall_super", "wall_free", LOGIN):
            run(admin, f"drop role if exists {role}")
        run(
            admin,
            f"create role {LOGIN} login password 'x'; grant connect on database {wall.logins.database} to {LOGIN}",
        )
        run(admin, "create role wall_super superuser; create role wall_free bypassrls")
        try:
            run(admin, how.format(login=LOGIN, owner=wall.roles.owner))
            host = wall.logins.runtime.rpartition("@")[2]
            yield f"postgresql://{LOGIN}:x@{host}"
        finally:
            run(admin, f"alter table app.notices owner to {wall.roles.owner}")
            run(admin, f"drop owned by {LOGIN}; drop role {LOGIN}; drop role wall_super; drop role wall_free")


@pytest.mark.parametrize(
    "how",
    [
        "alter role {login} superuser",
        "alter role {login} bypassrls",
        "grant wall_super to {login}",
        "grant wall_free to {login}",
        "grant {owner} to {login}",
        "alter role {login} noinherit; grant {owner} to {login}",
        "grant wall_super to wall_free; grant wall_free to {login}",
        "alter table app.notices owner to {login}",
        "alter role {login} superuser; alter role {login} set role = {owner}",
    ],
)
async def test_a_powerful_login_is_refused(wall: Wall, how: str) -> None:
    with mighty(wall, how) as url, pytest.raises(ConfigurationError, match="could bypass row security"):
        await PostgresEngine.open(replace(wall.logins, runtime=url))


async def test_a_login_without_power_is_not(wall: Wall) -> None:
    with mighty(wall, "alter role {login} nocreatedb") as url:
        engine = await PostgresEngine.open(replace(wall.logins, runtime=url))
        await engine.ping()
        await engine.aclose()


async def test_the_administrator_may_not_serve_even_before_there_is_a_table(wall: Wall) -> None:
    with pytest.raises(ConfigurationError, match="could bypass row security"):
        await PostgresEngine.open(replace(wall.logins, runtime=wall.server.admin_url))


@pytest.mark.parametrize("login", ["realm", "maintenance"])
async def test_the_other_logins_are_as_powerless(wall: Wall, login: str) -> None:
    engine = await PostgresEngine.open(replace(wall.logins, runtime=getattr(wall.logins, login)))
    await engine.aclose()


async def test_the_backup_login_may_not_serve(wall: Wall) -> None:
    """It reads past row security, which is what it is for."""
    assert wall.logins.backup is not None
    with pytest.raises(ConfigurationError, match="could bypass row security"):
        await PostgresEngine.open(replace(wall.logins, runtime=wall.logins.backup))
