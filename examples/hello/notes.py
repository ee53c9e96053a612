"""What is kept: notes, each of them somebody's."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from holdfast import Entity, Index, MaxLength, Owned, Pack


class Note(Entity, table="notes", policies=(Owned(by="user_id"), Index("title"))):
    """Somebody's note."""

    user_id: UUID | None = None
    title: Annotated[str, MaxLength(200)]


PACK = Pack("hello", (Note,))
