"""One row of a CSV file into a draft, with what only the whole file can tell: the form of dates and amounts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from holdfast.packs.finance.statements.amounts import DecimalSign, cents, likely_sign, parse_amount
from holdfast.packs.finance.statements.csv_table import Row, Table
from holdfast.packs.finance.statements.dates import parse_day, possible_orders
from holdfast.packs.finance.statements.errors import BadCsv
from holdfast.packs.finance.statements.identity import Draft
from holdfast.packs.finance.statements.ofx_fields import clean

_AMOUNTS: Final = ("amount", "debit", "credit", "fee")
_OUT: Final = frozenset(
    {"debit", "d", "dr", "out", "af", "s", "soll", "-", "withdrawal", "d\u00e9bit", "debet"}
)
_IN: Final = frozenset({"credit", "c", "cr", "in", "bij", "h", "haben", "+", "deposit", "cr\u00e9dit"})

_HINTS: Final = {
    "date": "If this row is a note or a heading, leave it out with skip_rows or skip_footer.",
    "amount": "Look at the mapping: a decimal sign is said with decimal=comma or decimal=point.",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows of one table. `flipped` are the debit and credit columns whose numbers carry a minus."""

    table: Table
    form: str
    sign: DecimalSign | None
    flipped: frozenset[str]

    @classmethod
    def over(cls, table: Table, rows: Sequence[Row]) -> Reader:
        """Decide, from all rows, what one row cannot tell."""
        sign = likely_sign(cell(table, row, field) for row in rows for field in _AMOUNTS)
        return cls(table, _date_form(table, rows), sign, _flipped(table, rows))

    def draft(self, row: Row) -> Draft:
        """Raises BadCsv with the row and the column, never with what is in it."""
        amount = self._amount(row)
        merchant = self._merchant(row, amount)
        return Draft(
            posted=self._day(row),
            amount=amount,
            description=self._description(row, merchant) or merchant or "Transaction",
            merchant=merchant,
            category=clean(cell(self.table, row, "category")),
            bank_id=clean(cell(self.table, row, "id")),
        )

    def _merchant(self, row: Row, amount: Decimal) -> str | None:
        payer = clean(cell(self.table, row, "payer")) if amount > 0 else None
        return payer or clean(cell(self.table, row, "merchant"))

    def _description(self, row: Row, merchant: str | None) -> str:
        """The mapped columns, joined, without what is empty, a lone dash or already said."""
        parts: list[str] = []
        for field, column in self.table.columns.items():
            if not field.startswith("description"):
                continue
            text = (
                merchant
                if column == self.table.columns.get("merchant")
                else clean(cell(self.table, row, field))
            )
            said = any((text or "").casefold() in part.casefold() for part in parts)
            if text and any(map(str.isalnum, text)) and not said:
                parts.append(text)
        return " - ".join(parts)

    def _day(self, row: Row) -> date:
        try:
            return parse_day(cell(self.table, row, "date"), form=self.form)
        except ValueError as error:
            raise _bad(self.table, row, "date", str(error)) from None

    def _amount(self, row: Row) -> Decimal:
        """Money that leaves is negative, whichever way the bank says it."""
        if self.table.mapping.amount is not None:
            amount = self._directed(row, self._number(row, "amount"))
        else:
            amount = self._number(row, "credit") - self._number(row, "debit")
        amount = -amount if self.table.mapping.invert_sign else amount
        return amount - abs(self._number(row, "fee"))

    def _number(self, row: Row, field: str) -> Decimal:
        text = cell(self.table, row, field)
        if not text:
            return Decimal("0.00")
        try:
            number = cents(parse_amount(text, decimal=self.table.mapping.decimal, likely=self.sign))
        except ValueError as error:
            raise _bad(self.table, row, field, str(error)) from None
        return -number if field in self.flipped else number

    def _directed(self, row: Row, amount: Decimal) -> Decimal:
        if self.table.mapping.direction is None:
            return amount
        word = "".join(cell(self.table, row, "direction").split()).casefold()
        if word in _OUT:
            return -abs(amount)
        if word in _IN:
            return abs(amount)
        raise _bad(self.table, row, "direction", "is neither debit nor credit")


def cell(table: Table, row: Row, field: str) -> str:
    """The text of a mapped column, without what spreadsheets put around numbers (`="123"`, `'123`)."""
    if field not in table.columns:
        return ""
    text = row.cell(table.columns[field])
    if match := re.fullmatch(r'="(.*)"', text):
        text = match[1]
    return text.strip("' ") if text.startswith("'") else text


def place(table: Table, field: str, row: Row | None = None) -> str:
    """Where to look: the column's heading, and the row as a spreadsheet counts it."""
    column = table.mapping.columns().get(field, field)
    return f"row {row.number}, column {column}" if row else f"column {column}"


def _bad(table: Table, row: Row, field: str, why: str) -> BadCsv:
    where = place(table, field, row)
    hint = _HINTS.get(field, _HINTS["amount"])
    return BadCsv(f"{where[0].upper()}{where[1:]} {why}.", where=where, hint=hint)


def _date_form(table: Table, rows: Sequence[Row]) -> str:
    """The mapping's, or the one order of year, month and day that the whole column allows."""
    if table.mapping.date_format:
        return table.mapping.date_format
    texts = [cell(table, row, "date") for row in rows]
    orders = possible_orders(texts)
    if len(orders) == 1:
        return orders[0]
    if orders:
        raise BadCsv(
            "Day and month of the dates cannot be told apart.",
            where=place(table, "date"),
            hint="Say which comes first: date_format=dmy or date_format=mdy.",
        )
    for row, text in zip(rows, texts, strict=True):
        if not possible_orders([text]):
            raise _bad(table, row, "date", "is not a date")
    raise BadCsv("The dates are written in different ways.", where=place(table, "date"))


def _flipped(table: Table, rows: Sequence[Row]) -> frozenset[str]:
    """Debit and credit columns in which every number is negative: there the sign repeats what the column says."""
    flipped = set()
    for field in ("debit", "credit"):
        texts = [text for row in rows if (text := cell(table, row, field)).strip("0., ")]
        if texts and all(text.startswith(("-", "(", "\u2212")) or text.endswith("-") for text in texts):
            flipped.add(field)
    return frozenset(flipped)
