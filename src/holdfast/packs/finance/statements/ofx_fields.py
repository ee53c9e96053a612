"""Values out of OFX elements, with an error that says which transaction and which field."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from holdfast.packs.finance.statements.amounts import DecimalSign, cents, parse_amount, rounded
from holdfast.packs.finance.statements.dates import ofx_day
from holdfast.packs.finance.statements.errors import BadOfx

_ENTITY: Final = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd\u200b\u200e\u200f\ufeff]+")


def text_of(element: Element | None, path: str) -> str | None:
    """The text at `path`, entities resolved, white space collapsed; None where it is empty or missing."""
    found = None if element is None else element.find(path)
    return clean(found.text or "") if found is not None else None


def clean(text: str) -> str | None:
    """Text for people: character references resolved (some banks escape twice), control characters removed."""
    for _ in range(2):
        text = _ENTITY.sub(_character, text)
    return " ".join(_UNPRINTABLE.sub(" ", text).split()) or None


def _character(match: re.Match[str]) -> str:
    return html.unescape(match[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Reads one transaction; `number` counts from one within its account, for messages."""

    element: Element
    number: int
    sign: DecimalSign | None

    def text(self, *paths: str) -> str | None:
        return next((text for path in paths if (text := text_of(self.element, path))), None)

    def day(self, *paths: str) -> date:
        text = self.text(*paths)
        if text is None:
            raise self._error(paths[0], "is missing")
        try:
            return ofx_day(text)
        except ValueError as error:
            raise self._error(paths[0], str(error)) from None

    def amount(self, path: str) -> Decimal:
        text = self.text(path)
        if text is None:
            raise self._error(path, "is missing")
        try:
            return cents(parse_amount(text, likely=self.sign))
        except ValueError as error:
            raise self._error(path, str(error)) from None

    def _error(self, path: str, why: str) -> BadOfx:
        return BadOfx(f"{path} {why}.", where=f"transaction {self.number}, {path}")


def balance_of(element: Element | None, path: str, sign: DecimalSign | None) -> Decimal | None:
    """A balance to the cent; None where the bank sends nothing that can be read as one."""
    try:
        return rounded(parse_amount(text_of(element, path) or "", likely=sign))
    except ValueError:
        return None


def day_of(element: Element | None, *paths: str) -> date | None:
    """The first of these that is a day."""
    for path in paths:
        try:
            return ofx_day(text_of(element, path) or "")
        except ValueError:
            continue
    return None
