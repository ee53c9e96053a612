"""Applies steps to a database and kills itself on the way: `python victim.py LOGINS STEPS COUNT up|down`.

LOGINS and STEPS are JSON files. It dies, as by kill -9, right before the act with this number is carried out, counted from
where it took over; or in the middle of a fill, after a few batches.
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

from holdfast.engines.port import Control
from holdfast.engines.postgres import _migrator
from holdfast.engines.postgres._names import Roles
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import Logins
from holdfast.model.steps import checksum, restore_step

BATCHES = 4


def main(logins: str, steps: str, when: str, way: str) -> None:
    given = json.loads(Path(logins).read_text())
    made = [restore_step(plain) for plain in json.loads(Path(steps).read_text())]
    die_between_acts(int(when))
    batches = [BATCHES]
    database = PostgresEngine(Logins(**{**given, "roles": Roles(**given["roles"])}))
    control = Control(progress=lambda *_: die_in_a_fill(batches))
    if way == "up":
        asyncio.run(database.apply(made, revision="app_0009", checksum=checksum(made), control=control))
    else:
        asyncio.run(database.revert(made, revision="app_0009", control=control))


def die_between_acts(left: int) -> None:
    carry_out = _migrator.Migrator._act
    acts = itertools.count()

    async def act(self: Any, act: Any, place: int) -> None:
        if next(acts) == left:
            die()
        await carry_out(self, act, place)

    _migrator.Migrator._act = act  # type: ignore[method-assign]
    _migrator._FIRST_BATCH = _migrator._MOST_BATCH = 20


def die_in_a_fill(batches: list[int]) -> None:
    batches[0] -= 1
    if batches[0] < 0:
        die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
