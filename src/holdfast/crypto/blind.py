"""Blind indexes: equality search on what is sealed, by a keyed hash that stands beside it.

HMAC-SHA256 under a key derived from the tenant's index root for one column and one mode, over the value's canonical plain form.
Roots are random and no data key's kin; they have versions of their own. What is stored is the root's version in two bytes, then

    unique   all 32 bytes of the hash: equal exactly where the values are, so that it can carry a unique rule
    bucket   its first `bits` bits: some values share them, and whoever searches opens what was found and looks

A fast keyed hash and not a slow one: the key is what guards, and a slow hash makes rotation take hours. What an index gives away
to who reads the medium: which rows of one tenant hold equal values, and how many, of a bucket blurred. Whoever also has the root
can try guesses, so an index entry is deleted when its value is erased.
"""

from __future__ import annotations

from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from holdfast.crypto.envelope import unreadable
from holdfast.crypto.hierarchy import KeyRecord
from holdfast.crypto.secret import SecretKey

Mode = Literal["unique", "bucket"]

FORM: Final = 1
"""What is hashed: 1 is the canonical plain form as it is. Part of the key, so that another form cannot be taken for it."""
BUCKET_BITS: Final = 12
"""Right for 8,192 rows a tenant to sixteen million: see `bucket_bits`."""
VERSION_BYTES: Final = 2


def bucket_bits(rows: int) -> int:
    """How many bits a bucket index of so many rows has: two rows a bucket at least, so that none stands for one value, and
    fewer than √rows, so that a search opens few (2 ≤ rows / 2^bits < √rows; the rule is CipherSweet's). 0: below sixteen rows there is no such number.
    """
    return (rows // 2).bit_length() - 1 if rows >= 16 else 0


class IndexRoot:
    """One version of a tenant's root for blind indexes, in use."""

    __slots__ = ("_columns", "_key", "record")

    def __init__(self, key: SecretKey, record: KeyRecord) -> None:
        self.record = record
        self._key = key
        self._columns: dict[tuple[str, str, Mode, int], BlindIndex] = {}

    def index(self, table: str, column: str, mode: Mode, *, bits: int = BUCKET_BITS) -> BlindIndex:
        """A column's index, by stable names; made once. Raises Unreadable once destroyed."""
        found = self._columns.get((table, column, mode, bits))
        if found is None:
            if self._key.is_destroyed:
                raise unreadable(f"{table}.{column}")
            label = (b"blind", bytes((FORM,)), mode.encode(), table.encode(), column.encode())
            found = self._columns[table, column, mode, bits] = BlindIndex(
                self._key.derive(*label), self.record.version, bits=256 if mode == "unique" else bits
            )
        return found

    def destroy(self) -> None:
        """Forget the root and every index made of it."""
        self._columns.clear()
        self._key.destroy()

    def __repr__(self) -> str:
        return f"IndexRoot({self.record.id.hex()})"


class BlindIndex:
    """What stands in the index for a value."""

    __slots__ = ("_bits", "_empty", "_prefix")

    def __init__(self, key: bytes, version: int, *, bits: int) -> None:
        if not 1 <= bits <= 256:
            raise ValueError("An index has 1 to 256 bits.")
        self._empty = HMAC(
            key, SHA256()
        )  # copied for each value: setting the key up costs more than hashing a field
        self._prefix = version.to_bytes(VERSION_BYTES, "big")
        self._bits = bits

    def entry(self, canonical: bytes) -> bytes:
        """The entry of a value in canonical plain form. Secret like the value: it goes into no log."""
        hashing = self._empty.copy()
        hashing.update(canonical)
        digest = hashing.finalize()
        if self._bits == 256:
            return self._prefix + digest
        whole, rest = divmod(self._bits, 8)
        kept = digest[:whole]
        if rest:
            kept += bytes((digest[whole] & (0xFF00 >> rest) & 0xFF,))
        return self._prefix + kept

    def __repr__(self) -> str:
        return f"BlindIndex(version={int.from_bytes(self._prefix, 'big')}, bits={self._bits})"
