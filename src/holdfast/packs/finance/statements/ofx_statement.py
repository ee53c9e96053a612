"""Bank, card and investment statements out of an OFX tree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from holdfast.packs.finance.statements.amounts import DecimalSign, likely_sign
from holdfast.packs.finance.statements.errors import (
    CurrencyUnknown,
    MixedCurrencies,
    NotAStatement,
    TruncatedStatement,
)
from holdfast.packs.finance.statements.identity import Draft, identify, line
from holdfast.packs.finance.statements.ofx_fields import balance_of, day_of, text_of
from holdfast.packs.finance.statements.ofx_investment import cash_lines, investment_balance, is_retirement
from holdfast.packs.finance.statements.ofx_lines import posted_lines
from holdfast.packs.finance.statements.ofx_markup import parse
from holdfast.packs.finance.statements.statement import AccountType, Statement, number_tail

_ACCOUNTS: Final = {"STMTRS": "BANKACCTFROM", "CCSTMTRS": "CCACCTFROM", "INVSTMTRS": "INVACCTFROM"}
_TYPES: Final[dict[str, AccountType]] = {
    "": "checking",
    "CHECKING": "checking",
    "SAVINGS": "savings",
    "MONEYMRKT": "savings",
    "CD": "savings",
    "CREDITLINE": "credit",
    "CREDITCARD": "credit",
    "LOAN": "loan",
    "MORTGAGE": "loan",
    "INVESTMENT": "investment",
}
_MONEY: Final = frozenset({"TRNAMT", "TOTAL", "BALAMT", "MKTVAL", "AVAILCASH", "VALUE"})
_KEY: Final = ("BANKID", "BROKERID", "BRANCHID", "ACCTTYPE", "ACCTID")  # of an account within its file
_NUMBER: Final = -1
_HEAD: Final = 65_536


def looks_like_ofx(text: str) -> bool:
    """Whether the text calls itself OFX, in its header or in its first tag."""
    head = text[:_HEAD].lstrip()
    return head.startswith("OFXHEADER") or re.search(r"<(\w+:)?OFX\b", head, re.IGNORECASE) is not None


def read_ofx(text: str, *, currency: str | None) -> list[Statement]:
    """Every statement of the file, in its order; `currency` is taken where the file does not say its own."""
    tree = parse(text)
    sign = likely_sign(_amounts(tree))
    found = [
        _sketch(element, document, sign, currency)
        for document in tree.iter("OFX")
        for element in document.iter()
        if element.tag in _ACCOUNTS
    ]
    if not found and re.search(r"</(\w+:)?OFX\s*>", text, re.IGNORECASE) is None:
        raise TruncatedStatement("The OFX file ends before its first statement.")
    if not found:
        raise _no_statement(tree)
    return _with_ids(found)


def _amounts(tree: Element) -> Iterator[str]:
    for element in tree.iter():
        if element.tag in _MONEY:
            yield element.text or ""


def _no_statement(tree: Element) -> NotAStatement:
    """The bank's answer to a failed download is an OFX file as well: its status says so."""
    for status in tree.iter("STATUS"):
        code = text_of(status, "CODE") or "0"
        if code.isdigit() and len(code) <= 5 and code.strip("0"):
            return NotAStatement(f"The bank answered with error {code} instead of a statement.")
    return NotAStatement("The OFX file holds no account statement.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sketch:
    """A statement whose lines have no ids yet."""

    account: tuple[str, ...]
    account_type: AccountType
    currency: str
    institution: str | None
    balance: Decimal | None
    as_of: date | None
    drafts: list[Draft]
    left_out: int


def _sketch(element: Element, document: Element, sign: DecimalSign | None, currency: str | None) -> _Sketch:
    account = element.find(_ACCOUNTS[element.tag])
    invests = element.tag == "INVSTMTRS"
    drafts, left_out = cash_lines(element, document, sign) if invests else posted_lines(element, sign)
    balance, as_of = investment_balance(element, sign) if invests else _ledger(element, sign)
    return _Sketch(
        account=(element.tag, *(text_of(account, name) or "" for name in _KEY)),
        account_type=_account_type(element, account),
        currency=_currency(element, currency),
        institution=text_of(document, ".//FI/ORG"),
        balance=balance,
        as_of=as_of,
        drafts=drafts,
        left_out=left_out,
    )


def _account_type(element: Element, account: Element | None) -> AccountType:
    if element.tag == "CCSTMTRS":
        return "credit"
    if element.tag == "INVSTMTRS":
        return "retirement" if is_retirement(element) else "investment"
    return _TYPES.get((text_of(account, "ACCTTYPE") or "").upper(), "other")


def _currency(element: Element, default: str | None) -> str:
    """The statement's currency. CURRENCY (not ORIGCURRENCY) on a line says that its amount is in another one."""
    symbols = {(symbol.text or "").strip().upper() for symbol in element.findall(".//CURRENCY/CURSYM")} - {""}
    own = (text_of(element, "CURDEF") or default or "").upper()
    if not own and len(symbols) == 1:
        own = symbols.pop()
    if not re.fullmatch(r"[A-Z]{3}", own):
        raise CurrencyUnknown(where="CURDEF")
    if symbols - {own}:
        raise MixedCurrencies(where="CURRENCY")
    return own


def _ledger(element: Element, sign: DecimalSign | None) -> tuple[Decimal | None, date | None]:
    ledger = element.find(".//LEDGERBAL")
    balance = balance_of(ledger, "BALAMT", sign)
    if balance is None:
        return None, None
    return balance, day_of(ledger, "DTASOF") or day_of(element.find(".//BANKTRANLIST"), "DTEND")


def _with_ids(sketches: list[_Sketch]) -> list[Statement]:
    """With ids; a line that two statements of one account hold (their periods overlap) stays in the first."""
    seen: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    statements = []
    for at, sketch in enumerate(sketches):
        account = sketch.account if sketch.account[_NUMBER] else (str(at),)
        ids = identify(sketch.drafts)
        statements.append(_statement(sketch, ids, seen[account]))
        seen[account].update(ids)
    return statements


def _statement(sketch: _Sketch, ids: list[str], seen: set[str]) -> Statement:
    lines = tuple(
        line(source_id, draft, sketch.currency)
        for source_id, draft in zip(ids, sketch.drafts, strict=True)
        if source_id not in seen
    )
    return Statement(
        account_type=sketch.account_type,
        currency=sketch.currency,
        account_number_tail=number_tail(sketch.account[_NUMBER]),
        institution=sketch.institution,
        ledger_balance=sketch.balance,
        as_of=sketch.as_of,
        lines=lines,
        left_out=sketch.left_out + len(sketch.drafts) - len(lines),
    )
