"""One random history, carried out on every engine, ends in the same bytes: rows, salts, log, history, tombstones."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from holdfast.changes.change import Change, canonical
from holdfast.engines.port import Engine
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.testing.conformance import Harness, first_revision
from holdfast.testing.conformance.entities import CATALOG
from holdfast.testing.memory import MemoryHarness
from tests.conformance.postgres import PostgresHarness
from tests.conformance.sqlite import SqliteHarness
from tests.machines import examples, repeatable
from tests.property.store_steps import Step, commits, first_rows
from tests.property.test_store_machine import Salts, Side, told

_numbers = itertools.count(1_000_000)
History = list[tuple[str, list[Step]]]


class Engines:
    """One of each, on one event loop."""

    def __init__(self, harnesses: list[Harness]) -> None:
        self.runner = asyncio.Runner()
        steps = first_revision(CATALOG)
        self.made: list[tuple[Harness, Engine]] = [
            (harness, self.runner.run(harness.make_engine(steps))) for harness in harnesses
        ]

    def digest(self, harness: Harness, engine: Engine, history: History, example: int) -> dict[str, str]:
        """What a store holds after the history, in two tenants."""
        side, salts = Side(harness, engine, example), Salts()
        self.runner.run(side.make_people())
        with patch("holdfast.store._prepare.new_salt", salts):
            for step, (name, writes) in enumerate([*first_rows(), *history]):
                salts.begin(step)
                self.runner.run(told(side.commit(name, writes)))
        return {
            name: hashlib.sha256(
                repr(_plain(self.runner.run(side.state(name, after=0)))).encode()
            ).hexdigest()
            for name in ("everyone", "strangers")
        }

    def close(self) -> None:
        for harness, engine in self.made:
            self.runner.run(harness.close(engine))
        self.runner.close()


def _plain(value: Any) -> Any:
    """Plain bytes of whatever a state holds: a driver's own types are none of a value."""
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in sorted(value.items())}
        case list() | tuple():
            return [_plain(item) for item in value]
        case Change():
            return value.digest()
        case bytes() | int() | None:
            return value
        case _ if hasattr(value, "__dataclass_fields__"):
            return [item if isinstance(item, bytes) else canonical(str(item)) for item in astuple(value)]
        case _:
            return canonical(value)


@pytest.fixture
def engines(wheel_server: EmbeddedServer, tmp_path: Path) -> Iterator[Engines]:
    made = Engines([MemoryHarness(), SqliteHarness(tmp_path), PostgresHarness(wheel_server)])
    yield made
    made.close()


def test_every_engine_ends_in_the_same_bytes(engines: Engines) -> None:
    @settings(
        max_examples=examples(25),
        deadline=None,
        derandomize=repeatable(),
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(history=st.lists(commits(most=3), min_size=5, max_size=15))
    def carried_out(history: History) -> None:
        example = next(_numbers)
        digests = [engines.digest(harness, engine, history, example) for harness, engine in engines.made]
        assert digests[1:] == digests[:-1]

    carried_out()
