"""The transactions of a bank, card or cash account: STMTTRN elements into drafts."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from holdfast.packs.finance.statements.amounts import DecimalSign
from holdfast.packs.finance.statements.identity import Draft
from holdfast.packs.finance.statements.ofx_fields import Fields

_KINDS: Final = {
    "ATM": "Cash machine",
    "DEP": "Deposit",
    "DIRECTDEBIT": "Direct debit",
    "DIRECTDEP": "Direct deposit",
    "DIV": "Dividend",
    "INT": "Interest",
    "POS": "Card payment",
    "REPEATPMT": "Standing order",
    "SRVCHG": "Service charge",
    "XFER": "Transfer",
}


def posted_lines(element: Element, sign: DecimalSign | None) -> tuple[list[Draft], int]:
    """The posted transactions, and how many lines are pending (they come back, posted, with another id) or none."""
    entries = [
        Fields(element=entry, number=at, sign=sign) for at, entry in enumerate(element.iter("STMTTRN"), 1)
    ]
    corrected = {fields.text("CORRECTFITID") for fields in entries if fields.text("CORRECTACTION")} - {None}
    drafts = [
        _line(fields)
        for fields in entries
        if not _is_note(fields) and (fields.text("CORRECTACTION") or fields.text("FITID") not in corrected)
    ]
    pending = sum(1 for _ in element.iter("STMTTRNP"))
    return drafts, pending + len(entries) - len(drafts)


def _is_note(fields: Fields) -> bool:
    """Not a transaction: the withdrawal of an earlier one, or a line of text (a day's balance) with a lone point."""
    return (fields.text("CORRECTACTION") or "").upper() == "DELETE" or fields.text("TRNAMT") in {".", ","}


def _line(fields: Fields) -> Draft:
    name = fields.text("EXTDNAME", "PAYEE/EXTDNAME", "PAYEE/NAME", "NAME")
    category = fields.text("CATEGORY")
    return Draft(
        posted=fields.day("DTPOSTED", "DTUSER", "DTAVAIL"),
        amount=fields.amount("TRNAMT"),
        description=_description(fields, name),
        merchant=name,
        category=None if (category or "").lower().startswith("uncategori") else category,
        bank_id=fields.text("FITID"),
    )


def _description(fields: Fields, name: str | None) -> str:
    """Name and memo, once where one repeats the other: banks cut the name at 32 characters and begin anew."""
    memo = fields.text("MEMO", "EXTDMEMO")
    if name and memo:
        if name.casefold() in memo.casefold():
            return memo
        return name if memo.casefold() in name.casefold() else f"{name} - {memo}"
    if known := name or memo:
        return known
    if check := fields.text("CHECKNUM", "REFNUM"):
        return f"Check {check}"
    kind = (fields.text("TRNTYPE") or "Transaction").upper()
    return _KINDS.get(kind, kind.capitalize())
