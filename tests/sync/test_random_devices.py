"""Stock clients that edit, delete, lose answers and edit while they push: afterwards all hold the same, and no sum is off."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.api_platform import Deployment
from tests.sync.device import NewDevice
from tests.sync.stock import Stock

EMPTY: dict[str, Any] = {
    "title": "new",
    "note": None,
    "badge": None,
    "high": None,
    "low": None,
    "hours": 0,
    "cost": None,
    "tags": "[]",
    "facts": "{}",
    "ruling": None,
    "rank": None,
    "parent_id": None,
    "created_at": 5,
    "updated_at": 5,
}


class World:
    """Three devices of two people, what they did, and what must have become of it."""

    def __init__(self, device: NewDevice, seed: int, *, deletes: bool, fault: str) -> None:
        self.choose = random.Random(seed)
        self.deletes = deletes
        self.fault = fault
        names = [("ada", "phone"), ("ada", "tablet"), ("ben", "ben's")]
        self.stocks = [Stock(device(*name), "jobs", EMPTY) for name in names]
        self.hours: dict[str, int] = {}
        self.tags: dict[str, set[str]] = {}
        self.high: dict[str, int] = {}
        self.serial = 0
        self.unlucky: frozenset[Stock] = frozenset()

    def act(self, stock: Stock) -> None:
        """One thing that a person does."""
        alive = stock.alive()
        what = self.choose.random()
        if not alive or what < 0.15:
            row_id = stock.create()
            self.hours[row_id], self.tags[row_id], self.high[row_id] = 0, set(), 0
            return
        row_id = self.choose.choice(alive)
        raw = stock.records[row_id].raw
        self.serial += 1
        if what < 0.45:
            more = self.choose.randint(1, 3)
            self.hours[row_id] += more
            stock.edit(row_id, hours=raw["hours"] + more)
        elif what < 0.65:
            tag = f"t{self.serial}"
            self.tags[row_id].add(tag)
            stock.edit(row_id, tags=json.dumps([*json.loads(raw["tags"]), tag], separators=(",", ":")))
        elif what < 0.75:
            self.high[row_id] = max(self.high[row_id], self.serial)
            stock.edit(row_id, high=self.serial)
        elif what < 0.85:
            stock.edit(row_id, title=f"title {self.serial}", badge=f"b{self.serial}")
        elif what < 0.92:
            stock.edit(row_id, ruling=f"r{self.serial}", note=f"n{self.serial}")
        elif self.deletes:
            stock.delete(row_id)

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            stock = self.choose.choice(self.stocks)
            if self.choose.random() < 0.6:
                self.act(stock)
            else:
                lost = self.fault == "lost" and stock not in self.unlucky and self.choose.random() < 0.3
                self.unlucky = self.unlucky | {stock} if lost else self.unlucky - {stock}
                busy = self.fault == "busy" and self.choose.random() < 0.3
                await stock.sync(lost=lost, meanwhile=self.act if busy else None)
        for _ in range(4):
            for stock in self.stocks:
                await stock.sync()


@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("fault", ["none", "lost", "busy"])
@pytest.mark.parametrize("seed", range(3))
async def test_all_end_with_the_same(
    deployment: Deployment, device: NewDevice, seed: int, deletes: bool, fault: str
) -> None:
    """With answers that get lost, or with edits while a push is under way."""
    world = World(device, seed, deletes=deletes, fault=fault)
    await world.run(120)
    fresh = device("ada", "fresh")
    await fresh.pull()
    server = fresh.rows.get("jobs", {})
    for stock in world.stocks:
        assert not stock.dirty
        assert {i: r.raw for i, r in stock.records.items()} == server
    assert server.keys() == server.keys() & world.hours.keys()
    assert deletes or server.keys() == world.hours.keys()
    for row_id, row in server.items():
        assert row["hours"] == world.hours[row_id]
        assert set(json.loads(row["tags"])) == world.tags[row_id]
        assert (row["high"] or 0) == world.high[row_id]
