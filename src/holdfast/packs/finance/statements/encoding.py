"""From bytes to text, whatever the file claims.

Banks declare one character set and send another, in both directions. Text that is valid UTF-8 is UTF-8: accented
text in a one-byte set practically never forms valid UTF-8 by chance. Only what is left is asked for its declaration.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from holdfast.packs.finance.statements.errors import BadMapping, NotAStatement

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED: Final = re.compile(
    rb"""(?:CHARSET:\s*|encoding\s*=\s*["'])([A-Za-z0-9_.-]{2,20})""", re.IGNORECASE
)
_SAYS_NOTHING: Final = frozenset(
    {"none", "unicode", "usascii", "us-ascii", "ascii", "utf-8", "utf8", "utf-16"}
)
_HEAD: Final = 2048
_SAMPLE: Final = 200_000


def decode(data: bytes, encoding: str | None = None) -> str:
    """The text of a statement with `\\n` line ends and no byte order mark; in `encoding` where it is given."""
    text = (_decode_as(data, encoding) if encoding else _decode(data)).removeprefix("\ufeff")
    if "\x00" in text:
        raise NotAStatement("The file is binary.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode_as(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (LookupError, UnicodeError):
        raise BadMapping(f"The file is not in {encoding}.", where="encoding") from None


def _decode(data: bytes) -> str:
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data.decode(name, "replace")
    if wide := _wide(data):
        return data.decode(wide, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _mostly_utf8(data) or _declared(data) or _one_byte(data)


def _wide(data: bytes) -> str | None:
    """UTF-16 without a byte order mark shows in its zeros: every second byte of Western text."""
    head = data[:_HEAD]
    if len(head) < 4:
        return None
    if head[1::2].count(0) > len(head) // 3 and not head[0::2].count(0):
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 3 and not head[1::2].count(0):
        return "utf-16-be"
    return None


def _mostly_utf8(data: bytes) -> str | None:
    """UTF-8 in which a field was cut inside a character: the few broken ones are dropped."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = sum(1 for character in text if character > "\x7f") - broken
    return text.replace("\ufffd", "") if whole >= 4 * broken else None


def _declared(data: bytes) -> str | None:
    match = _DECLARED.search(data[:_HEAD])
    name = match[1].decode("ascii").lower() if match else "none"
    if name in _SAYS_NOTHING:
        return None
    if name in {"8859-1", "iso-8859-1", "latin1", "latin-1"}:
        name = "1252"  # a superset, and what is meant
    try:
        return data.decode(f"cp{name}" if name.isdigit() else name)
    except (LookupError, UnicodeDecodeError):
        return None


def _one_byte(data: bytes) -> str:
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return _detected(data) or data.decode("cp1252", "replace").replace("\ufffd", "")
    return text if _looks_western(text) else _detected(data) or text


def _looks_western(text: str) -> bool:
    """Western European words are mostly plain letters; Cyrillic, Greek or Chinese read as cp1252 are not."""
    letters = [character for character in text[:_SAMPLE] if character.isalpha()]
    return sum(character > "\x7f" for character in letters) * 3 <= len(letters)


def _detected(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE]).best()
    if best is None:
        return None
    try:
        return data.decode(best.encoding)
    except (LookupError, UnicodeDecodeError):
        return None
