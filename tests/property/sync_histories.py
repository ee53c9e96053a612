"""What the sync machine does: steps as values that can be carried out in any world, and strategies that draw them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hypothesis import strategies as st

from holdfast.errors import StillReferenced
from holdfast.identity.principal import Role
from tests.property.sync_world import Lost, World

Choices = tuple[tuple[int, int], ...]
Point = Literal["pulled", "applied", "pushing", "answered"]
"""The answer of the pull is here and not applied; it is; local changes are collected and not sent; the server has taken them."""


class Step(Protocol):
    """Something that happens."""

    async def apply(self, world: World) -> None: ...


@dataclass(frozen=True)
class Local:
    """On a device: `create`, `edit`, `remove`, `again` (a row that was there before) or `stamp`."""

    rig: int
    kind: Literal["create", "edit", "remove", "again", "stamp"]
    table: str = "cards"
    pick: int = 0
    choices: Choices = ()

    async def apply(self, world: World) -> None:
        rig = world.rigs[self.rig]
        match self.kind:
            case "create":
                world.create(rig, self.table, self.choices, None)
            case "again":
                known = sorted(key for key in world.owners if key[0] == self.table)
                mine = [i for t, i in known if t == "cards" or rig.user in world.owners[t, i]]
                if mine and self.table in {"cards", "notes"}:
                    world.create(rig, self.table, self.choices, mine[self.pick % len(mine)])
            case "edit":
                world.edit(rig, self.table, self.pick, self.choices)
            case "remove":
                world.remove(rig, self.table, self.pick)
            case _:
                world.stamp(rig)


@dataclass(frozen=True)
class Rest:
    """By a person whose program is always connected."""

    user: str
    kind: Literal["create", "edit", "delete", "stamp"]
    table: str = "cards"
    pick: int = 0
    choices: Choices = ()

    async def apply(self, world: World) -> None:
        try:
            match self.kind:
                case "create":
                    await world.rest_create(self.user, self.table, self.choices)
                case "edit":
                    await world.rest_edit(self.user, self.table, self.pick, self.choices)
                case "delete":
                    await world.rest_delete(self.user, self.table, self.pick)
                case _:
                    await world.rest_stamp(self.user)
        except StillReferenced:
            pass


@dataclass(frozen=True)
class Sync:
    """A device synchronises; `at` holds what happens in the middle."""

    rig: int
    lose: Lost | None = None
    push: bool = True
    twice: bool = False
    at: tuple[tuple[Point, tuple[Step, ...]], ...] = ()
    only: str | None = None
    """Push nothing but this table."""

    async def apply(self, world: World) -> None:
        def play(steps: tuple[Step, ...]) -> Callable[[], Awaitable[None]]:
            async def all_of_them() -> None:
                for step in steps:
                    await step.apply(world)

            return all_of_them

        points = {point: play(steps) for point, steps in self.at}
        await world.sync(
            world.rigs[self.rig],
            push=self.push,
            lose=self.lose,
            twice=self.twice,
            at=points,
            only=self.only,
        )


@dataclass(frozen=True)
class While:
    """A device synchronises, and while it reads the answer to its pull, something else happens."""

    rig: int
    step: Step

    async def apply(self, world: World) -> None:
        async def once() -> None:
            await self.step.apply(world)

        world.interlude = once
        await world.sync(world.rigs[self.rig])


@dataclass(frozen=True)
class Held:
    """A push is held before its commit while another device synchronises."""

    rig: int
    other: int

    async def apply(self, world: World) -> None:
        if self.rig != self.other:
            await world.held(world.rigs[self.rig], world.rigs[self.other])


@dataclass(frozen=True)
class Broken:
    """A push fails before the `flush`th commit that it takes."""

    rig: int
    flush: int = 1

    async def apply(self, world: World) -> None:
        await world.broken(world.rigs[self.rig], self.flush)


@dataclass(frozen=True)
class Resend:
    """An old push comes again."""

    rig: int
    place: int

    async def apply(self, world: World) -> None:
        await world.resend(world.rigs[self.rig], self.place)


@dataclass(frozen=True)
class Reinstall:
    """A device begins anew."""

    rig: int

    async def apply(self, world: World) -> None:
        world.reinstall(world.rigs[self.rig])


@dataclass(frozen=True)
class Server:
    """Something of the server's own."""

    kind: Literal["collect", "forget", "epoch", "back_up", "later", "earlier", "promote", "demote", "upgrade"]

    async def apply(self, world: World) -> None:
        match self.kind:
            case "collect":
                await world.collect(90 * 24 * 60)
            case "forget":
                await world.collect(30)
            case "epoch":
                await world.new_epoch()
            case "back_up":
                world.back_up()
            case "later":
                world.tick(1)
            case "earlier":
                world.tick(-1)
            case "promote":
                await world.set_role(Role.ADMIN)
            case "demote":
                await world.set_role(Role.MEMBER)
            case _:
                world.upgrade()


rigs = st.integers(0, 3)
tables = st.sampled_from(["cards", "cards", "cards", "notes", "notes", "files", "folders"])
picks = st.integers(0, 3)
choices = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12)), min_size=1, max_size=3).map(tuple)


@st.composite
def local_steps(draw: st.DrawFn, rig: st.SearchStrategy[int] = rigs) -> Local:
    """Something on a device."""
    kind: Any = draw(st.sampled_from(["edit"] * 5 + ["create", "create", "remove", "stamp", "again"]))
    return Local(draw(rig), kind, draw(tables), draw(picks), draw(choices))


@st.composite
def rest_steps(draw: st.DrawFn) -> Rest:
    """Something by REST."""
    kind: Any = draw(st.sampled_from(["edit"] * 4 + ["create", "delete", "stamp"]))
    return Rest(draw(st.sampled_from(["ann", "bob"])), kind, draw(tables), draw(picks), draw(choices))


@st.composite
def syncs(draw: st.DrawFn) -> Sync:
    """A synchronisation, with what may go wrong."""
    rig = draw(rigs)
    how: Any = draw(
        st.sampled_from(["plain"] * 4 + ["pull", "push", "ack", "ack", "only", "twice", "middle", "middle"])
    )
    if how in {"pull", "push", "ack"}:
        return Sync(rig, lose=how)
    if how != "middle":
        return Sync(rig, push=how != "only", twice=how == "twice")
    point: Any = draw(st.sampled_from(["pulled", "applied", "applied", "pushing", "answered", "answered"]))
    inner: list[st.SearchStrategy[Any]] = [local_steps(st.just(rig))]
    if point in {"applied", "pushing"}:
        inner += [rest_steps(), st.builds(Sync, rigs.filter(lambda other: other != rig))]
    steps = draw(st.lists(st.one_of(*inner), min_size=1, max_size=2).map(tuple))
    lose: Any = draw(st.sampled_from([None, None, "ack"]))
    return Sync(rig, lose=lose, at=((point, steps),))


async def carry_out(world: World, steps: tuple[Step, ...]) -> None:
    """A whole history, to its healed end."""
    await world.begin()
    for step in steps:
        await step.apply(world)
    await world.finish()
