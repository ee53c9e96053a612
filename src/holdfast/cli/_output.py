"""What the commands print: results on standard output, progress and errors on standard error, colour on terminals only."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from holdfast.errors import HoldfastError, InvalidInput

TICK, CROSS = "✓", "✗"
_WIDE = 100_000
"""What is read by a program is not wrapped."""


def out() -> Console:
    """Standard output as it is now: tests exchange it."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def err() -> Console:
    """Standard error as it is now."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDE)


def say(text: str = "") -> None:
    """A line of the result, as it is: no markup, no wrapping."""
    print(text, flush=True)


def note(text: str) -> None:
    """A line for people, beside the result."""
    err().print(escape(text))


def print_json(value: Any) -> None:
    """The result for programs."""
    say(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The result as a table; without headings where all are empty. Nothing is cut off: what is long is folded."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    console = out()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        say(line.rstrip())


def print_error(error: HoldfastError) -> None:
    """Code, message, hint. Never a traceback."""
    console = err()
    where = f" ({error.where})" if error.where else ""
    console.print(f"[bold red]{escape(f'[{error.code}]')}[/] {escape(error.message + where)}")
    if isinstance(error, InvalidInput):
        for name, problem in error.fields.items():
            console.print(f"  {escape(name)}: {escape(problem)}")
    if error.hint:
        console.print(f"  Hint: {escape(error.hint)}")


class Progress:
    """What is going on, step by step, on standard error. A call begins the next step and ends the one before."""

    def __init__(self) -> None:
        self._console = err()
        self._status: Status | None = None
        self._doing: str | None = None
        self._since = 0.0

    def __call__(self, doing: str) -> None:
        self.done()
        self._doing, self._since = doing, time.monotonic()
        if self._console.is_terminal:
            self._status = self._console.status(escape(doing))
            self._status.start()
        else:
            self._console.print(escape(doing))

    def bar(self, done: int, of: int) -> None:
        """How far the step has come, in rows."""
        if self._status is not None and self._doing is not None and time.monotonic() - self._since > 1:
            share = min(done / of, 1.0) if of else 0.0
            self._status.update(f"{escape(self._doing)} {share:.0%} ({done:,} of about {of:,} rows)")

    def done(self) -> None:
        """The step has succeeded."""
        doing, seconds = self._doing, time.monotonic() - self._since
        self.stop()
        if doing is not None and self._console.is_terminal:
            took = f" [dim]{seconds:.1f} s[/]" if seconds >= 0.1 else ""
            self._console.print(f"[green]{TICK}[/] {escape(doing)}{took}")

    def stop(self) -> None:
        """No more to show, whatever became of the step."""
        if self._status is not None:
            self._status.stop()
        self._status = self._doing = None


@contextmanager
def progress() -> Iterator[Progress]:
    """Show steps while the block runs."""
    steps = Progress()
    try:
        yield steps
        steps.done()
    finally:
        steps.stop()
