"""The statements of steps, for people to read before they run: carried out on an empty copy of the file, and written down."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from holdfast.engines.port import Control
from holdfast.engines.sqlite import _ddl
from holdfast.engines.sqlite._alter import carry_out
from holdfast.engines.sqlite._fill import Fill
from holdfast.model.steps import Backfill, Step

Raw = sqlite3.Connection
_VERBS = frozenset({"create", "alter", "drop", "update", "insert", "delete"})
_FORCE = Control(force=True)


def review(path: Path, steps: Sequence[Step], before: Sequence[Step] = ()) -> list[str]:
    """A statement or a remark a line, of `steps` once `before` are carried out."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        _copy(path, model)
        for step in before:
            if not isinstance(step, Backfill):
                carry_out(model, step, _FORCE)
        return [line for step in steps for line in (f"-- {step.title}", *_lines(model, step))]


def _copy(path: Path, model: Raw) -> None:
    """What stands in the file, without a row."""
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as raw:
        texts = raw.execute(
            "select sql from sqlite_schema where sql is not null order by type <> 'table', rowid"
        )
        for (text,) in texts:
            model.execute(text)
    for text in _ddl.medium():
        model.execute(text)
    model.execute("update holdfast__medium set flush = 1")


def _lines(model: Raw, step: Step) -> Iterator[str]:
    if isinstance(step, Backfill):
        yield "-- in batches by the key, each a transaction of its own"
        yield Fill(model, step).text
        return
    said: list[str] = []
    model.set_trace_callback(said.append)
    try:
        carry_out(model, step, _FORCE)
    finally:
        model.set_trace_callback(None)
    for text in said:
        if text.partition(" ")[0].lower() in _VERBS and not text.endswith("where false"):
            yield text
