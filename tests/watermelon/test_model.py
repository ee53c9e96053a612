"""The model of the client is the client: both play every script, and leave the same rows after every step.

Each plays on a server of its own, all of them in this process and on the memory engine.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import uvicorn

from holdfast.testing.sync.script import (
    Device,
    Ending,
    ModelDevice,
    Script,
    differences,
    play,
    problems,
)
from holdfast.testing.sync.scripts import SCHEMA, SCRIPTS
from holdfast.testing.sync.watermelon import PullRequest, PushRequest, WatermelonClient
from tests.api_platform import Deployment, app_of
from tests.watermelon.client import AdapterName, Remote, WatermelonDriver
from tests.watermelon.node_device import NodeDevice, real_schema
from tests.watermelon.workshop import PACK

TABLES = [table.name for table in SCHEMA.tables]
_NUMBERS = itertools.count(1)


class Served:
    """An API behind a real port, on a loop in a thread of its own; people are entered from here."""

    def __init__(self) -> None:
        # Only of a socket that is said to be TCP does the loop send each piece at once; else some wait for 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(30)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api/v1/sync"

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._deployment = Deployment(packs=(PACK,))
        config = uvicorn.Config(app_of(self._deployment), log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._ready.set()
        await self._server.serve(sockets=[self._socket])
        await self._deployment.aclose()

    def token(self) -> str:
        """Somebody new."""
        name = f"person{next(_NUMBERS)}"
        asyncio.run_coroutine_threadsafe(self._deployment.join(name), self._loop).result(30)
        return self._deployment.tokens[name]

    def stop(self) -> None:
        """End the server and its thread."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class Transport:
    """Carries the model's requests as an application does, and fails as one does."""

    def __init__(self, client: httpx.AsyncClient, device: str) -> None:
        self._client = client
        self._headers = {"X-Holdfast-Device": device}

    async def pull(self, request: PullRequest) -> Mapping[str, Any]:
        """The server's answer."""
        answer = await self._client.get("/pull", params=request.parameters(), headers=self._headers)
        answer.raise_for_status()
        return dict(answer.json())

    async def push(self, request: PushRequest) -> Mapping[str, Any]:
        """The server's answer."""
        answer = await self._client.post(
            "/push",
            params={"last_pulled_at": json.dumps(request.last_pulled_at)},
            json=request.changes,
            headers=self._headers,
        )
        answer.raise_for_status()
        return dict(answer.json())


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.stop()


@pytest.fixture
def token(served: Served) -> Callable[[], str]:
    return served.token


async def play_models(script: Script, url: str, token: str) -> Ending:
    """With model devices."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, verify=False) as client:
        devices: dict[str, Device] = {
            name: ModelDevice(
                WatermelonClient(SCHEMA, source=random.Random(place)),
                Transport(client, f"{script.name}-{name}"[:64]),
            )
            for place, name in enumerate(script.devices)
        }
        return await play(script, devices)


async def play_real(
    script: Script, url: str, token: str, driver: WatermelonDriver, adapter: AdapterName
) -> Ending:
    """With the library."""
    number = next(_NUMBERS)
    schema = real_schema(SCHEMA)
    opened = [driver.open(f"script{number}{name}", adapter, schema) for name in script.devices]
    try:
        devices: dict[str, Device] = {
            name: NodeDevice(database, Remote(url, token=token, device=f"{script.name}-{name}"[:64]), TABLES)
            for name, database in zip(script.devices, opened, strict=True)
        }
        return await play(script, devices)
    finally:
        for database in opened:
            database.close(keep=False)


_MODELS: dict[str, Ending] = {}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_model_and_the_client_do_the_same(
    script: Script,
    served: Served,
    token: Callable[[], str],
    driver: WatermelonDriver,
    adapter: AdapterName,
) -> None:
    if script.name not in _MODELS:
        _MODELS[script.name] = _run(play_models(script, served.url, token()))
    model = _MODELS[script.name]
    real = _run(play_real(script, served.url, token(), driver, adapter))
    assert problems(script, model) == []
    assert problems(script, real) == []
    assert differences(model, real) == []


def _run(playing: Any) -> Ending:
    with ThreadPoolExecutor(1) as aside:
        ending: Ending = aside.submit(asyncio.run, playing).result()
    return ending
