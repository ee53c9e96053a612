"""The reference: the statements that the engine runs, written down by hand on the driver.

It enters the tenant as the engine must, calls the same generated function to write, and copies out by the same SELECT; it
validates nothing, plans nothing, hashes nothing, and knows one tenant.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from holdfast.engines.port import Selection
from holdfast.engines.postgres._names import plan_name
from holdfast.engines.postgres._stream import text_of
from holdfast.model.ids import new_id
from holdfast.model.schema import EntitySchema
from holdfast.tenancy.scope import Scope

COLUMNS = "id, version, created_at, updated_at, name, shelf, label, position, settings"
GET = f"select {COLUMNS} from kit.boards where id = $1 and tenant_id = $2"
LIST = f"select {COLUMNS} from kit.boards where tenant_id = $1 order by id limit $2"
NAMES = COLUMNS.split(", ")


class ByHand:
    """One connection, with the login that serves."""

    def __init__(self, connection: asyncpg.Connection, schema: EntitySchema, scope: Scope) -> None:
        assert scope.user_id is not None
        self._connection = connection
        self._tenant = scope.tenant_id
        self._user = str(scope.user_id)
        self._context = f"{scope.tenant_id} {scope.user_id}"
        self._enter = (
            f"set local app.tenant_id = '{scope.tenant_id}'; set local app.user_id = '{scope.user_id}'"
        )
        self._list = f"select * from {plan_name(schema, 'list')}($1, $2, $3)"
        self._create = f"select * from {plan_name(schema, 'create')}($1, $2)"
        self._all = text_of(scope, Selection(schema))

    @classmethod
    async def open(cls, login: str, schema: EntitySchema, scope: Scope) -> ByHand:
        return cls(await asyncpg.connect(login), schema, scope)

    async def get(self, row_id: UUID) -> dict[str, Any]:
        run = self._connection
        await run.execute(f"begin isolation level repeatable read read only; {self._enter}")
        record = await run.fetchrow(GET, row_id, self._tenant)
        await run.execute("commit")
        row = dict(zip(NAMES, record, strict=True))
        row["settings"] = orjson.loads(row["settings"])
        return row

    async def list(self, limit: int) -> bytes:
        ((body, _),) = await self._connection.fetch(self._list, self._context, limit, None)
        return str(body).encode()

    async def pull(self) -> int:
        """All rows as devices read them."""
        size = 0

        async def pour(chunk: bytes) -> None:
            nonlocal size
            size += len(chunk)

        run = self._connection
        await run.execute(f"begin isolation level repeatable read read only; {self._enter}")
        await run.copy_from_query(self._all, output=pour, format="csv", delimiter="\x01", quote="\x02")
        await run.execute("commit")
        return size

    async def put(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """New rows in one call."""
        now = datetime.now(UTC).isoformat()
        writes = [
            {
                "u": self._user,
                "a": self._user,
                "d": None,
                "at": now,
                "id": str(new_id()),
                "s": "\\x" + "00" * 16,
                "c": "\\x" + "00" * 32,
                "v": {"name": name, "shelf": shelf, "label": "l", "position": position, "settings": {}},
            }
            for name, shelf, position in rows
        ]
        await self._connection.fetch(self._create, self._context, orjson.dumps(writes).decode())

    async def close(self) -> None:
        await self._connection.close()
