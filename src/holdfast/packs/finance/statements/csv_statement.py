"""The rows of a CSV file into statements, one for each account in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from holdfast.packs.finance.statements.csv_mapping import CsvMapping
from holdfast.packs.finance.statements.csv_rows import Reader, cell, place
from holdfast.packs.finance.statements.csv_table import Row, Table, find_table
from holdfast.packs.finance.statements.errors import BadCsv, CurrencyUnknown, MixedCurrencies
from holdfast.packs.finance.statements.identity import identify, line
from holdfast.packs.finance.statements.statement import Statement, number_tail

_NOT_POSTED: Final = frozenset(
    {
        "pending",
        "vorgemerkt",
        "reverted",
        "declined",
        "failed",
        "cancelled",
        "canceled",
        "authorized",
        "authorised",
    }
)
_SYMBOLS: Final = {"\u20ac": "EUR", "\u00a3": "GBP"}
_IN_HEADING: Final = re.compile(r"\(([A-Z]{3}|[\u20ac\u00a3])\)|\b([A-Z]{3})\$")


def read_csv(text: str, *, mapping: CsvMapping | None, currency: str | None) -> list[Statement]:
    """The statements of a CSV file; `currency` is taken where neither a column nor a heading says it."""
    table = find_table(text, mapping)
    rows = [row for row in table.rows if _is_transaction(table, row)]
    if foreign := next((row for row in rows if cell(table, row, "foreign")), None):
        raise MixedCurrencies(where=place(table, "foreign", foreign))
    if rows and not any(_has_amount(table, row) for row in rows):
        raise BadCsv("No row has an amount.", where=place(table, "amount"), hint="Look at the mapping.")
    taken = [row for row in rows if _is_posted(table, row) and _has_amount(table, row)]
    reader = Reader.over(table, taken)
    accounts: defaultdict[str, list[Row]] = defaultdict(list)
    for row in taken:
        accounts[cell(table, row, "account")].append(row)
    left_out = len(rows) - len(taken)
    return [
        _statement(reader, account, of_account, currency, 0 if at else left_out)
        for at, (account, of_account) in enumerate(accounts.items() or [("", [])])
    ]


def _is_transaction(table: Table, row: Row) -> bool:
    """Not a note or a total: those fill one cell, or have neither date nor amount."""
    return row.filled() > 1 and (cell(table, row, "date") != "" or _has_amount(table, row))


def _has_amount(table: Table, row: Row) -> bool:
    return any(cell(table, row, field) for field in ("amount", "debit", "credit"))


def _is_posted(table: Table, row: Row) -> bool:
    return not _NOT_POSTED.intersection(cell(table, row, "status").casefold().split())


def _statement(
    reader: Reader, account: str, rows: Sequence[Row], currency: str | None, left_out: int
) -> Statement:
    mapping = reader.table.mapping
    code = _currency(reader.table, rows, currency)
    drafts = [reader.draft(row) for row in rows]
    lines = tuple(
        line(source_id, draft, code) for source_id, draft in zip(identify(drafts), drafts, strict=True)
    )
    return Statement(
        account_type=mapping.account_type,
        currency=code,
        account_number_tail=number_tail(account),
        institution=mapping.institution,
        lines=lines,
        left_out=left_out,
    )


def _currency(table: Table, rows: Sequence[Row], currency: str | None) -> str:
    """From the column, the heading (`Amount (EUR)`, `CAD$`), the caller or the mapping, in this order."""
    cells = {_SYMBOLS.get(text, text.upper()) for row in rows if (text := cell(table, row, "currency"))}
    if len(cells) > 1:
        raise MixedCurrencies(where=place(table, "currency"))
    named = _IN_HEADING.search(table.mapping.amount or "")
    heading = (named[1] or named[2]) if named else ""
    code = (
        next(iter(cells), _SYMBOLS.get(heading, heading)) or currency or table.mapping.default_currency or ""
    )
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise CurrencyUnknown(where=place(table, "currency") if cells else None)
    return code
