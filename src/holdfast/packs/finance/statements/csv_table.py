"""Find the table in a CSV file: its delimiter, the row of its headings, and the mapping that fits them.

Banks put account names, balances and sentences above the table and notes below it, so neither the delimiter nor the
headings are where one would look first.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from holdfast.packs.finance.statements.csv_mapping import CsvMapping
from holdfast.packs.finance.statements.csv_presets import PRESETS, heading
from holdfast.packs.finance.statements.errors import (
    BadCsv,
    BadMapping,
    NotAStatement,
    StatementError,
    TruncatedStatement,
    UnknownCsv,
)

_DELIMITERS: Final = (",", ";", "\t", "|")
_PREAMBLE: Final = 60
_SENTINEL: Final = "\x1fend"
_BY_NAME: Final = "Say which column is which: --map date=\u2026,amount=\u2026,description=\u2026 (or debit=\u2026,credit=\u2026)."
_BY_NUMBER: Final = "Say which column is which by its number: --map date=#1,amount=#2,description=#3."


@dataclass(frozen=True, slots=True)
class Row:
    """One record; `number` is what a spreadsheet shows beside it."""

    number: int
    cells: Sequence[str]

    def cell(self, column: int) -> str:
        return self.cells[column].strip() if column < len(self.cells) else ""

    def filled(self) -> int:
        return sum(1 for cell in self.cells if cell.strip())

    def headings(self) -> list[str]:
        return [heading(cell) for cell in self.cells]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows below the headings, and where each mapped column is."""

    mapping: CsvMapping
    columns: dict[str, int]
    rows: list[Row]


def find_table(text: str, mapping: CsvMapping | None) -> Table:
    """The table that `mapping` fits, or one of the presets. Raises UnknownCsv, BadMapping, NotAStatement."""
    heads = []
    for delimiter in _delimiters(text, mapping):
        head = list(islice(_records(text, delimiter), (mapping.skip_rows if mapping else 0) + _PREAMBLE))
        found = _mapped(head, mapping) if mapping else _recognised(head)
        if found:
            return _table(text, delimiter, *found)
        heads.append(head)
    widest = max(heads, key=_regularity)
    raise _refusal(widest, mapping)


def _delimiters(text: str, mapping: CsvMapping | None) -> Iterator[str]:
    """The given one; else what the csv module makes of the sample, then the usual ones."""
    if mapping and mapping.delimiter:
        yield mapping.delimiter
        return
    try:
        first = csv.Sniffer().sniff(text[:8192], "".join(_DELIMITERS)).delimiter
    except csv.Error:
        first = ","
    yield first
    yield from (delimiter for delimiter in _DELIMITERS if delimiter != first)


def _records(text: str, delimiter: str) -> Iterator[Row]:
    try:
        for number, record in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1):
            yield Row(number, record)
    except csv.Error:
        raise BadCsv("A field of the table is longer than any bank's.") from None


def _recognised(head: list[Row]) -> tuple[CsvMapping, Row] | None:
    """The first row that holds all headings of a preset, and the preset that asks for most of them."""
    for row in head:
        headings = row.headings()
        fitting = [preset for preset in PRESETS if preset.fits(headings)]
        if fitting:
            return max(fitting, key=lambda preset: len(preset.headings)).mapping, row
    return None


def _mapped(head: list[Row], mapping: CsvMapping) -> tuple[CsvMapping, Row] | None:
    """The row that holds all headings of the mapping; a row of no cells where it goes by numbers alone."""
    columns = mapping.columns().values()
    named = {heading(column) for column in columns if not _number(column)}
    wide = max((_number(column) for column in columns), default=0)
    for row in head[mapping.skip_rows :]:
        if named <= set(row.headings()) and len(row.cells) >= max(wide, 2 if named else 1):
            return mapping, row if named else Row(mapping.skip_rows, ())
    return None


def _number(column: str) -> int:
    """The number of a column that is mapped as `#3`; 0 where it is mapped by its heading."""
    match = re.fullmatch(r"#([1-9][0-9]{0,2})", column)
    return int(match[1]) if match else 0


def _table(text: str, delimiter: str, mapping: CsvMapping, headings: Row) -> Table:
    places = {name: at for at, name in reversed(list(enumerate(headings.headings())))}
    columns = {
        name: _number(column) - 1 if _number(column) else places[heading(column)]
        for name, column in mapping.columns().items()
    }
    ended = f"{text}\n{_SENTINEL}" if not text.endswith("\n") else f"{text}{_SENTINEL}"
    *records, end = _records(ended, delimiter)
    if list(end.cells) != [_SENTINEL]:
        raise TruncatedStatement("A quotation mark is still open at the end of the file.")
    titles = headings.headings()
    rows = [row for row in records[headings.number :] if row.filled() and row.headings() != titles]
    _refuse_cut_end(text, rows)
    return Table(mapping, columns, rows[: len(rows) - mapping.skip_footer])


def _refuse_cut_end(text: str, rows: list[Row]) -> None:
    """A download that broke off ends within a row: no line end, and fewer cells than every other row has."""
    if len(rows) < 2 or text.endswith("\n"):
        return
    *others, last = rows
    is_data = re.match(r"\s*['\"]?[0-9]", last.cells[0]) is not None
    if is_data and len(last.cells) < min(len(row.cells) for row in others):
        raise TruncatedStatement("The table ends in the middle of a row.", where=f"row {last.number}")


def _width(rows: list[Row]) -> int:
    """The width that most rows of several cells have; 0 where there is none."""
    widths = [len(row.cells) for row in rows if len(row.cells) > 1]
    return max(set(widths), key=widths.count, default=0)


def _regularity(rows: list[Row]) -> int:
    """How much of a table these rows are: the cells in rows of the common width."""
    width = _width(rows)
    return width * sum(1 for row in rows if len(row.cells) == width)


def _refusal(rows: list[Row], mapping: CsvMapping | None) -> StatementError:
    if _regularity(rows) < 4:
        return NotAStatement("This is neither OFX nor a table of columns.")
    titles = next((row for row in rows if _are_headings(row, _width(rows))), None)
    if titles is None:
        return UnknownCsv("The table has no headings.", hint=_BY_NUMBER)
    names = [" ".join(cell.split())[:40] for cell in titles.cells[:30] if cell.strip()]
    found = f"Its columns are: {', '.join(names)}."
    if mapping is None:
        return UnknownCsv(f"This is not the file of a bank that is known. {found}", hint=_BY_NAME)
    known = set(titles.headings())
    missing = [
        name for name in mapping.columns().values() if not _number(name) and heading(name) not in known
    ]
    return BadMapping(
        f"The file lacks mapped columns: {', '.join(missing) or 'by number'}. {found}", hint=_BY_NAME
    )


def _are_headings(row: Row, width: int) -> bool:
    """Headings are words, over the width of the table. Nothing else may end up in a message: a row with a number or
    a date in it is data, and a shorter row above the table may name the account's holder.
    """
    cells = [cell.strip() for cell in row.cells if cell.strip()]
    spans = len(row.cells) >= width and len(cells) * 2 > width
    return spans and len(cells) > 1 and not any(re.search(r"[0-9]{2}|[0-9][.,][0-9]", cell) for cell in cells)
