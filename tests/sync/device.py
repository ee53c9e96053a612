"""A device in a few lines: it keeps its cursor, and applies what it pulls as WatermelonDB does to clean rows."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp

from holdfast.model.ids import parse_id
from tests.api_platform import Deployment, client_of

Row = dict[str, Any]
_LETTERS = string.ascii_letters + string.digits
_random = random.Random(7)


def new_row_id() -> str:
    """What WatermelonDB makes: sixteen letters and digits."""
    return "".join(_random.choices(_LETTERS, k=16))


def job(**fields: Any) -> Row:
    """A new job, as a device holds it."""
    return {"id": new_row_id(), "title": "Paint the fence", **fields}


def account(**fields: Any) -> Row:
    """A new financial account, as a device holds it."""
    return {"id": new_row_id(), "name": "Everyday", "account_type": "checking", **fields}


def edited(row: Row, **fields: Any) -> Row:
    """The row as WatermelonDB pushes an edit of it."""
    return {**row, **fields, "_status": "updated", "_changed": ",".join(fields)}


class Device:
    """Speaks to the API as somebody, on a local database that has a name or has none. `rows` is what it holds."""

    def __init__(self, app: ASGIApp, token: str, name: str | None = None) -> None:
        self.client = client_of(app, token)
        if name is not None:
            self.client.headers["x-holdfast-device"] = name
        self.cursor: int | None = None
        self.rows: dict[str, dict[str, Row]] = {}
        self.last: Any = {}

    async def ask_pull(self, **parameters: Any) -> httpx.Response:
        """The bare answer to a pull."""
        given = {"last_pulled_at": "null" if self.cursor is None else str(self.cursor), **parameters}
        return await self.client.get("/api/v1/sync/pull", params=given)

    async def ask_push(self, changes: Any, **parameters: Any) -> httpx.Response:
        """The bare answer to a push."""
        given = {"last_pulled_at": "null" if self.cursor is None else str(self.cursor), **parameters}
        return await self.client.post("/api/v1/sync/push", params=given, json=changes)

    async def pull(self, **parameters: Any) -> dict[str, Any]:
        """Pull, take over what has come and the new cursor; returns the changes."""
        answer = await self.ask_pull(**parameters)
        assert answer.status_code == 200, answer.text
        self.last = answer.json()
        check_shape(self.last, first=self.cursor is None)
        self.cursor = self.last["timestamp"]
        changes: dict[str, Any] = self.last["changes"]
        for table, arrays in changes.items():
            mine = self.rows.setdefault(table, {})
            for row in (*arrays["created"], *arrays["updated"]):
                mine[row["id"]] = row
            for row_id in arrays["deleted"]:
                mine.pop(row_id, None)
        return changes

    async def push(self, **tables: Any) -> dict[str, Any]:
        """Push `table={"created": […], …}`; a table of which only rows are given has them in `updated`."""
        answer = await self.ask_push(as_changes(tables))
        assert answer.status_code == 200, answer.text
        for table, arrays in as_changes(tables).items():
            mine = self.rows.setdefault(table, {})
            for row in (*arrays["created"], *arrays["updated"]):
                clean = {name: value for name, value in row.items() if not name.startswith("_")}
                mine[row["id"]] = {**mine.get(row["id"], {}), **clean}
            for row_id in arrays["deleted"]:
                mine.pop(row_id, None)
        told: dict[str, Any] = answer.json()
        return told

    async def sync(self, **tables: Any) -> dict[str, Any]:
        """As the client does it: pull, then push."""
        await self.pull()
        return await self.push(**tables)

    async def conflicts(self, state: str = "open") -> list[dict[str, Any]]:
        """What stands in the inbox."""
        answer = await self.client.get("/api/v1/sync/conflicts", params={"state": state})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def resolve(self, conflict: str, **body: Any) -> httpx.Response:
        """Decide on a conflict."""
        return await self.client.post(f"/api/v1/sync/conflicts/{conflict}/resolve", json=body)


NewDevice = Callable[..., Device]


def as_changes(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Changes with all three arrays."""
    empty: dict[str, Any] = {"created": [], "updated": [], "deleted": []}
    return {t: {**empty, **({"updated": c} if isinstance(c, list) else c)} for t, c in tables.items()}


def created(*rows: Row) -> dict[str, Any]:
    """The rows as new ones, in the form in which the client pushes them."""
    return {"created": [{**row, "_status": "created", "_changed": ""} for row in rows]}


def deleted(*ids: str) -> dict[str, Any]:
    """The ids as deleted ones."""
    return {"deleted": list(ids)}


def ids_of(arrays: Mapping[str, Any] | None) -> list[str]:
    """The ids of all rows that come."""
    return [] if arrays is None else [row["id"] for row in (*arrays["created"], *arrays["updated"])]


def check_shape(answer: Mapping[str, Any], *, first: bool) -> None:
    """What must hold of every pull."""
    assert set(answer) <= {"changes", "timestamp", "experimentalHasMore", "experimentalStrategy"}
    assert isinstance(answer["timestamp"], int)
    assert 1 <= answer["timestamp"] < 2**53
    for table, arrays in answer["changes"].items():
        assert set(arrays) == {"created", "updated", "deleted"}, table
        ids = [*ids_of(arrays), *arrays["deleted"]]
        assert all(isinstance(row_id, str) for row_id in ids)
        assert len(ids) == len(set(ids)), f"{table}: an id comes twice"
        assert not first or arrays["deleted"] == []
        for row in (*arrays["created"], *arrays["updated"]):
            assert not {"_status", "_changed", "version"} & set(row)
            assert all(v is None or isinstance(v, str | int | float | bool) for v in row.values())


async def stored_row(deployment: Deployment, entity: str, row_id: str) -> Row | None:
    """A row as the memory engine holds it, whoever's it is."""
    wanted = parse_id(row_id)
    found = [s.row for (_, i), s in deployment.engine.data.tables[entity].items() if i == wanted]
    return found[0] if found else None
