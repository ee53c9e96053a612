"""Scenarios as data, and the runner that plays one on devices of any kind.

    script = Script("lost_acknowledgement", (
        Create("A", "n", {"title": "x"}),
        Sync("A", lose="ack"),
        Sync("B"),
    ), expect={("notes", "n"): {"title": "x"}})
    ending = await play(script, {"A": device_a, "B": device_b})
    assert problems(script, ending) == []

The same script on two kinds of device, each with a server of its own, must leave the same traces: `differences`. Rows have
names in a script; `row_id` gives the id that a name stands for, the same in every run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from holdfast.testing.sync.schema import Value, same
from holdfast.testing.sync.watermelon import AsyncTransport, PushRequest, WatermelonClient

Point: TypeAlias = Literal["pulling", "pulled", "pushing", "answered"]
"""Before anything is asked; the answer is here and not applied; local changes are collected and not sent; the server has
taken them and the device has not been told."""
Lost: TypeAlias = Literal["pull", "push", "ack"]
"""The pull's answer; the push before it arrives; the push's answer."""

HEALING = 2
"""How often each device synchronises when all faults are over."""

_ID_LENGTH = 16
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Create:
    """The device makes a row."""

    device: str
    row: str
    values: Mapping[str, Value] = field(default_factory=dict)
    table: str = "notes"


@dataclass(frozen=True, slots=True)
class Edit:
    """The device sets some columns."""

    device: str
    row: str
    values: Mapping[str, Value]
    table: str = "notes"


@dataclass(frozen=True, slots=True)
class Delete:
    """The device deletes a row."""

    device: str
    row: str
    table: str = "notes"


@dataclass(frozen=True, slots=True)
class Sync:
    """The device synchronises. `at` holds what happens in the middle, on this device or on others."""

    device: str
    at: Mapping[Point, Sequence[Step]] = field(default_factory=dict)
    lose: Lost | None = None
    twice: bool = False
    """The network delivers the push twice; the device is told the second answer."""


@dataclass(frozen=True, slots=True)
class Resend:
    """The network delivers an old push of the device again; nobody reads the answer. `push` counts from 0, or back from -1."""

    device: str
    push: int


Step: TypeAlias = Create | Edit | Delete | Sync | Resend


@dataclass(frozen=True, slots=True)
class Script:
    """A scenario. `expect` says what must hold in the end under any rule of merging: some columns, or None for no row."""

    name: str
    steps: tuple[Step, ...]
    expect: Mapping[tuple[str, str], Mapping[str, Value] | None] = field(default_factory=dict)

    @property
    def devices(self) -> tuple[str, ...]:
        """Who takes part, in the order of their first step."""
        return tuple(dict.fromkeys(_devices(self.steps)))


Stored: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Table, id, row: all that a device has stored, with sync columns, deletes that wait too."""
Play: TypeAlias = Callable[[Point], Awaitable[None]]


class Device(Protocol):
    """What can play a script. A device has synchronised never when the script begins."""

    async def create(self, table: str, row_id: str, values: Mapping[str, Value]) -> None:
        """Make a row under the given id."""
        ...

    async def edit(self, table: str, row_id: str, values: Mapping[str, Value]) -> None:
        """Set columns, in the order given."""
        ...

    async def delete(self, table: str, row_id: str) -> None:
        """Mark a row as deleted."""
        ...

    async def sync(self, step: Sync, play: Play) -> None:
        """Synchronise with the step's faults; `play` runs what is to happen at a point, and is called for each in `at`.

        A point that is not reached (nothing to push) is not played. A loss that the step orders is no error.
        """
        ...

    async def resend(self, push: int) -> None:
        """Send an old push again, byte for byte."""
        ...

    async def stored(self) -> Stored:
        """All that is stored."""
        ...

    async def errors(self) -> Sequence[str]:
        """What it has logged as errors since it was made."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """What a device had stored after a step."""

    step: int
    device: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Ending:
    """How a script ended: every moment, the last of each device, and complaints."""

    trace: tuple[Moment, ...]
    last: Mapping[str, Stored]
    errors: Mapping[str, tuple[str, ...]]


def row_id(name: str) -> str:
    """The id of the row that a script calls `name`: sixteen letters and digits."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
    digits = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_LETTERS))
        digits.append(_LETTERS[digit])
    return "".join(digits)


async def play(script: Script, devices: Mapping[str, Device]) -> Ending:
    """Play a script, let everyone synchronise twice, and say how it ended."""
    trace: list[Moment] = []
    for index, step in enumerate(script.steps):
        await _perform(step, devices)
        trace.append(Moment(index, step.device, await devices[step.device].stored()))
    for _ in range(HEALING):
        for name in script.devices:
            await _perform(Sync(name), devices)
    last = {name: await devices[name].stored() for name in script.devices}
    errors = {name: tuple(await devices[name].errors()) for name in script.devices}
    return Ending(tuple(trace), last, errors)


async def _perform(step: Step, devices: Mapping[str, Device]) -> None:
    device = devices[step.device]
    match step:
        case Create():
            await device.create(step.table, row_id(step.row), step.values)
        case Edit():
            await device.edit(step.table, row_id(step.row), step.values)
        case Delete():
            await device.delete(step.table, row_id(step.row))
        case Resend():
            await device.resend(step.push)
        case Sync():

            async def middle(point: Point) -> None:
                for inner in step.at.get(point, ()):
                    await _perform(inner, devices)

            await device.sync(step, middle)


def problems(script: Script, ending: Ending) -> list[str]:
    """What must not be after a script: devices that differ, changes that wait, complaints, or an end not as expected."""
    found: list[str] = []
    first, *others = script.devices
    rows = {name: visible(stored) for name, stored in ending.last.items()}
    for name in others:
        found += [f"{first} and {name} differ: {place}" for place in _differing(rows[first], rows[name])]
    for name, stored in ending.last.items():
        waiting = [
            f"{table}/{key}"
            for table, kept in stored.items()
            for key, raw in kept.items()
            if raw["_status"] != "synced"
        ]
        found += [f"{name} still has to push {place}" for place in waiting]
        found += [f"{name} complains: {line}" for line in ending.errors[name]]
    for (table, row), columns in script.expect.items():
        found += _unexpected(rows[first].get(table, {}).get(row_id(row)), columns, f"{table}/{row}")
    return found


def differences(left: Ending, right: Ending) -> list[str]:
    """Where two runs of one script part: in any moment, or at the end."""
    found: list[str] = []
    for mine, theirs in zip(left.trace, right.trace, strict=True):
        places = _differing(mine.stored, theirs.stored)
        found += [f"step {mine.step}, {mine.device}: {place}" for place in places]
    for name, stored in left.last.items():
        found += [f"end, {name}: {place}" for place in _differing(stored, right.last[name])]
    return found


def visible(stored: Stored) -> dict[str, dict[str, dict[str, Any]]]:
    """What an application sees of what is stored."""
    return {
        table: {
            key: {name: value for name, value in raw.items() if name not in {"_status", "_changed"}}
            for key, raw in kept.items()
            if raw.get("_status") != "deleted"
        }
        for table, kept in stored.items()
    }


def _unexpected(
    found: Mapping[str, Any] | None, columns: Mapping[str, Value] | None, place: str
) -> list[str]:
    if columns is None or found is None:
        return [] if (columns is None) == (found is None) else [f"{place} is {'there' if found else 'gone'}"]
    return [f"{place}.{name}" for name, value in columns.items() if not same(found.get(name), value)]


def _differing(left: Stored, right: Stored) -> list[str]:
    places = [
        f"{table}/{key}"
        for table in left.keys() | right.keys()
        for key in left.get(table, {}).keys() | right.get(table, {}).keys()
        if not _same_row(left.get(table, {}).get(key), right.get(table, {}).get(key))
    ]
    return sorted(places)


def _same_row(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)


def _devices(steps: Sequence[Step]) -> list[str]:
    names: list[str] = []
    for step in steps:
        names.append(step.device)
        if isinstance(step, Sync):
            for inner in step.at.values():
                names += _devices(inner)
    return names


class ModelDevice:
    """The model, as a script plays it. What it sends goes through JSON text, as on a wire."""

    def __init__(self, client: WatermelonClient, transport: AsyncTransport) -> None:
        """`client` is new; `transport` reaches the server as this device."""
        self.client = client
        self._transport = transport
        self._sent: list[PushRequest] = []

    async def create(self, table: str, row_id: str, values: Mapping[str, Value]) -> None:
        """See the protocol."""
        self.client.create(table, values, row_id=row_id)

    async def edit(self, table: str, row_id: str, values: Mapping[str, Value]) -> None:
        """See the protocol."""
        self.client.update(table, row_id, values)

    async def delete(self, table: str, row_id: str) -> None:
        """See the protocol."""
        self.client.mark_as_deleted(table, row_id)

    async def sync(self, step: Sync, play: Play) -> None:
        """See the protocol."""
        sync = self.client.begin()
        await play("pulling")
        for request in sync.pulls():
            answer = await self._transport.pull(request)
            await play("pulled")
            if step.lose == "pull":
                return
            sync.apply_pull(answer)
        sent = sync.push_request()
        if sent is None:
            return
        await play("pushing")
        if step.lose == "push":
            return
        on_wire = PushRequest(json.loads(json.dumps(sent.changes)), sent.last_pulled_at)
        self._sent.append(on_wire)
        accepted = await self._transport.push(on_wire)
        if step.twice:
            accepted = await self._transport.push(on_wire)
        await play("answered")
        if step.lose != "ack":
            sync.finish(accepted)

    async def resend(self, push: int) -> None:
        """See the protocol."""
        await self._transport.push(self._sent[push])

    async def stored(self) -> Stored:
        """See the protocol."""
        database = self.client.database
        return {
            table: {key: dict(record.raw) for key, record in records.items()}
            for table, records in database.records.items()
        }

    async def errors(self) -> Sequence[str]:
        """See the protocol."""
        return [line.kind for line in self.client.errors]
