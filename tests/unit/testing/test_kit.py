"""The kit itself: the suite leaves no test out and lets none hide another; strategies draw what is declared."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdfast.engines import port
from holdfast.model.plain import normalise_fields
from holdfast.model.steps import CreateEntity, CreateLog, CreatePlans, CreateTombstones
from holdfast.testing import conformance
from holdfast.testing.clock import START, ManualClock
from holdfast.testing.conformance import EngineConformance, first_revision
from holdfast.testing.conformance import port as port_tests
from holdfast.testing.conformance import store as store_tests
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import CATALOG, File, Specimen
from holdfast.testing.strategies import declared_values, entities, patches


def suite_classes() -> list[type[EngineTests]]:
    found: list[type[EngineTests]] = []
    for package in (port_tests, store_tests):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            loaded = importlib.import_module(module.name)
            classes = (kind for _, kind in inspect.getmembers(loaded, inspect.isclass))
            found += [c for c in classes if issubclass(c, EngineTests) and c.__module__ == module.name]
    return found


def names_in(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


def test_the_suite_holds_every_test_class() -> None:
    classes = suite_classes()
    assert len(classes) > 20
    assert set(classes) <= set(EngineConformance.__mro__)
    assert all(names_in(kind) for kind in classes)


def test_no_test_of_the_suite_hides_another_of_its_name() -> None:
    names = Counter(name for kind in suite_classes() for name in names_in(kind))
    assert [name for name, times in names.items() if times > 1] == []


def test_every_test_of_the_suite_is_asynchronous() -> None:
    """A test that is not would be run without an event loop, and its fixtures could not be made."""
    for kind in suite_classes():
        for name in names_in(kind):
            assert inspect.iscoroutinefunction(inspect.unwrap(getattr(kind, name))), name


def test_the_front_door_names_what_an_engines_author_needs() -> None:
    assert set(conformance.__all__) == {
        "EngineConformance",
        "Harness",
        "World",
        "first_revision",
        "raw_tenant",
    }


def test_the_first_revision_makes_the_realm_then_the_log_then_the_rest() -> None:
    steps = first_revision(CATALOG)
    log = steps.index(CreateLog())
    assert steps[log + 1] == CreateTombstones()
    realm = [step.schema.visibility for step in steps[:log] if isinstance(step, CreateEntity)]
    rest = [
        step.schema.visibility for step in steps[log + 1 :] if isinstance(step, CreateEntity | CreatePlans)
    ]
    assert set(realm) == {"realm"}
    assert "realm" not in rest
    assert len(realm) + len(rest) / 2 == len(list(CATALOG))


@given(declared_values(CATALOG.schema(Specimen)))
def test_strategies_draw_what_a_schema_takes(values: dict[str, Any]) -> None:
    schema = CATALOG.schema(Specimen)
    assert values.keys() == {field.name for field in schema.fields}
    normalise_fields(schema, values)
    Specimen.model_validate(values)


@given(st.data())
def test_strategies_leave_references_to_their_caller(data: st.DataObject) -> None:
    schema, folder = CATALOG.schema(File), Specimen().id
    assert data.draw(patches(schema)).keys() <= {"name"}
    file = data.draw(entities(File, schema, folder_id=st.just(folder)))
    assert (file.folder_id, file.user_id, file.version) == (folder, None, 0)


def test_a_manual_clock_moves_when_it_is_moved() -> None:
    clock = ManualClock()
    assert clock() == clock() == START
    assert clock.advance(timedelta(days=-1)) == clock() == START - timedelta(days=1)


def test_the_port_names_everything_that_it_speaks_of() -> None:
    """Whoever writes an engine imports from the port alone what stands in its signatures."""
    own = {name for name, value in vars(port).items() if getattr(value, "__module__", "") == port.__name__}
    assert {name for name in own if not name.startswith("_") and name != "R_co"} <= set(port.__all__)
    assert all(hasattr(port, name) for name in port.__all__)
    assert len(port.__all__) == len(set(port.__all__))
