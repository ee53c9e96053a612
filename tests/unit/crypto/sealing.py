"""What the tests of sealing begin with."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from holdfast.crypto.cipher import Allowance, ColumnCipher
from holdfast.crypto.envelope import Suite
from holdfast.crypto.secret import SecretKey
from holdfast.model.ids import new_id

TENANT = UUID("0198c0de-0000-7000-8000-000000000001")
OTHER_TENANT = UUID("0198c0de-0000-7000-8000-000000000002")
PERSON = UUID("0198c0de-0000-7000-8000-0000000000a1")
ROW = UUID("0198c0de-0000-7000-8000-0000000000f1").bytes
AT = datetime(2026, 3, 1, tzinfo=UTC)

REPOSITORY = Path(__file__).resolve().parents[3]
WYCHEPROOF = Path("shared") / "data" / "wycheproof"


def cipher(
    key: SecretKey | None = None,
    *,
    suite: Suite = Suite.AES_256_GCM,
    tenant_id: UUID = TENANT,
    table: str = "finance.transactions",
    column: str = "merchant",
    messages: int = 1_000_000,
) -> ColumnCipher:
    """A cipher with messages to spend."""
    allowance = Allowance()
    allowance.add(messages)
    return ColumnCipher(
        key or SecretKey.generate(),
        suite=suite,
        tenant_id=tenant_id,
        table=table,
        column=column,
        allowance=allowance,
    )


def fresh_row() -> bytes:
    """The bytes of a new row's id."""
    return new_id().bytes


def wycheproof(name: str) -> list[dict[str, Any]]:
    """The groups of one of Wycheproof's files, looked for beside the repository; none where it is not there."""
    for folder in list(REPOSITORY.parents)[:2]:
        file = folder / WYCHEPROOF / name
        if file.is_file():
            groups: list[dict[str, Any]] = orjson.loads(file.read_bytes())["testGroups"]
            return groups
    return []


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit of theirs turned."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def random_bytes(length: int) -> bytes:
    """Bytes that nobody has sealed."""
    return os.urandom(length)
