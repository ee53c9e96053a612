"""Which column of a CSV file means what: written by a person, read from TOML, or one of the presets."""

from __future__ import annotations

import csv
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from holdfast.packs.finance.statements.amounts import DecimalSign
from holdfast.packs.finance.statements.errors import BadMapping
from holdfast.packs.finance.statements.statement import ACCOUNT_TYPES, AccountType

_HINT: Final = "For example: date=Posted,amount=Amount,description=Details"
_NUMBERS: Final = frozenset({"skip_rows", "skip_footer"})
_COLUMNS: Final = (
    "date",
    "amount",
    "debit",
    "credit",
    "direction",
    "fee",
    "merchant",
    "payer",
    "category",
    "id",
    "currency",
    "account",
    "status",
    "foreign",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvMapping:
    """The columns of one bank's CSV file, by heading, or by number (`#1` is the first) where it has no headings.

    `date`; then either `amount` (with `direction`, a column that says debit or credit, where amounts have no sign)
    or `debit` and `credit`; then `description`, one column or several that are joined. `fee` is taken off the amount.
    `merchant` is the other side; where a bank names payee and payer apart, `payer` is it for money that comes in.
    `account` splits a file of several accounts; `status` leaves out what is pending or was reverted.
    `foreign` is a column of amounts in another currency: a row that fills it is refused.

    `date_format` is `dmy`, `mdy`, `ymd` or a strptime format (several with `|`); without it the dates of the file
    must tell. `decimal` likewise. `encoding` is for what cannot be told from the bytes, such as cp1250.
    `invert_sign` is for card files that write purchases as positive amounts. `default_currency` is what the file
    does not say. `skip_rows` counts from the top of the file, `skip_footer` rows that are not empty from its end.
    """

    date: str
    amount: str | None = None
    debit: str | None = None
    credit: str | None = None
    direction: str | None = None
    fee: str | None = None
    description: tuple[str, ...] = ()
    merchant: str | None = None
    payer: str | None = None
    category: str | None = None
    id: str | None = None
    currency: str | None = None
    account: str | None = None
    status: str | None = None
    foreign: str | None = None
    date_format: str | None = None
    decimal: DecimalSign | None = None
    delimiter: str | None = None
    encoding: str | None = None
    skip_rows: int = 0
    skip_footer: int = 0
    invert_sign: bool = False
    default_currency: str | None = None
    account_type: AccountType = "checking"
    institution: str | None = None

    def __post_init__(self) -> None:
        if problem := next(_problems(self), None):
            raise BadMapping(problem, hint=_HINT)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `date=Posted,amount=Amount,description=Payee|Details`; quote a pair that holds a comma."""
        try:
            cells = next(csv.reader([text], skipinitialspace=True, strict=True), [])
        except csv.Error:
            raise BadMapping("The mapping has an open quotation mark.", hint=_HINT) from None
        pairs = [cell.partition("=") for cell in cells if cell.strip()]
        if not all(sign and name.strip() for name, sign, _ in pairs):
            raise BadMapping("A mapping is a list of field=column.", hint=_HINT)
        return cls._from_values({name.strip(): value.strip() for name, _, value in pairs})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """From a TOML file with these fields as its keys."""
        try:
            return cls._from_values(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            why = "is not valid TOML" if isinstance(error, ValueError) else "cannot be opened"
            raise BadMapping(f"The mapping file {why}.", where=Path(path).name, hint=None) from None

    @classmethod
    def _from_values(cls, values: Mapping[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise BadMapping(
                f"A mapping has no field {', '.join(unknown)}.",
                hint=f"The fields: {', '.join(sorted(known))}.",
            )
        if "date" not in values:
            raise BadMapping("A mapping needs the column of the date.", hint=_HINT)
        return cls(**{name: _typed(name, value) for name, value in values.items()})

    def columns(self) -> dict[str, str]:
        """Every column that is named, by what it means; the parts of the description as `description 1` and so on."""
        named = {name: column for name in _COLUMNS if (column := getattr(self, name)) is not None}
        return named | {f"description {at}": column for at, column in enumerate(self.description, 1)}


def _typed(name: str, value: Any) -> Any:
    """Values of a command line are text, those of TOML have types."""
    if name == "description":
        parts = value.split("|") if isinstance(value, str) else value
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return tuple(part.strip() for part in parts)
    elif name in _NUMBERS:
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value)
    elif name == "invert_sign":
        if str(value).lower() in {"true", "yes", "1", "false", "no", "0"}:
            return str(value).lower() in {"true", "yes", "1"}
    elif isinstance(value, str):
        return (
            {"tab": "\t", "comma": ",", "point": "."}.get(value, value)
            if name in {"delimiter", "decimal"}
            else value
        )
    raise BadMapping(f"The value of {name} has the wrong type.", hint=_HINT)


def _problems(mapping: CsvMapping) -> Iterator[str]:
    paired = mapping.debit is not None or mapping.credit is not None
    if not mapping.date:
        yield "A mapping needs the column of the date."
    if (mapping.amount is None) is not paired:
        yield "A mapping needs either the column of the amount, or those of debit and credit."
    if paired and mapping.direction is not None:
        yield "A direction goes with one amount column, not with debit and credit."
    if mapping.decimal not in {None, ".", ","}:
        yield "The decimal sign is a comma or a point."
    if mapping.delimiter is not None and len(mapping.delimiter) != 1:
        yield "The delimiter is one character."
    if mapping.encoding is not None and not _is_encoding(mapping.encoding):
        yield "The encoding is not one that Python knows."
    if mapping.account_type not in ACCOUNT_TYPES:
        yield f"The account type is one of {', '.join(ACCOUNT_TYPES)}."
    if mapping.skip_rows < 0 or mapping.skip_footer < 0:
        yield "Rows to skip are not negative."


def _is_encoding(name: str) -> bool:
    try:
        "a".encode(name)
    except LookupError:
        return False
    return True
