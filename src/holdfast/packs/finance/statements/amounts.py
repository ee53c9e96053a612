"""Amounts of money as banks write them: `1.234,56`, `(5.00)`, `12.34-`, `R$ 10,00`, `1'234.50 CR`.

A sign that could be a decimal sign or a thousands separator (`1,234`) is decided by the other amounts of the file,
and refused where they do not tell: an amount is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

DecimalSign = Literal[".", ","]

CENT: Final = Decimal("0.01")
_LIMIT: Final = Decimal(10) ** 13  # decimal(15,2)
_DASHES: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"))
_SPACES: Final = re.compile(r"[\s'\u2019\u00b4\u200b]+")
_UNIT: Final = r"(?:[A-Za-z]{0,3}[$\u00a3\u20ac\u00a5\u20b9]|[A-Za-z]{3}|kr\.?|z\u0142|K\u010d|Ft)?"
_WRITTEN: Final = re.compile(
    rf"(?P<open>\()?(?P<sign>[+-])?{_UNIT}(?P<inner>[+-])?(?P<number>[0-9][0-9.,]{{0,30}}|[.,][0-9]{{1,30}})"
    rf"{_UNIT}(?P<tail>-|cr|dr)?(?P<close>\))?",
    re.IGNORECASE,
)


def parse_amount(
    text: str, *, decimal: DecimalSign | None = None, likely: DecimalSign | None = None
) -> Decimal:
    """The amount, exactly. `decimal` is the sign that must be used; without it, `likely` decides what is ambiguous.

    Raises ValueError with a reason that does not repeat the text.
    """
    match = _WRITTEN.fullmatch(_SPACES.sub("", text.translate(_DASHES)))
    if match is None or bool(match["open"]) != bool(match["close"]):
        raise ValueError("is not an amount")
    number = match["number"]
    amount = Decimal(_plain(number, decimal or _own_sign(number) or likely))
    if amount >= _LIMIT:
        raise ValueError("is larger than an account can hold")
    return -amount if _is_negative(match) else amount


def cents(amount: Decimal) -> Decimal:
    """The amount with two decimals; refused, never rounded, where it has more."""
    exact = amount.quantize(CENT)
    if exact != amount:
        raise ValueError("has more than two decimals")
    return exact + 0  # no negative zero


def rounded(amount: Decimal) -> Decimal:
    """A balance that was added up from securities, to the cent."""
    return amount.quantize(CENT, ROUND_HALF_EVEN) + 0


def likely_sign(texts: Iterable[str]) -> DecimalSign | None:
    """The decimal sign that the unambiguous amounts of a file use; None where they use none, or both."""
    signs = set()
    for text in texts:
        match = _WRITTEN.fullmatch(_SPACES.sub("", text.translate(_DASHES)))
        if match and (sign := _own_sign(match["number"])):
            signs.add(sign)
    return signs.pop() if len(signs) == 1 else None


def _own_sign(number: str) -> DecimalSign | None:
    """The decimal sign that this number shows by itself; None where both readings are possible."""
    dots, commas = number.count("."), number.count(",")
    if dots and commas:
        return "." if number.rfind(".") > number.rfind(",") else ","
    if dots > 1 or commas > 1:
        return "," if dots else "."
    if not dots and not commas:
        return None
    sign: DecimalSign = "." if dots else ","
    before, after = number.split(sign)
    could_group = len(after) == 3 and 1 <= len(before) <= 3 and not before.startswith("0")
    return None if could_group else sign


def _plain(number: str, sign: DecimalSign | None) -> str:
    if sign is None:
        if "." in number or "," in number:
            raise ValueError("can be read in two ways: say which decimal sign the file uses")
        return number
    group = "," if sign == "." else "."
    whole, _, fraction = number.partition(sign)
    # Groups of three; of two before the last, in India; a first group of any length, from Santander in Brazil.
    first = "+" if fraction else "{1,3}"
    groups = rf"[0-9]*|[0-9]{first}(\{group}[0-9]{{2,3}})*\{group}[0-9]{{3}}"
    if not re.fullmatch(r"[0-9]*", fraction) or not re.fullmatch(groups, whole):
        raise ValueError("does not fit the decimal sign")
    return f"{whole.replace(group, '') or '0'}.{fraction or '0'}"


def _is_negative(match: re.Match[str]) -> bool:
    marks = [match["sign"] == "-", match["inner"] == "-", bool(match["open"])]
    return any([*marks, (match["tail"] or "").lower() in {"-", "dr"}])
