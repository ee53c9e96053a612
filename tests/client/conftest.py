"""A server in a process of its own, and clients of its people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdfast.client import Client, Patience
from holdfast.runtime.assembly import open_platform
from holdfast.runtime.settings import load_settings
from tests.acceptance.deployment import Deployment, new_deployment
from tests.client.wire import Wire

QUICK = Patience(first_delay=0.01, request=5.0, all_tries=20.0)
PASSWORD = "a long and quiet evening"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with new_deployment() as made, made.up():
        yield made


@pytest.fixture(scope="session")
def people(deployment: Deployment) -> Iterator[str]:
    """The addresses of people whom no other test has."""
    return iter(asyncio.run(_people(deployment, 40)))


async def _people(deployment: Deployment, count: int) -> list[str]:
    settings = load_settings(deployment.folder, {}).changed("the tests", home=str(deployment.home))
    emails = [f"{turn}@example.com" for turn in range(count)]
    async with open_platform(settings) as platform:
        await asyncio.gather(*(platform.accounts.add_user(email, "Somebody", PASSWORD) for email in emails))
    return emails


@pytest.fixture(scope="session")
def url(deployment: Deployment) -> str:
    served = json.loads((deployment.home / "serving.json").read_text())
    return f"http://127.0.0.1:{served['port']}"


@dataclass
class Person:
    """Somebody new on the server, whom a client signs in."""

    url: str
    email: str
    stack: AsyncExitStack = field(repr=False)

    async def device(self, name: str | None = None, *, patience: Patience = QUICK, **given: Any) -> Device:
        wire = Wire()
        client = Client(self.url, device=name, patience=patience, transport=wire, **given)
        await self.stack.enter_async_context(client)
        if client.tokens is None:
            await client.sign_in(self.email, PASSWORD)
        return Device(client, wire)


@dataclass
class Device:
    """A client and its way to the server."""

    client: Client
    wire: Wire


@pytest.fixture
async def person(url: str, people: Iterator[str]) -> AsyncIterator[Person]:
    async with AsyncExitStack() as stack:
        yield Person(url, next(people), stack)
