"""`python -m benchmarks.tokens`: what checking an access token costs, new to the process and known to it.

A new token has its signature verified and its session, person and membership read in one round trip; a known one is found
by its SHA-256 for at most five seconds. The reference is the bare signature check of the same tokens in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import jwt

from benchmarks.errors import BenchmarkError

TOKENS = 1_000
ROUNDS = 5
BEGIN, END = "<!-- benchmark: tokens -->", "<!-- end of benchmark: tokens -->"


async def cpu_per_call(call: Callable[[str], Awaitable[object]], arguments: Sequence[str]) -> float:
    """CPU seconds of this process for each call, one after another."""
    began = time.process_time()
    for argument in arguments:
        await call(argument)
    return (time.process_time() - began) / len(arguments)


async def measure() -> dict[str, float]:
    """Microseconds of CPU a check, medians over rounds: `signature`, `new` and `known`."""
    from holdfast.runtime.assembly import open_platform
    from holdfast.runtime.secrets import load_secrets

    async with open_platform(make=True) as platform:
        accounts = platform.accounts
        await accounts.add_user("tokens@example.com", "Tokens", "a quiet evening at home")
        owner = await accounts.authenticate(
            (await accounts.login("tokens@example.com", "a quiet evening at home")).access_token
        )
        tenant = owner.tenant_id
        key = load_secrets(platform.settings.home).signing_key.verifying.public
        taken: dict[str, list[float]] = {"signature": [], "new": [], "known": []}
        for _ in range(ROUNDS):
            tokens = [(await accounts.switch(owner, tenant)).access_token for _ in range(TOKENS)]
            began = time.process_time()
            for token in tokens:
                jwt.decode(token, key, algorithms=["ES256"], options={"verify_aud": False})
            taken["signature"].append((time.process_time() - began) / TOKENS)
            for name in ("new", "known"):
                taken[name].append(await cpu_per_call(accounts.authenticate, tokens))
    return {name: statistics.median(values) * 1e6 for name, values in taken.items()}


def markdown(figures: dict[str, float]) -> str:
    """The figures as a table, with the command that made them."""
    rows = (
        ("the bare signature, checked by the library", "signature"),
        ("a token new to the process", "new"),
        ("a token known to it", "known"),
    )
    lines = [f"| {title} | {figures[name]:.1f} |" for title, name in rows]
    head = f"`python -m benchmarks.tokens`, {TOKENS} tokens, medians of {ROUNDS} rounds.\n"
    return "\n".join([head, "| Checking an access token | µs CPU |", "|---|---|", *lines]) + "\n"


def write(text: str, path: Path) -> None:
    """Put the table between its markers. Raises BenchmarkError where the file has none."""
    head, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"{path.name} has no place for the table: {BEGIN} and then {END}")
    path.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokens", description=__doc__)
    parser.add_argument(
        "--write", type=Path, help="a Markdown file to put the table into, between its markers"
    )
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="holdfast-benchmark-") as home:
        os.environ["HOLDFAST_HOME"] = home
        text = markdown(asyncio.run(measure()))
    sys.stdout.write(text)
    if chosen.write is not None:
        write(text, chosen.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
