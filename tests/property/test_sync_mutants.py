"""The checkers are checked: a hub with a mistake in it does not pass them, whichever of the known mistakes it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from holdfast.errors import HoldfastError
from holdfast.testing.conformance import first_revision
from holdfast.testing.memory import MemoryHarness
from tests.property.sync_checkers import Broken
from tests.property.sync_entities import CATALOG
from tests.property.sync_histories import Step, carry_out
from tests.property.sync_mutants import HARMLESS, MUTANTS, Mutant
from tests.property.sync_world import World

FEWEST = 20


async def play(steps: tuple[Step, ...], *, shared: bool = False) -> None:
    harness = MemoryHarness()
    engine = await harness.make_engine(first_revision(CATALOG))
    await carry_out(World(harness, engine, 1, shared=shared), steps)


def caught(mutant: Mutant) -> str | None:
    """What went wrong with the mistake in it; None where nothing did."""
    with mutant.change():
        try:
            asyncio.run(play(mutant.steps, shared=mutant.shared))
        except (Broken, HoldfastError) as error:
            return str(error)
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_history_is_sound_without_the_mistake(mutant: Mutant) -> None:
    asyncio.run(play(mutant.steps, shared=mutant.shared))


@pytest.mark.parametrize("steps", HARMLESS)
def test_other_histories_are_sound(steps: tuple[Step, ...]) -> None:
    asyncio.run(play(steps))


def test_every_mistake_is_caught(record_property: Callable[[str, object], None]) -> None:
    found = {mutant.name: caught(mutant) for mutant in MUTANTS}
    missed = [name for name, what in found.items() if what is None]
    record_property("mutants caught", f"{len(found) - len(missed)} of {len(found)}")
    assert len(found) >= FEWEST
    assert not missed, f"not caught: {missed}"
