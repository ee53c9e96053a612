"""A database that does not answer: which setting, where it leads, and why it failed; never the password."""

from __future__ import annotations

import socket
from pathlib import Path

import asyncpg
import pytest

from holdfast.engines.postgres._errors import translate
from holdfast.errors import HoldfastError
from holdfast.runtime.assembly import open_migrator, open_platform
from holdfast.runtime.settings import load_settings

SECRET = "s3cret"


async def failure(home: Path, urls: dict[str, str], *, make: bool = False) -> HoldfastError:
    settings = load_settings(home, {"HOLDFAST_HOME": str(home / "home"), **urls})
    with pytest.raises(HoldfastError) as raised:
        async with open_migrator(settings, make=True) if make else open_platform(settings):
            pass
    assert SECRET not in str(raised.value)
    return raised.value


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


async def test_a_refused_connection_names_setting_host_and_port(tmp_path: Path) -> None:
    port = free_port()
    error = await failure(tmp_path, {"DATABASE_URL": f"postgresql://app:{SECRET}@127.0.0.1:{port}/app"})
    assert error.message == "the database cannot be reached: the connection is refused"
    assert error.where == f"DATABASE_URL, 127.0.0.1:{port}"
    assert "%40" not in error.hint


async def test_of_two_urls_the_one_that_was_tried_is_named(tmp_path: Path) -> None:
    port = free_port()
    urls = {
        "DATABASE_URL": f"postgresql://app:{SECRET}@127.0.0.1:{port}/app",
        "DATABASE_ADMIN_URL": f"postgresql://admin:{SECRET}@127.0.0.1:{port}/app",
    }
    assert (await failure(tmp_path, urls)).where == f"DATABASE_URL, 127.0.0.1:{port}"
    assert (await failure(tmp_path, urls, make=True)).where == f"DATABASE_ADMIN_URL, 127.0.0.1:{port}"


async def test_an_unknown_host_with_an_at_in_the_password(tmp_path: Path) -> None:
    error = await failure(tmp_path, {"DATABASE_URL": f"postgresql://app:a@{SECRET}@nowhere.invalid/app"})
    assert error.message == "the database cannot be reached: the host is unknown"
    assert error.where == "DATABASE_URL, nowhere.invalid:5432"
    assert "%40" in error.hint


def test_a_refused_password_is_told() -> None:
    error = translate(asyncpg.InvalidPasswordError("password of somebody"), None)
    assert str(error) == "[unavailable] the database refuses the password"
