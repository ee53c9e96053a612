"""Recognise what people upload instead of a statement, so that the refusal can say what to do."""

from __future__ import annotations

import re
from typing import Final

from holdfast.packs.finance.statements.errors import NotAStatement

_BINARY: Final = (
    (b"%PDF", "a PDF document", None),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it first."),
    (b"Rar!", "an archive", "Unpack it first."),
    (b"7z\xbc\xaf", "an archive", "Unpack it first."),
    (b"\x89PNG", "a picture", None),
    (b"\xff\xd8\xff", "a picture", None),
    (b"SQLite format 3", "a database", None),
)
_LOGIN_PAGE: Final = "The bank's session had probably ended. Log in again and download the file once more."
_TEXT: Final = (
    (
        re.compile(r"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL),
        "a web page",
        _LOGIN_PAGE,
    ),
    (re.compile(r"\s*!(type|account|option|clear):", re.IGNORECASE), "a QIF file", None),
    (re.compile(r"\s*<OFC>", re.IGNORECASE), "an OFC file, the predecessor of OFX", None),
    (re.compile(r"[^<]{0,200}(<\?xml[^>]*>\s*)?<(\w+:)?Document\b", re.IGNORECASE), "a CAMT file", None),
    (re.compile(r"\s*(\{1:|:20:|:940:)"), "an MT940 file", None),
    (re.compile(r"\s*\{\\rtf"), "a word processor's document", None),
    (re.compile(r"\s*[{\[]\s*[\"{\[\]}]"), "a JSON document", None),
    (re.compile(r"\s*<\?xml|\s*<[A-Za-z!]", re.IGNORECASE), "an XML document that is not OFX", None),
)


def refuse_binary(data: bytes) -> None:
    """Raise NotAStatement for nothing at all and for the formats that a bank's website also offers."""
    if not data.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise NotAStatement("The file is empty.")
    for magic, what, hint in _BINARY:
        if data.startswith(magic):
            raise NotAStatement(f"This is {what}, not a bank statement.", hint=hint)


def refuse_text(text: str) -> None:
    """Raise NotAStatement for text that is neither OFX nor a table."""
    head = text[:4096]
    for pattern, what, hint in _TEXT:
        if pattern.match(head):
            raise NotAStatement(f"This is {what}, not a bank statement.", hint=hint)
