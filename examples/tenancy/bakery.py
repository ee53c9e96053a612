"""What two companies keep here: a list of prices for all of theirs, and what each person notes down."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from holdfast import Digits, Entity, Index, MaxLength, Owned, Pack, Shared


class Price(Entity, table="prices", policies=(Shared(write="admin"), Index("item"))):
    """Everybody in the tenant reads it; administrators and owners write it."""

    item: Annotated[str, MaxLength(80)]
    amount: Annotated[Decimal, Digits(9, 2)]


class Remark(Entity, table="remarks", policies=(Owned(by="user_id"), Index("text"))):
    """One person's, whatever role others have."""

    user_id: UUID | None = None
    text: Annotated[str, MaxLength(200)]


PACK = Pack("bakery", (Price, Remark))
