"""How many messages a data key seals, and how processes share the count. Pure.

AES-GCM with random nonces keeps its promise for 2^32 messages a key (NIST SP 800-38D §8.3); a data key here ends at 2^30 of
them or at 90 days, whichever comes first. No write waits for a counter: a process leases a block of messages by raising
`leased` in the key's record, compare-and-set, before it seals the first, and then counts by itself. A process that dies takes
the rest of its lease with it. That is lost, and never given to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Quota:
    """How a kind of key is leased. Leases double from `first` to `largest`: each is as large as all before it, and `first`."""

    first: int
    largest: int
    limit: int = 2**30
    max_age: timedelta = timedelta(days=90)


SUBJECT_QUOTA = Quota(first=2**8, largest=2**20)
"""Of the data keys of one person, who seldom writes much."""
TENANT_QUOTA = Quota(first=2**20, largest=2**20)
"""Of the data keys of a whole tenant."""


@dataclass(frozen=True, slots=True)
class Lease:
    """So many messages, and what `leased` in the record goes from and to."""

    before: int
    messages: int

    @property
    def after(self) -> int:
        """What the record says once the lease is taken."""
        return self.before + self.messages


def next_lease(
    quota: Quota, *, leased: int, wanted: int, created_at: datetime, now: datetime
) -> Lease | None:
    """The lease to take for at least `wanted` messages; None where the key has had its time or cannot give so many."""
    if is_spent(quota, leased=leased, created_at=created_at, now=now):
        return None
    usual = min(quota.largest, leased + quota.first)
    messages = min(max(usual, wanted), quota.limit - leased)
    return Lease(leased, messages) if messages >= wanted else None


def is_spent(quota: Quota, *, leased: int, created_at: datetime, now: datetime) -> bool:
    """Whether nothing more may be sealed under this key: a new one is due."""
    return leased >= quota.limit or now - created_at >= quota.max_age
