"""Applies steps to a database and kills itself on the way: `python victim.py PLACE STEPS COUNT up|down`.

PLACE and STEPS are JSON files: the logins of a PostgreSQL database, or the path of a SQLite file. It dies, as by kill -9, right
before the act with this number is carried out, counted from where it took over, on SQLite within the transaction of every other
step, before and behind what it does; or in the middle of a fill, after a few batches.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from holdfast.engines.port import Control, Engine
from holdfast.engines.postgres import _migrator
from holdfast.engines.postgres._names import Roles
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import Logins
from holdfast.engines.sqlite import _migrator as sqlite_migrator
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.model.steps import checksum, restore_step

BATCHES = 4


def main(place: str, steps: str, when: str, way: str) -> None:
    given = json.loads(Path(place).read_text())
    made = [restore_step(plain) for plain in json.loads(Path(steps).read_text())]
    batches = [BATCHES]
    control = Control(progress=lambda *_: die_in_a_fill(batches))
    asyncio.run(work(given, made, int(when), way, control))


async def work(given: Any, steps: Any, when: int, way: str, control: Control) -> None:
    engine: Engine
    if isinstance(given, str):
        die_around_steps(when)
        engine = await SqliteEngine.open(Location(Path(given)))
    else:
        die_between_acts(when)
        engine = PostgresEngine(Logins(**{**given, "roles": Roles(**given["roles"])}))
    if way == "up":
        await engine.apply(steps, revision="app_0009", checksum=checksum(steps), control=control)
    else:
        await engine.revert(steps, revision="app_0009", control=control)


def die_between_acts(left: int) -> None:
    carry_out = _migrator.Migrator._act
    acts = itertools.count()

    async def act(self: Any, act: Any, place: int) -> None:
        if next(acts) == left:
            die()
        await carry_out(self, act, place)

    _migrator.Migrator._act = act  # type: ignore[method-assign]
    _migrator._FIRST_BATCH = _migrator._MOST_BATCH = 20


def die_around_steps(left: int) -> None:
    module: Any = sqlite_migrator
    carry_out = module.carry_out
    moments = itertools.count()

    def carried(*arguments: Any) -> None:
        if next(moments) == left:
            die()
        carry_out(*arguments)
        if next(moments) == left:
            die()

    module.carry_out = carried
    module._FIRST_BATCH = module._MOST_BATCH = 20


def die_in_a_fill(batches: list[int]) -> None:
    batches[0] -= 1
    if batches[0] < 0:
        die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
