"""OFX markup as banks send it, mended and parsed into a tree.

OFX 1 is SGML in which values need no closing tag; OFX 2 is XML. Real files are neither quite: closing tags are missing
or wrong, values are empty, ampersands and `<` stand bare, comments surround the header, tags are in lower case.
`mend` writes the same content with every tag closed; the parser of ofxtools then reads it. Nothing here is an XML
parser: a DOCTYPE is dropped, entities beyond characters are never expanded, nothing external is ever opened.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from xml.etree.ElementTree import Element

from holdfast.packs.finance.statements.errors import NotAStatement, TruncatedStatement

# Possessive quantifiers: each character is looked at once, whatever a hostile file repeats.
_TAG: Final = re.compile(r"<(/?)([A-Za-z][\w.:-]*+)([^<>]*+)>([^<]*+)")
_BARE: Final = re.compile(r"<(?!/?[A-Za-z][^<>]*+>)")
_ODD: Final = re.compile(r"[^A-Z0-9._]")
_DEEPEST: Final = 60
ROOT: Final = "STATEMENTS"

# Aggregates that must not be mistaken for empty values, and of which an unclosed one ends where the next begins.
_AGGREGATES: Final = frozenset(
    """OFX SIGNONMSGSRSV1 SONRS STATUS FI BANKMSGSRSV1 CREDITCARDMSGSRSV1 INVSTMTMSGSRSV1 SECLISTMSGSRSV1
    STMTTRNRS STMTRS CCSTMTTRNRS CCSTMTRS INVSTMTTRNRS INVSTMTRS BANKACCTFROM CCACCTFROM INVACCTFROM
    BANKTRANLIST BANKTRANLISTP STMTTRN STMTTRNP LEDGERBAL AVAILBAL INVTRANLIST INVBANKTRAN INVTRAN INCOME INVEXPENSE
    MARGININTEREST INVPOSLIST INVPOS INVBAL BALLIST BAL INV401KBAL SECLIST SECINFO SECID""".split()  # noqa: SIM905 - names read better in lines
)


def parse(text: str) -> Element:
    """The tree of all OFX documents in the text, under one root. Raises TruncatedStatement where the end is missing."""
    from ofxtools.Parser import TreeBuilder

    # It logs every value that it reads, at DEBUG; statements do not belong in logs.
    logging.getLogger("ofxtools.Parser").setLevel(logging.WARNING)
    builder = TreeBuilder()
    markup = mend(text)
    try:
        builder.feed(markup)
        tree: Element = builder.close()
    except (SyntaxError, IndexError, AssertionError):
        raise NotAStatement("The markup of the OFX file cannot be mended.") from None
    return tree


def mend(text: str) -> str:
    """The same content in markup that is closed, upper case and free of comments."""
    bare = _without(text, "<!--", "-->", keep=False)
    plain = _BARE.sub("&lt;", _without(bare, "<![CDATA[", "]]>", keep=True))
    return _Mender(plain).markup()


def _without(text: str, start: str, end: str, *, keep: bool) -> str:
    """The text without its marked sections, or with their content as plain characters."""
    parts = []
    at = 0
    while (begin := text.find(start, at)) >= 0:
        close = text.find(end, begin)
        if close < 0:
            raise TruncatedStatement(f"A section that begins with {start} does not end.")
        parts.append(text[at:begin])
        if keep:
            inner = text[begin + len(start) : close]
            parts.append(inner.replace("&", "&amp;").replace("<", "&lt;"))
        at = close + len(end)
    return "".join([*parts, text[at:]]) if parts else text


class _Mender:
    """One pass over the tags with a stack of what is open."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[str] = []
        self._parts = [f"<{ROOT}>"]
        self._valued: set[str] = set()
        self._closed: set[str] = set()
        self._survey()

    def markup(self) -> str:
        for slash, raw, rest, text in _tags(self._text):
            name = _name(raw)
            if not name:
                continue
            if slash:
                self._end(name)
            elif rest.endswith("/"):
                self._value(name, "")
            elif self._is_aggregate(name, text):
                self._begin(name)
            else:
                self._value(name, text)
        if self._open not in ([], ["OFX"]):
            raise TruncatedStatement("The OFX file ends in the middle of a statement.")
        self._parts.extend(f"</{name}>" for name in self._open)
        return "".join([*self._parts, f"</{ROOT}>"])

    def _survey(self) -> None:
        """Which names ever carry a value, and which are ever closed: that tells an empty value from an aggregate."""
        for slash, raw, _, text in _tags(self._text):
            if slash:
                self._closed.add(_name(raw))
            elif text and not text.isspace():
                self._valued.add(_name(raw))

    def _is_aggregate(self, name: str, text: str) -> bool:
        if name in _AGGREGATES:
            return True
        return not text.strip() and name not in self._valued and name in self._closed

    def _begin(self, name: str) -> None:
        if name in _AGGREGATES and name in self._open:
            self._end(name)
        if len(self._open) >= _DEEPEST:
            raise NotAStatement("The markup is nested deeper than any statement.")
        self._open.append(name)
        self._parts.append(f"<{name}>")

    def _end(self, name: str) -> None:
        """Close everything down to `name`; a closing tag of something that is not open says nothing."""
        if name not in self._open:
            return
        while True:
            last = self._open.pop()
            self._parts.append(f"</{last}>")
            if last == name:
                return

    def _value(self, name: str, text: str) -> None:
        self._parts.append(f"<{name}>{text.strip()}</{name}>")


def _tags(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Each tag as: slash or nothing, name, what follows the name, the text behind it."""
    for match in _TAG.finditer(text):
        yield match[1], match[2], match[3], match[4]


@lru_cache(maxsize=1024)
def _name(raw: str) -> str:
    return _ODD.sub("", raw.rpartition(":")[2].upper())
