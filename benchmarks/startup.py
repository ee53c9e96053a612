"""`python -m benchmarks.startup`: how long an import, a start and a migration take.

An import is that of a fresh interpreter, less the interpreter's own start. A start is `holdfast up --detach`, from nothing and once
more. A migration makes so many entities in an empty database, in one revision.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from benchmarks.errors import BenchmarkError
from benchmarks.postgres import start_postgres
from holdfast.engines.port import Engine
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import new_passwords, provision
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength
from holdfast.model.pack import Pack
from holdfast.model.policies import Index, Shared, Synced
from holdfast.runtime.packs import catalog_of, own_packs
from holdfast.testing.conformance import first_revision

TIMES = 7
SIZES = (10, 100, 1_000)
BEGIN, END = "<!-- benchmark: startup -->", "<!-- end of benchmark: startup -->"
IMPORTS = ("holdfast", "holdfast.client", "from holdfast import Entity, Owned, Pack", "holdfast.api")


def import_seconds(what: str) -> float:
    """Median over fresh interpreters."""
    statement = what if what.startswith("from ") else f"import {what}"
    return _median_run(statement) - _median_run("pass")


def _median_run(statement: str) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def start_seconds(folder: Path, url: str | None) -> tuple[float, float]:
    """From nothing, and once more on what stands."""
    settings = {
        "HOLDFAST_HOME": str(folder / "home"),
        "HOLDFAST_PORT": "0",
        **({"DATABASE_URL": url} if url else {}),
    }
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        _holdfast(folder, settings, "up", "--detach")
        taken.append(time.perf_counter() - began)
        _holdfast(folder, settings, "stop")
    return taken[0], taken[1]


def _holdfast(folder: Path, settings: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "holdfast.cli", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"`holdfast {arguments[0]}` failed: {done.stderr.strip()[-300:]}")


def pack_of(count: int) -> Pack:
    """A pack of so many entities, alike but for their names."""
    return Pack(name="many", entities=tuple(_entity(number) for number in range(count)))


def _entity(number: int) -> type[Entity]:
    class Thing(Entity, table=f"things_{number}", policies=(Shared(), Synced(), Index("name"))):
        """One of many."""

        name: Annotated[str, MaxLength(200)]
        text: str = ""
        amount: int = 0
        done: bool = False

    return Thing


async def migration_seconds(engine: Engine, count: int) -> float:
    """One revision that makes so many entities, and the engine's own tables."""
    steps = first_revision(catalog_of([*own_packs(), pack_of(count)]))
    began = time.perf_counter()
    await engine.apply(steps, revision="many_0001", checksum="-")
    return time.perf_counter() - began


async def migrations(folder: Path) -> dict[str, list[float]]:
    """Seconds for each size, by engine."""
    found: dict[str, list[float]] = {"postgresql": [], "sqlite": []}
    with start_postgres(folder / "postgres") as server:
        for count in SIZES:
            logins = await provision(server.admin_url, database=f"many_{count}", passwords=new_passwords())
            engine = await PostgresEngine.open(logins)
            found["postgresql"].append(await migration_seconds(engine, count))
            await engine.aclose()
    for count in SIZES:
        file = await SqliteEngine.open(Location(folder / f"many_{count}.db"))
        found["sqlite"].append(await migration_seconds(file, count))
        await file.aclose()
    return found


def measure(folder: Path) -> str:
    """The tables."""
    lines = ["Made by `python -m benchmarks.startup`.", "", "| | ms |", "|---|---:|"]
    lines += [f"| `{_named(what)}` | {import_seconds(what) * 1e3:.0f} |" for what in IMPORTS]
    lines += ["", "| `holdfast up --detach`, s | from nothing | once more |", "|---|---:|---:|"]
    for name, url in (("postgresql, embedded", None), ("sqlite", "sqlite:///start.db")):
        own = folder / name.partition(",")[0]
        own.mkdir()
        first, again = start_seconds(own, url)
        lines.append(f"| {name} | {first:.1f} | {again:.1f} |")
    heads = " | ".join(f"{size:,} entities" for size in SIZES)
    lines += ["", f"| a migration, s | {heads} |", "|---|" + "---:|" * len(SIZES)]
    place = folder / "migrations"
    place.mkdir()
    for name, taken in asyncio.run(migrations(place)).items():
        lines.append(f"| {name} | {' | '.join(f'{seconds:.2f}' for seconds in taken)} |")
    return "\n".join(lines) + "\n"


def _named(what: str) -> str:
    return what if what.startswith("from ") else f"import {what}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--write", type=Path, help="a Markdown file for the tables, between its markers")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="holdfast-benchmark-") as folder:
        text = measure(Path(folder))
    sys.stdout.write(text)
    if chosen.write is not None:
        head, begin, rest = chosen.write.read_text(encoding="utf-8").partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not (begin and end):
            raise BenchmarkError(f"{chosen.write.name} has no place for the tables: {BEGIN} and then {END}")
        chosen.write.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
