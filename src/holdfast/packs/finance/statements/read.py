"""The one door: a bank file in, statements out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from holdfast.packs.finance.statements.csv_mapping import CsvMapping
from holdfast.packs.finance.statements.csv_statement import read_csv
from holdfast.packs.finance.statements.encoding import decode
from holdfast.packs.finance.statements.errors import NotAStatement, StatementError, StatementTooLarge
from holdfast.packs.finance.statements.ofx_statement import looks_like_ofx, read_ofx
from holdfast.packs.finance.statements.other_files import refuse_binary, refuse_text
from holdfast.packs.finance.statements.statement import Statement

MAX_BYTES: Final = 50_000_000


def read_statement(
    source: str | os.PathLike[str] | bytes,
    *,
    mapping: CsvMapping | None = None,
    currency: str | None = None,
) -> list[Statement]:
    """The statements in a bank file: OFX 1 and 2, QFX, or CSV. At least one, or an error.

    `source` is a path or the file's bytes. `mapping` names the columns of a CSV file that no preset knows (it is not
    used for OFX). `currency` is the account's, taken where the file does not say its own.
    Raises StatementError; its code says why, and no message holds a value of the file.
    """
    data = _load(source)
    refuse_binary(data)
    text = decode(data, mapping.encoding if mapping else None)
    default = _currency(currency)
    if looks_like_ofx(text):
        return read_ofx(text, currency=default)
    refuse_text(text)
    return read_csv(text, mapping=mapping, currency=default)


def _load(source: str | os.PathLike[str] | bytes) -> bytes:
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    if len(data) > MAX_BYTES:
        raise StatementTooLarge(f"The file is over {MAX_BYTES // 1_000_000} MB.")
    return data


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotAStatement("There is no such file.", where=path.name, hint="Look at the path.") from None
    except OSError as error:
        raise StatementError(
            f"The file cannot be opened ({type(error).__name__}).", where=path.name
        ) from None


def _currency(code: str | None) -> str | None:
    if code is not None and not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise StatementError("A currency is a code of three letters.", where="currency")
    return code.upper() if code else None
