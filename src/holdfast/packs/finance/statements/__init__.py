"""Bank files (OFX, QFX, CSV) into plain values: statements and their lines.

Not the import itself: nothing here knows a database, a user or an account of ours, and nothing is written.
Imported by the finance pack's import and by anyone who wants to read a bank file; it needs the extra `finance`.
Open `read.py` first, then `identity.py` for why importing twice adds nothing.
"""

from __future__ import annotations

from holdfast.packs.finance.statements.csv_mapping import CsvMapping
from holdfast.packs.finance.statements.errors import (
    BadCsv,
    BadMapping,
    BadOfx,
    CurrencyUnknown,
    MixedCurrencies,
    NotAStatement,
    StatementError,
    StatementTooLarge,
    TruncatedStatement,
    UnknownCsv,
)
from holdfast.packs.finance.statements.read import MAX_BYTES, read_statement
from holdfast.packs.finance.statements.statement import ACCOUNT_TYPES, AccountType, Statement, StatementLine

__all__ = [
    "ACCOUNT_TYPES",
    "MAX_BYTES",
    "AccountType",
    "BadCsv",
    "BadMapping",
    "BadOfx",
    "CsvMapping",
    "CurrencyUnknown",
    "MixedCurrencies",
    "NotAStatement",
    "Statement",
    "StatementError",
    "StatementLine",
    "StatementTooLarge",
    "TruncatedStatement",
    "UnknownCsv",
    "read_statement",
]
