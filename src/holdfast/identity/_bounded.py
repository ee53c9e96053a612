"""Records by key, at most so many: the state of limiters, which an attacker must not be able to grow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Record = TypeVar("Record")


class BoundedRecords(Generic[Record]):
    """Keeps the most recently stored records. Expired ones go first, then the least recently stored."""

    def __init__(self, max_keys: int) -> None:
        if max_keys < 1:
            raise ValueError("There must be room for one key at least.")
        self._max_keys = max_keys
        self._records: OrderedDict[str, Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def put(self, key: str, record: Record, *, is_expired: Callable[[Record], bool]) -> None:
        """Store a record. From the oldest on, expired ones are dropped, and one more where there is no room."""
        self._records[key] = record
        self._records.move_to_end(key)
        while len(self._records) > 1:
            oldest = next(iter(self._records.values()))
            if len(self._records) <= self._max_keys and not is_expired(oldest):
                return
            self._records.popitem(last=False)

    def discard(self, key: str) -> None:
        self._records.pop(key, None)
