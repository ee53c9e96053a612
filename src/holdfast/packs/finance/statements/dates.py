"""Days as banks write them. The day is the one that is written: a bank's time zone never moves it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, Literal

Order = Literal["ymd", "dmy", "mdy"]

ORDERS: Final[tuple[Order, ...]] = ("ymd", "dmy", "mdy")
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[0-9T\s.:\[].*)?", re.DOTALL)
_PARTS: Final = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?([0-9]{1,4})(?:st|nd|rd|th)?[\s./-]{1,2}([0-9]{1,2}|[A-Za-z]{3,9}\.?)"
    r"[\s./,-]{1,2}([0-9]{2,4})\.?(?:[T\s,]+[0-9].*)?",
    re.DOTALL,
)
_MONTH_FIRST: Final = re.compile(
    r"([A-Za-z]{3,9})\.?\s+([0-9]{1,2})(?:st|nd|rd|th)?,?\s+([0-9]{4})(?:[T\s,]+[0-9].*)?"
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def ofx_day(text: str) -> date:
    """The day of an OFX date: `20240131`, `20240131120000.000[-5:EST]`, and the ISO dates that some banks send."""
    match = _COMPACT.fullmatch(text.strip()) or re.fullmatch(
        r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:[T\s].*)?", text.strip(), re.DOTALL
    )
    if match is None:
        raise ValueError("is not a date")
    return _day(int(match[1]), int(match[2]), int(match[3]))


def parse_day(text: str, *, form: str) -> date:
    """The day in `form`: an order (`ymd`, `dmy`, `mdy`), or strptime formats with `|` between alternatives.

    Raises ValueError with a reason that does not repeat the text.
    """
    if form in ORDERS:
        return _ordered_day(text.strip(), form)
    for one in form.split("|"):
        try:
            found = datetime.strptime(text.strip(), one).date()  # noqa: DTZ007 - a bank's day has no time zone
        except ValueError:
            continue
        return _day(found.year, found.month, found.day)
    raise ValueError("does not have the date format that the mapping gives")


def possible_orders(texts: Iterable[str]) -> tuple[Order, ...]:
    """The orders in which every text is a day: one where they tell, several where day and month could be swapped."""
    written = list(dict.fromkeys(texts))
    fitting = tuple(order for order in ORDERS if all(_fits(text.strip(), order) for text in written))
    if "dmy" in fitting and all(text.count(".") >= 2 for text in written):
        return ("dmy",)  # nobody writes month.day.year
    readings = {tuple(_ordered_day(text.strip(), order) for text in written) for order in fitting}
    return fitting[:1] if len(readings) == 1 else fitting


def _fits(text: str, order: Order) -> bool:
    try:
        _ordered_day(text, order)
    except ValueError:
        return False
    return True


def _ordered_day(text: str, order: str) -> date:
    if compact := _COMPACT.fullmatch(text):
        return _day(int(compact[1]), int(compact[2]), int(compact[3]))
    if named := _MONTH_FIRST.fullmatch(text):
        return _day(int(named[3]), _month(named[1]), int(named[2]))
    match = _PARTS.fullmatch(text)
    if match is None:
        raise ValueError("is not a date")
    parts = [match[1], match[2], match[3]]
    if len(match[1]) == 4:
        order = "ymd"
    elif match[2][0].isalpha():
        order = "dmy"
    year, month, day = (parts[order.index(letter)] for letter in "ymd")
    return _day(_year(year), _month(month), int(day))


def _year(text: str) -> int:
    if len(text) == 4:
        return int(text)
    if len(text) != 2:
        raise ValueError("is not a date")
    return int(text) + (1900 if int(text) >= 69 else 2000)


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return _MONTHS.index(text[:3].lower()) + 1
    except ValueError:
        raise ValueError("has a month that is not known") from None


def _day(year: int, month: int, day: int) -> date:
    if not 1900 <= year < 2200:
        raise ValueError("is not a day of these centuries")
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None
