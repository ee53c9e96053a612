"""Takes away what has run out: sessions and their families, verifications nobody answered, failures long ago.

Whoever guesses at names leaves a row of failures for each. Everything here may be repeated and stopped at any point.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from holdfast.accounts.directory import Directory
from holdfast.accounts.entities import LoginFailures, LoginSession, RefreshFamily, Verification
from holdfast.errors import NotFound, StaleVersion

_GROUP: Final = 50
_EXPIRING: Final = (Verification, LoginFailures, RefreshFamily, LoginSession)


async def sweep(directory: Directory, *, now: datetime) -> int:
    """Delete every row that ran out before `now`; returns how many."""
    return sum([await _sweep(directory, entity, now) for entity in _EXPIRING])


async def _sweep(
    directory: Directory,
    entity: type[Verification | LoginFailures | RefreshFamily | LoginSession],
    now: datetime,
) -> int:
    removed = 0
    while True:
        async with directory.open("sweep the realm") as session:
            page = await session.select(entity, {"expires_at__lt": now}, sort="expires_at", limit=_GROUP)
        for row in page.items:
            try:
                async with directory.open("sweep the realm") as session:
                    await session.delete(entity, row.id, if_version=row.version)
                removed += 1
            except (NotFound, StaleVersion):
                continue  # somebody else has swept it, or it has been used again
        if len(page.items) < _GROUP:
            return removed
