"""Who acts: a user in one tenant, with the role held there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a member is in a tenant, from most to least powerful. Comparison is by power, never by spelling."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"

    @property
    def rank(self) -> int:
        """0 for a viewer, and one more for each step up."""
        return _RANKS[self]

    # A StrEnum inherits the order of text, in which "admin" < "viewer". All four are overridden, and plain text is
    # refused, so that no comparison falls back on it.
    def __lt__(self, other: str) -> bool:
        return self.rank < _rank_of(other)

    def __le__(self, other: str) -> bool:
        return self.rank <= _rank_of(other)

    def __gt__(self, other: str) -> bool:
        return self.rank > _rank_of(other)

    def __ge__(self, other: str) -> bool:
        return self.rank >= _rank_of(other)


_RANKS = {role: rank for rank, role in enumerate(reversed(Role))}


def _rank_of(other: str) -> int:
    if not isinstance(other, Role):
        raise TypeError("A role is compared with a role only.")
    return other.rank


@dataclass(frozen=True, slots=True)
class Principal:
    """A user acting in one tenant.

    `session_id` is None for whoever acts without a login session (an API key, a job on a user's behalf);
    `device` names the device that the session belongs to, where it is known.
    """

    user_id: UUID
    tenant_id: UUID
    session_id: UUID | None
    role: Role
    device: str | None
