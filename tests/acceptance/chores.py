"""Jobs that leave traces in the working directory: copied into a deployment as its pack."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from holdfast import Every, Job, JobContext, Pack

STEPS = 40


async def count(context: JobContext) -> dict[str, Any]:
    """One line a run. Two at once would find the other's file."""
    try:
        os.close(os.open("count.busy", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        Path("count.overlap").touch()
    await asyncio.sleep(0.1)
    with Path("count.log").open("a") as log:
        log.write(f"{context.fence}\n")
    Path("count.busy").unlink(missing_ok=True)
    return {"fence": context.fence}


async def climb(context: JobContext) -> dict[str, Any]:
    """Step by step, once it is wanted, going on where an earlier run stopped."""
    if not Path("climb.wanted").exists():
        return {"steps": 0}
    first = context.checkpoint.get("step", 0)
    for step in range(first, STEPS):
        with Path("climb.log").open("a") as log:
            log.write(f"{step} {os.getpid()}\n")
        await asyncio.sleep(0.04)
        await context.save({"step": step + 1})
    Path("climb.wanted").unlink()
    return {"steps": STEPS, "first": first}


async def linger(context: JobContext) -> dict[str, Any]:
    """As long as it must."""
    Path("linger.begun").touch()
    while Path("linger.wanted").exists():
        await asyncio.sleep(0.02)
    return {}


async def block(context: JobContext) -> None:
    """What no job may do."""
    import time

    if Path("block.wanted").exists():
        Path("block.wanted").unlink()
        time.sleep(60)


async def fail(context: JobContext) -> None:
    """What a job may do by mistake."""
    raise ValueError("a value of somebody's")


SECOND = Every(timedelta(seconds=1))
SELDOM = Every(timedelta(days=1))
PACK = Pack(
    "chores",
    (),
    jobs=(
        Job("count", count, SECOND, "Counts."),
        Job("climb", climb, SECOND, "Climbs."),
        Job("linger", linger, SELDOM, "Lingers."),
        Job("block", block, SECOND, "Blocks."),
        Job("fail", fail, SELDOM, "Fails."),
    ),
)
