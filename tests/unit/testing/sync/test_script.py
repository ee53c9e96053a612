"""Scripts on the model and a stub of a server: all come out, and a server's mistake does not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from holdfast.testing.sync.script import (
    Create,
    Delete,
    Device,
    Edit,
    Ending,
    ModelDevice,
    Resend,
    Script,
    Step,
    Sync,
    differences,
    play,
    problems,
    row_id,
    visible,
)
from holdfast.testing.sync.scripts import SCHEMA, SCRIPTS
from holdfast.testing.sync.watermelon import WatermelonClient
from tests.unit.testing.sync.stub import StubHub


def devices(hub: StubHub, script: Script) -> Mapping[str, Device]:
    return {
        name: ModelDevice(WatermelonClient(SCHEMA, source=random.Random(name)), hub.device(name))
        for name in script.devices
    }


async def played(script: Script, *, echo_created: bool = False) -> Ending:
    hub = StubHub(echo_created=echo_created)
    return await play(script, devices(hub, script))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
async def test_every_script_comes_out(script: Script) -> None:
    ending = await played(script)
    assert problems(script, ending) == []
    assert differences(ending, await played(script)) == []


def test_scripts_have_names_of_their_own_and_use_declared_columns() -> None:
    assert [name for name, times in Counter(script.name for script in SCRIPTS).items() if times > 1] == []
    columns = {table.name: set(table.by_name) for table in SCHEMA.tables}
    for script in SCRIPTS:
        for step in script.steps:
            if isinstance(step, Create | Edit):
                assert step.values.keys() <= columns[step.table], script.name
        for table, _ in script.expect:
            assert table in columns, script.name


@pytest.mark.parametrize("fault", ["pull", "push", "ack", "twice", "resend", "pulled", "pushing", "answered"])
def test_every_fault_is_in_some_script(fault: str) -> None:
    def has(step: Step) -> bool:
        if isinstance(step, Sync):
            return fault == step.lose or (fault == "twice" and step.twice) or fault in step.at
        return isinstance(step, Resend) and fault == "resend"

    assert any(has(step) for script in SCRIPTS for step in script.steps)


def test_names_of_rows_become_ids_of_a_device() -> None:
    ids = {row_id(f"row {i}") for i in range(100)}
    assert len(ids) == 100
    assert all(len(one) == 16 and one.isalnum() and one.isascii() for one in ids)
    assert row_id("n") == row_id("n")


async def test_a_server_that_sends_created_is_caught() -> None:
    script = next(one for one in SCRIPTS if one.name == "own_row_deleted_between_push_and_next_pull")
    found = problems(script, await played(script, echo_created=True))
    assert "notes/n is there" in found
    assert any("complains" in line for line in found)


async def test_what_waits_what_differs_and_what_was_not_expected_are_problems() -> None:
    expected = {("notes", "n"): {"title": "y"}, ("notes", "m"): {"title": "y"}, ("notes", "o"): None}
    script = Script(
        "wrong",
        (Create("A", "n", {"title": "x"}), Create("A", "o", {}), Sync("A"), Sync("B")),
        expected,
    )
    ending = await played(script)
    assert problems(script, ending) == ["notes/n.title", "notes/m is gone", "notes/o is there"]
    edited = {
        name: {t: {k: dict(r) for k, r in kept.items()} for t, kept in s.items()}
        for name, s in ending.last.items()
    }
    edited["B"]["notes"][row_id("n")].update(_status="updated", title="z")
    found = problems(Script("wrong", script.steps), Ending(ending.trace, edited, ending.errors))
    place = f"notes/{row_id('n')}"
    assert found == [f"A and B differ: {place}", f"B still has to push {place}"]
    assert differences(ending, Ending(ending.trace, edited, ending.errors)) == [f"end, B: {place}"]


async def test_a_point_that_is_not_reached_is_not_played() -> None:
    script = Script(
        "idle",
        (Sync("A", at={"pushing": (Create("A", "n", {}),), "pulling": (Create("A", "m", {}),)}), Sync("A")),
    )
    ending = await played(script)
    assert set(visible(ending.last["A"])["notes"]) == {row_id("m"), row_id("n")}
    quiet = Script("quiet", (Sync("A", at={"pushing": (Create("A", "n", {}),)}),))
    assert visible((await played(quiet)).last["A"])["notes"] == {}


async def test_a_trace_has_a_moment_for_each_step() -> None:
    script = Script("trace", (Create("A", "n", {}), Delete("A", "n"), Sync("B")))
    ending = await played(script)
    assert [(moment.step, moment.device) for moment in ending.trace] == [(0, "A"), (1, "A"), (2, "B")]
    other = Script("trace", (Create("A", "n", {"rank": 1}), Delete("A", "n"), Sync("B")))
    assert differences(ending, await played(other))[0] == f"step 0, A: notes/{row_id('n')}"
