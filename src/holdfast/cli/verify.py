"""`holdfast verify`: the deployment does what it says, tried out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli._output import CROSS, TICK, print_json, print_table, progress, say
from holdfast.cli._running import run
from holdfast.cli.settings import AsJson
from holdfast.runtime.settings import load_settings

if TYPE_CHECKING:
    from holdfast.runtime.verify import Result

_MARKS = {"passed": TICK, "failed": CROSS, "not checked": "–"}


def verify(
    url: Annotated[
        str | None, typer.Option(help="The API to try, where it is not the server of this home.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try everything out on throw-away people and tenants, and print the evidence. Exit code 1 where a check fails.

    Leaves nothing behind but one line in the realm's log.
    """
    results = run(_verify(url))
    failed = [result for result in results if result.outcome == "failed"]
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(result) for result in results]})
    else:
        _print(results)
    if failed:
        raise typer.Exit(1)


async def _verify(url: str | None) -> list[Result]:
    from holdfast.runtime.assembly import open_platform
    from holdfast.runtime.verify import verify_platform

    with progress() as steps:
        async with open_platform(load_settings(), checked=False, tell=steps) as platform:
            return await verify_platform(platform, url=url, tell=steps)


def _print(results: list[Result]) -> None:
    rows = [(f"{_MARKS[r.outcome]} {r.name}", f"{r.seconds * 1000:.0f} ms", r.evidence) for r in results]
    print_table(["Check", "Took", "Evidence"], rows)
    count = {outcome: sum(result.outcome == outcome for result in results) for outcome in _MARKS}
    say()
    say(", ".join(f"{number} {outcome}" for outcome, number in count.items()))
