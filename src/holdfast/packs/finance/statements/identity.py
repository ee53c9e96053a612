"""Ids that stay the same: importing a statement again, or one that overlaps it, adds nothing.

A bank's own id (FITID) ought to be unique for ever, and often is not: some banks number the lines of each file
from one, some send zeros, some give two transactions one id. Whether an id is unique cannot be seen from one file,
so it is never trusted alone. Three rules, each of which gives one line the same id in every file that holds it:

1. The bank's id, and a short digest of date and amount behind it. The description is not in it: banks touch it up.
2. Where one id, date and amount carry different descriptions, or there is no id: a digest of all three.
3. Lines that are alike in all of this are several purchases, not one sent twice (Banco do Brasil makes its ids of
   date and amount): each but the first also has its ordinal.

Statements are cut between days, so lines that are alike, which share their day, are counted alike in every file.
Ids are stored: whoever changes these rules, or what a description is made of, imports old lines a second time.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from holdfast.packs.finance.statements.statement import StatementLine

_NO_ID = re.compile(r"0*|none|null|n/?a|unknown|undefined|-+", re.IGNORECASE)
_LONGEST_ID = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A line as the bank sent it, before it has an id of ours."""

    posted: date
    amount: Decimal
    description: str
    merchant: str | None = None
    category: str | None = None
    bank_id: str | None = None


def identify(drafts: Sequence[Draft]) -> list[str]:
    """The `source_id` of each line of one statement, in the order given; all of them differ."""
    told: defaultdict[tuple[str, date, Decimal], set[str]] = defaultdict(set)
    for draft in drafts:
        told[_bank_id(draft), draft.posted, draft.amount].add(_plain(draft.description))
    alike: Counter[str] = Counter()
    ids = []
    for draft in drafts:
        bank_id = _bank_id(draft)
        if bank_id and len(told[bank_id, draft.posted, draft.amount]) == 1:
            content = f"{bank_id}-{_digest(_day_and_amount(draft), 8)}"
        else:
            content = _digest(f"{_day_and_amount(draft)}|{_plain(draft.description)}", 32)
        alike[content] += 1
        ids.append(content if alike[content] == 1 else f"{content}-{alike[content]}")
    return ids


def line(source_id: str, draft: Draft, currency: str) -> StatementLine:
    """The draft with its id, as a line of a statement in `currency`."""
    return StatementLine(
        posted=draft.posted,
        amount=draft.amount,
        currency=currency,
        description=draft.description,
        merchant=draft.merchant,
        category=draft.category,
        source_id=source_id,
    )


def _bank_id(draft: Draft) -> str:
    bank_id = "".join((draft.bank_id or "").split())
    if _NO_ID.fullmatch(bank_id):
        return ""
    return bank_id if len(bank_id) <= _LONGEST_ID else _digest(bank_id, 32)


def _day_and_amount(draft: Draft) -> str:
    return f"{draft.posted.isoformat()}|{draft.amount:.2f}"


def _plain(description: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", description).casefold().split())


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
