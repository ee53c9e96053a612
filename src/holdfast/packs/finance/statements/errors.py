"""Why a bank file was refused. Nothing of the file's content is in a message, only where to look.

    InvalidInput
    └── StatementError            any of these
        ├── NotAStatement         another kind of file, or no statement in it
        ├── TruncatedStatement    the end is missing
        ├── StatementTooLarge     over the size limit
        ├── BadOfx                a transaction of an OFX file that cannot be read
        ├── BadCsv                a row of a CSV file that cannot be read
        ├── UnknownCsv            a CSV file that needs a mapping
        ├── BadMapping            a mapping that contradicts itself or the file
        ├── CurrencyUnknown       neither the file nor the caller says which currency
        └── MixedCurrencies       more than one currency in one statement

The codes are stable: programs may depend on them.
"""

from __future__ import annotations

from holdfast import InvalidInput


class StatementError(InvalidInput):
    """The bank file cannot be read; nothing was stored."""

    code = "bad_statement"


class NotAStatement(StatementError):
    """This is not a bank statement."""

    code = "not_a_statement"
    default_hint = "Download the account's transactions as OFX, QFX or CSV."


class TruncatedStatement(StatementError):
    """The end of the file is missing."""

    code = "truncated_statement"
    default_hint = "Download the file again; importing what is there would leave transactions out."


class StatementTooLarge(StatementError):
    """The file is too large for a bank statement."""

    code = "statement_too_large"
    status = 413
    default_hint = "Download a shorter period, one file a year for example."


class BadOfx(StatementError):
    """A transaction of the OFX file cannot be read."""

    code = "bad_ofx"
    default_hint = "Download the file again, or export it as CSV."


class BadCsv(StatementError):
    """A row of the CSV file cannot be read."""

    code = "bad_csv"


class UnknownCsv(StatementError):
    """The columns of this CSV file are not known."""

    code = "unknown_csv"


class BadMapping(StatementError):
    """The column mapping does not hold."""

    code = "bad_mapping"


class CurrencyUnknown(StatementError):
    """The file does not say its currency."""

    code = "currency_unknown"
    default_hint = "Say the account's currency, or map the column that holds it."


class MixedCurrencies(StatementError):
    """The statement holds more than one currency."""

    code = "mixed_currencies"
    default_hint = "Export one currency at a time, each into an account of its own."
