"""`ColumnCipher`: seals and opens the values of one column under one data key. The hot path, and written for it.

The four functions are closures over everything that stays the same, with their slices made once: as methods, opening a short
field would take a quarter longer, and half of what is left is the cipher itself (`python -m benchmarks.crypto`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import count
from typing import Final, NoReturn
from uuid import UUID

from cryptography.exceptions import InvalidTag

from holdfast.crypto.envelope import (
    HEADER,
    NONCE,
    NONCE_BYTES,
    SEALED,
    Suite,
    aead,
    header,
    place,
    unreadable,
)
from holdfast.crypto.secret import SecretKey
from holdfast.errors import Unavailable

_BROKEN: Final = (InvalidTag, ValueError, TypeError)
"""What the cipher raises for what is not whole, or no bytes at all."""


class Allowance:
    """How many messages a process may still seal under a data key: what it has leased, and how far it has come.

    A count that is drawn is never given back, so that a message which failed half way costs one and repeats none.
    """

    __slots__ = ("_promised", "ceiling", "draw")

    def __init__(self) -> None:
        self.draw: Final[Callable[[], int]] = count(
            1
        ).__next__  # one step in C: threads draw different numbers
        self.ceiling = 0
        self._promised = 0

    def add(self, messages: int) -> None:
        """A lease was granted."""
        self.ceiling += messages

    def reserve(self, messages: int) -> bool:
        """Whether so many are left that nobody has reserved; if so, they are reserved."""
        if self._promised + messages > self.ceiling:
            return False
        self._promised += messages
        return True


class ColumnCipher:
    """Seals and opens a column's values. Rows go by the 16 bytes of their id."""

    __slots__ = ("open", "open_many", "seal", "seal_many")

    seal: Callable[[bytes, bytes], bytes]
    """(data, row) → envelope. Raises Unavailable beyond what was leased."""
    open: Callable[[bytes, bytes], bytes]
    """(envelope, row) → data. Raises Unreadable for everything that `seal` did not make for this row, column and key."""
    seal_many: Callable[[Iterable[tuple[bytes, bytes]]], list[bytes]]
    """The same of many pairs."""
    open_many: Callable[[Iterable[tuple[bytes, bytes]]], list[bytes]]
    """The same of many pairs."""

    def __init__(
        self,
        key: SecretKey,
        *,
        suite: Suite,
        tenant_id: UUID,
        table: str,
        column: str,
        allowance: Allowance,
    ) -> None:
        """`table` and `column` by their stable names."""
        own = header(suite, key.id)
        used = aead(suite, key.derive(b"field", bytes((suite,)), table.encode(), column.encode()))
        bound = own + place(tenant_id, table, column)
        where = f"{table}.{column}"
        encrypt, decrypt, random, draw = used.encrypt, used.decrypt, os.urandom, allowance.draw
        head, nonce_at, sealed_at, length = HEADER, NONCE, SEALED, NONCE_BYTES

        def seal(data: bytes, row: bytes) -> bytes:
            if draw() > allowance.ceiling:
                _refuse(where)
            nonce = random(length)
            return own + nonce + encrypt(nonce, data, bound + row)

        def open_(envelope: bytes, row: bytes) -> bytes:
            try:
                if envelope[head] == own:
                    return decrypt(envelope[nonce_at], envelope[sealed_at], bound + row)
            except _BROKEN:
                pass
            raise unreadable(where)

        def seal_many(values: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
            return [
                own + (nonce := random(length)) + encrypt(nonce, data, bound + row)
                if draw() <= allowance.ceiling
                else _refuse(where)
                for data, row in values
            ]

        def open_many(envelopes: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
            try:
                return [
                    decrypt(envelope[nonce_at], envelope[sealed_at], bound + row)
                    if envelope[head] == own
                    else _foreign()
                    for envelope, row in envelopes
                ]
            except _BROKEN:
                raise unreadable(where) from None

        self.seal, self.open, self.seal_many, self.open_many = seal, open_, seal_many, open_many


def _foreign() -> NoReturn:
    raise ValueError


def _refuse(where: str) -> NoReturn:
    raise Unavailable(
        "More was sealed than messages were reserved for.",
        where=where,
        hint="Ask the vault for the data key with the number of values to be sealed, and repeat.",
    )
