"""`SecretKey`: 256 bits that are passed from hand to hand and never shown.

Python cannot promise that memory is cleared (`cryptography` says the same of itself); what can be promised is that a key
gets into no log, error, pickle or copy by accident, and that the bytes which this object holds are overwritten on request.
"""

from __future__ import annotations

import hmac
import os
from typing import Final, NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES: Final = 32
ID_BYTES: Final = 16
_PRODUCT: Final = b"holdfast/1"


def framed(*parts: bytes) -> bytes:
    """Each part behind its length in two bytes: no two sequences of parts have the same bytes."""
    return b"".join([len(part).to_bytes(2, "big") + part for part in parts])


class SecretKey:
    """A 256-bit key. It has no text form, cannot be pickled or copied, and is compared in constant time."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes | bytearray) -> None:
        """Raise ValueError for another length."""
        if len(raw) != KEY_BYTES:
            raise ValueError(f"A key has {KEY_BYTES} bytes.")
        self._raw = bytearray(raw)

    @classmethod
    def generate(cls) -> SecretKey:
        """A new key from the operating system's randomness."""
        return cls(os.urandom(KEY_BYTES))

    def reveal(self) -> bytes:
        """The bytes themselves, for a cipher or a provider. Raises ValueError once destroyed."""
        if not self._raw:
            raise ValueError("This key has been destroyed.")
        return bytes(self._raw)

    def derive(self, *label: bytes, length: int = KEY_BYTES) -> bytes:
        """A key or name for one purpose, by a label of several parts."""
        return self.expand(framed(_PRODUCT, *label), length)

    def expand(self, info: bytes, length: int) -> bytes:
        """HKDF-Expand with SHA-256 (RFC 5869 §2.3). This key is uniform, so there is nothing to extract."""
        return HKDFExpand(SHA256(), length, info).derive(self.reveal())

    @property
    def id(self) -> bytes:
        """What names this key: derived from it, so that no other key can go by the name."""
        return self.derive(b"key-id", length=ID_BYTES)

    @property
    def check(self) -> bytes:
        """32 bytes that tell this key from any other: kept beside its wrap, because an id of 16 is also a name."""
        return self.derive(b"check")

    @property
    def is_destroyed(self) -> bool:
        """Whether `destroy` was called."""
        return not self._raw

    def destroy(self) -> None:
        """Overwrite what this object holds. What was revealed or derived before is not reached."""
        for index in range(len(self._raw)):
            self._raw[index] = 0
        self._raw.clear()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretKey) and hmac.compare_digest(self._raw, other._raw)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "SecretKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not copied or pickled.")
