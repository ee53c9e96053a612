"""E-mail addresses: a conservative check, and the key by which two of them are the same person's.

This is no RFC 5322 parser, on purpose: quoted local parts, comments, address literals and bare host names are refused,
because nobody logs in with them and each is a second spelling of something. So is everything beyond ASCII: two
spellings that look alike must never be two accounts. A domain in another script is accepted in its `xn--` form. That
mail really arrives is proved by sending it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from holdfast.errors import InvalidInput

MAX_LENGTH: Final = 255
MAX_LOCAL_LENGTH: Final = 64
"""RFC 5321 §4.5.3.1.1."""

# RFC 5322 §3.2.3: dot-atom.
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# RFC 1123 §2.1: labels of 1 to 63 letters, digits and inner hyphens.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_LETTER: Final = re.compile(r"[a-z]")


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address that passed the check."""

    address: str
    """What mail is sent to: the local part as typed (servers may tell its case apart), the domain in lower case."""
    key: str
    """What accounts are compared by: all of it in lower case."""

    @property
    def local(self) -> str:
        """What stands before the `@`."""
        return self.address.rpartition("@")[0]

    def __repr__(self) -> str:
        return "EmailAddress(…)"


def parse_email(text: str) -> EmailAddress:
    """Check an address and bring it into its canonical spelling.

    Raises `InvalidInput` that names the field `email` and the fault, never the address.
    """
    fault = _fault(text)
    if fault is not None:
        raise InvalidInput("This is not an e-mail address that can be used.", fields={"email": fault})
    local, _, domain = text.rpartition("@")
    address = f"{local}@{domain.lower()}"
    return EmailAddress(address=address, key=address.lower())


def _fault(text: str) -> str | None:
    if len(text) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH} characters"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "holds a space, a control character, or a character beyond ASCII"
    local, at, domain = text.rpartition("@")
    if not at:
        return "has no @"
    if len(local) > MAX_LOCAL_LENGTH or not _LOCAL.fullmatch(local):
        return "the part before the @ is not one"
    return _domain_fault(domain)


def _domain_fault(domain: str) -> str | None:
    top = domain.rpartition(".")[2].lower()
    # A top level without a letter is an IP address in disguise.
    if not _DOMAIN.fullmatch(domain) or not _LETTER.search(top):
        return "the part after the @ is no domain name"
    return None
