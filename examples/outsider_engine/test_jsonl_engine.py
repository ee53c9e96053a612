"""The engine under Holdfast's conformance suite: how it is made, and two ways past it into its file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from holdfast.engines.port import Batch, Engine, EntitySchema, Row, RowWrite, Step
from holdfast.model.plain import decode_row
from holdfast.testing.conformance import EngineConformance, Harness, raw_tenant
from jsonl_engine import JsonlEngine
from jsonl_engine.lines import line_of


class JsonlHarness(Harness):
    """A file for each engine."""

    lock_timeout = 2.0  # a disk that others use too may be slow

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def make_engine(self, steps: Sequence[Step]) -> Engine:
        path = self._folder / f"{uuid4()}.jsonl"
        engine = JsonlEngine.open(path, lock_timeout=self.lock_timeout)
        if steps:
            await engine.apply(steps, revision="kit", checksum="kit")
        return engine

    async def plant_raw(self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row) -> None:
        assert isinstance(engine, JsonlEngine)
        planted = Batch([RowWrite(schema, row["id"], row, 0, bytes(16))])
        line = line_of(raw_tenant(schema, tenant_id), [planted])
        engine.journal.append(line)
        engine.replay(line)

    async def peek_raw(
        self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row_id: UUID
    ) -> Mapping[str, Any] | None:
        assert isinstance(engine, JsonlEngine)
        tenant, wanted = str(raw_tenant(schema, tenant_id)), [schema.name, str(row_id)]
        found = None
        with engine.journal.path.open("rb") as file:
            for line in (json.loads(text) for text in file if str(row_id).encode() in text):
                if line.get("tenant") == tenant:
                    found = next((row for *key, row, _ in line["writes"] if key == wanted), found)
        return None if found is None else decode_row(schema, found)


class TestJsonl(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Iterator[Harness]:
        with tempfile.TemporaryDirectory() as folder:
            yield JsonlHarness(Path(folder))
