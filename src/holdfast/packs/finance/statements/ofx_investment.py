"""The cash side of an investment statement.

A line is money that comes into the account or leaves it: transfers, dividends, interest, fees. A purchase, a sale or a
reinvestment only changes what the money is kept in, and is no line. The balance is the whole account.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from holdfast.packs.finance.statements.amounts import DecimalSign, rounded
from holdfast.packs.finance.statements.identity import Draft
from holdfast.packs.finance.statements.ofx_fields import Fields, balance_of, day_of, text_of
from holdfast.packs.finance.statements.ofx_lines import posted_lines

_PAYMENTS: Final = {
    "INCOME": "Income",
    "INVEXPENSE": "Investment expense",
    "MARGININTEREST": "Margin interest",
}
_INCOME: Final = {
    "DIV": "Dividend",
    "INTEREST": "Interest",
    "CGLONG": "Capital gain",
    "CGSHORT": "Capital gain",
}
_WHOLE_ACCOUNT: Final = frozenset(
    {"networth", "accountvalue", "totalaccountvalue", "totalvalue", "totalassets"}
)


def is_retirement(element: Element) -> bool:
    """Whether the statement carries what only a pension plan (401(k)) has."""
    return any(
        next(element.iter(tag), None) is not None for tag in ("INV401KBAL", "INV401K", "INV401KSOURCE")
    )


def cash_lines(element: Element, document: Element, sign: DecimalSign | None) -> tuple[list[Draft], int]:
    """Payments in and out, and how many lines were left out as not posted."""
    drafts, left_out = posted_lines(element, sign)
    securities = _securities(document)
    payments = [entry for entry in element.iter() if entry.tag in _PAYMENTS]
    for number, entry in enumerate(payments, len(drafts) + 1):
        drafts.append(_payment(Fields(element=entry, number=number, sign=sign), securities))
    return drafts, left_out


def _payment(fields: Fields, securities: dict[str, str]) -> Draft:
    kind = fields.element.tag
    amount = fields.amount("TOTAL")
    memo = fields.text("INVTRAN/MEMO") or _INCOME.get(fields.text("INCOMETYPE") or "", _PAYMENTS[kind])
    security = securities.get(fields.text("SECID/UNIQUEID") or "", "")
    known = not security or security.casefold() in memo.casefold()
    return Draft(
        posted=fields.day("INVTRAN/DTTRADE", "INVTRAN/DTSETTLE"),
        amount=amount if kind == "INCOME" else -abs(amount),
        description=memo if known else f"{memo} - {security}",
        bank_id=fields.text("INVTRAN/FITID"),
    )


def _securities(document: Element) -> dict[str, str]:
    named = {}
    for info in document.iter("SECINFO"):
        unique, name = text_of(info, "SECID/UNIQUEID"), text_of(info, "SECNAME") or text_of(info, "TICKER")
        if unique and name:
            named[unique] = name
    return named


def investment_balance(element: Element, sign: DecimalSign | None) -> tuple[Decimal | None, date | None]:
    """The value of the whole account, as the broker states it, else added up; None where part of it is not known.

    Added up: the market values of all positions, and with them available cash and the margin balance (negative where
    money is owed), which by the OFX specification (13.9.2.7) are not among the positions.
    """
    as_of = day_of(element, "DTASOF")
    stated = _stated_balance(element, sign)
    if stated is not None:
        return stated, as_of
    positions = element.find(".//INVPOSLIST")
    if positions is None:
        return None, None
    values = [balance_of(position, "MKTVAL", sign) for position in positions.iter("INVPOS")]
    if None in values:
        return None, None
    cash = [balance_of(element.find(".//INVBAL"), name, sign) for name in ("AVAILCASH", "MARGINBALANCE")]
    return rounded(sum((value for value in [*values, *cash] if value is not None), Decimal(0))), as_of


def _stated_balance(element: Element, sign: DecimalSign | None) -> Decimal | None:
    for balance in element.iter("BAL"):
        name = "".join((text_of(balance, "NAME") or "").split()).casefold()
        if name in _WHOLE_ACCOUNT and text_of(balance, "BALTYPE") != "PERCENT":
            return balance_of(balance, "VALUE", sign)
    plan = balance_of(element.find(".//INV401KBAL"), "TOTAL", sign)
    return plan or None  # plans send a total of zero beside their positions
