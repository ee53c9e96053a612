"""`python -m benchmarks.engines`: put, get, list, batch and pull: by hand, through the port, through a session.

The port is the engine alone, what it writes made beforehand: it shows what the engine costs beyond its statements. A session
validates, plans, keeps versions, commits to values and groups flushes as well, none of which the reference does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from benchmarks.engines import postgres_by_hand, sqlite_by_hand
from benchmarks.errors import BenchmarkError
from benchmarks.machine import machine_facts
from benchmarks.postgres import start_postgres
from holdfast.changes.change import Operation
from holdfast.engines.port import Batch, Capability, Engine, ListPlan, PlannedWrite, Selection, WritePlan
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import new_passwords, provision
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.model.pack import Pack
from holdfast.model.query import Query
from holdfast.runtime.packs import catalog_of, own_packs
from holdfast.store._plan import FlushPlan, plan_write
from holdfast.store._prepare import prepare_create
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance import first_revision
from holdfast.testing.conformance.entities import Board
from holdfast.testing.members import new_household

ROUNDS, ROWS, CALLS, PUTS, PAGE, BATCH = 5, 20_000, 2_000, 200, 100, 1_000
NAME = "a board with a name of ordinary length"
ROW_OF_A_BATCH = f"row of a batch of {BATCH}"
PREPARED = {"put": (PUTS, 1), ROW_OF_A_BATCH: (1, BATCH)}
"""How many flushes of how many rows the port writes."""
TARGETS = ("by hand", "port", "session")
BEGIN, END = "<!-- benchmark: engines -->", "<!-- end of benchmark: engines -->"
CATALOG = catalog_of([*own_packs(), Pack(name="kit", entities=(Board,))])
BOARD = CATALOG.schema(Board)
SECRET = b"a benchmark's"

Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over the rounds, microseconds for each call, or for each row where rows are what counts."""

    engine: str
    operation: str
    target: str
    wall: float
    cpu: float


class Hand(Protocol):
    """The statements by hand."""

    async def get(self, row_id: UUID) -> object: ...
    async def list(self, limit: int) -> object: ...
    async def put(self, rows: Sequence[tuple[str, str, int]]) -> None: ...
    async def pull(self) -> object: ...
    async def close(self) -> None: ...


class Bench:
    """A medium with rows in it, and the three ways to it."""

    def __init__(self, engine: Engine, scope: Scope, hand: Hand, rows: int) -> None:
        self._engine, self._scope = engine, scope
        self._store = Store(engine, CATALOG, cursor_secret=SECRET)
        self._plans = Capability.PLANS in engine.capabilities
        self.hand = hand
        self._ids: list[UUID] = []
        self._rows = rows
        self._shelf = 0
        self._batches: list[Batch | WritePlan] = []

    async def fill(self) -> None:
        boards = [Board(name=NAME, shelf=f"s{n}", label="l", position=n) for n in range(self._rows)]
        for start in range(0, self._rows, BATCH):
            async with self._store.session(self._scope) as s:
                await s.batch(boards[start : start + BATCH])
        self._ids = [board.id for board in boards]

    def _new(self, count: int) -> list[tuple[str, str, int]]:
        self._shelf += count
        return [(NAME, f"n{self._shelf - n}", n) for n in range(count)]

    def operations(self) -> dict[str, tuple[int, dict[str, Work]]]:
        """Each operation: by how much its time is divided, and how each target does all of it."""
        return {
            "get": (CALLS, {"by hand": self._hand_get, "port": self._port_get, "session": self._session_get}),
            f"list of {PAGE}": (
                PUTS,
                {"by hand": self._hand_list, "port": self._port_list, "session": self._session_list},
            ),
            "put": (PUTS, {"by hand": self._hand_put, "port": self._port_put, "session": self._session_put}),
            ROW_OF_A_BATCH: (
                BATCH,
                {
                    "by hand": lambda: self.hand.put(self._new(BATCH)),
                    "port": self._port_put,
                    "session": lambda: self._session_write(BATCH),
                },
            ),
            "row of a pull": (self._rows, {"by hand": self.hand.pull, "port": self._port_pull}),
        }

    # -- by hand ------------------------------------------------------------------------------------------------------

    async def _hand_get(self) -> None:
        for row_id in self._ids[:CALLS]:
            await self.hand.get(row_id)

    async def _hand_list(self) -> None:
        for _ in range(PUTS):
            await self.hand.list(PAGE)

    async def _hand_put(self) -> None:
        for _ in range(PUTS):
            await self.hand.put(self._new(1))

    # -- through the port ---------------------------------------------------------------------------------------------

    async def _port_get(self) -> None:
        for row_id in self._ids[:CALLS]:
            async with self._engine.begin(self._scope, read_only=True) as tx:
                await tx.get(BOARD, row_id)

    async def _port_list(self) -> None:
        for _ in range(PUTS):
            if self._plans:
                await self._engine.run(self._scope, ListPlan(BOARD, PAGE, None))
                continue
            async with self._engine.begin(self._scope, read_only=True) as tx:
                await tx.query(Query(BOARD, limit=PAGE))

    async def prepare(self, count: int, rows: int) -> None:
        """Make what the port is to write: `count` flushes of `rows` rows."""
        async with self._engine.begin(self._scope, read_only=True) as tx:
            head = (await tx.marks()).head
        self._batches = []
        plan = FlushPlan(head)
        for _ in range(count):
            boards = [Board(name=a, shelf=b, label="l", position=n) for a, b, n in self._new(rows)]
            planned = [self._planned(board) for board in boards]
            if self._plans:
                self._batches.append(WritePlan(BOARD, Operation.CREATE, planned))
                continue
            plan = FlushPlan(plan.head)
            for item in planned:
                plan_write(plan, item, None)
            writes = [write for _, run in plan.take_writes() for write in run]
            self._batches.append(Batch(writes, plan.log(), head=plan.head))

    def _planned(self, board: Board) -> PlannedWrite:
        write = prepare_create(self._scope, BOARD, board, self._engine.limits)
        return PlannedWrite(write, self._scope, datetime.now(UTC))

    async def _port_put(self) -> None:
        for batch in self._batches:
            if isinstance(batch, WritePlan):
                await self._engine.run(self._scope, batch)
                continue
            async with self._engine.begin(self._scope) as tx:
                await tx.lock()
                await tx.write(batch)

    async def _port_pull(self) -> None:
        async with self._engine.begin(self._scope, read_only=True) as tx:
            async for _ in tx.stream(Selection(BOARD)):
                pass

    # -- through a session --------------------------------------------------------------------------------------------

    async def _session_get(self) -> None:
        for row_id in self._ids[:CALLS]:
            async with self._store.session(self._scope) as s:
                await s.get(Board, row_id)

    async def _session_list(self) -> None:
        for _ in range(PUTS):
            await self._store.read_bodies(self._scope, BOARD, {}, limit=PAGE)

    async def _session_put(self) -> None:
        for _ in range(PUTS):
            await self._session_write(1)

    async def _session_write(self, count: int) -> None:
        boards = [Board(name=name, shelf=shelf, label="l", position=n) for name, shelf, n in self._new(count)]
        async with self._store.session(self._scope) as s:
            await s.batch(boards)


async def measure(bench: Bench, name: str, *, rounds: int) -> list[Figure]:
    """Every operation by every target, in turn, round after round, on one medium."""
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    await bench.fill()
    for _ in range(rounds):
        for operation, (count, targets) in bench.operations().items():
            for target, work in targets.items():
                if target == "port":
                    await bench.prepare(*PREPARED.get(operation, (0, 0)))
                wall, cpu = time.perf_counter(), time.process_time()
                await work()
                spent = time.perf_counter() - wall, time.process_time() - cpu
                taken.setdefault((operation, target), []).append((spent[0] / count, spent[1] / count))
    return [
        Figure(name, *key, *(statistics.median(column) * 1e6 for column in zip(*values, strict=True)))
        for key, values in taken.items()
    ]


@asynccontextmanager
async def sqlite_bench(folder: Path, rows: int) -> AsyncIterator[Bench]:
    """A new file."""
    engine = await SqliteEngine.open(Location(folder / "benchmark.db"))
    try:
        scope = await new_member(engine)
        assert scope.user_id is not None
        hand = sqlite_by_hand.ByHand(engine.path, scope.tenant_id, scope.user_id)
        yield Bench(engine, scope, hand, rows)
        await hand.close()
    finally:
        await engine.aclose()


@asynccontextmanager
async def postgres_bench(folder: Path, rows: int) -> AsyncIterator[Bench]:
    """A new server, durable as in production."""
    with start_postgres(folder / "postgres") as server:
        logins = await provision(server.admin_url, database="benchmark", passwords=new_passwords())
        engine = await PostgresEngine.open(logins)
        try:
            scope = await new_member(engine)
            hand = await postgres_by_hand.ByHand.open(logins.runtime, BOARD, scope)
            yield Bench(engine, scope, hand, rows)
            await hand.close()
        finally:
            await engine.aclose()


async def new_member(engine: Engine) -> Scope:
    """Tables, and a tenant with a member; whose scope it is."""
    await engine.apply(first_revision(CATALOG), revision="benchmark", checksum="-")
    household = new_household("member")
    store = Store(engine, CATALOG, cursor_secret=SECRET)
    async with store.session(Scope.realm(reason="a benchmark")) as s:
        await s.batch(household.rows)
    return household.scopes[0]


ENGINES = {"postgresql": postgres_bench, "sqlite": sqlite_bench}


async def run(names: Sequence[str], folder: Path, *, rounds: int, rows: int) -> list[Figure]:
    """The figures of each engine."""
    figures: list[Figure] = []
    for name in names:
        async with ENGINES[name](folder, rows) as bench:
            figures += await measure(bench, name, rounds=rounds)
    return figures


def markdown(figures: Sequence[Figure], facts: dict[str, str]) -> str:
    """The figures as a table for each engine, with the command that made them."""
    machine = ", ".join(f"{name} {value}" for name, value in facts.items())
    lines = [f"Made by `python -m benchmarks.engines` on: {machine}."]
    for engine in dict.fromkeys(figure.engine for figure in figures):
        mine = [figure for figure in figures if figure.engine == engine]
        lines += [
            f"\n**{engine}**\n",
            "| µs, wall (CPU) | " + " | ".join(TARGETS) + " | wall: port ÷ by hand | session ÷ by hand |",
            "|---|" + "---:|" * (len(TARGETS) + 2),
        ]
        for operation in dict.fromkeys(figure.operation for figure in mine):
            found = {figure.target: figure for figure in mine if figure.operation == operation}
            shown = [f"{found[t].wall:.1f} ({found[t].cpu:.1f})" if t in found else "" for t in TARGETS]
            hand = found["by hand"].wall
            ratios = [f"{found[t].wall / hand:.2f}" if t in found else "" for t in TARGETS[1:]]
            lines.append(f"| {operation} | {' | '.join([*shown, *ratios])} |")
    return "\n".join(lines) + "\n"


def write(text: str, path: Path) -> None:
    """Put the table between its markers. Raises BenchmarkError where the file has none."""
    head, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"{path.name} has no place for the table: {BEGIN} and then {END}")
    path.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--write", type=Path, help="a Markdown file for the table, between its markers")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="holdfast-benchmark-") as folder:
        facts = machine_facts(Path(folder))
        figures = asyncio.run(run(chosen.engines, Path(folder), rounds=chosen.rounds, rows=chosen.rows))
    text = markdown(figures, facts)
    sys.stdout.write(text)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    if chosen.write is not None:
        write(text, chosen.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
