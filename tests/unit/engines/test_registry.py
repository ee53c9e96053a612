"""Engines that Holdfast does not know are found by their scheme among the installed ones."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from holdfast.engines import registry
from holdfast.engines.memory import MemoryEngine
from holdfast.engines.registry import engine_of, known_schemes, open_engine
from holdfast.errors import ConfigurationError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def opened(url: str) -> MemoryEngine:
    """What an entry point names."""
    engine = MemoryEngine()
    engine.name = url
    return engine


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        EntryPoint(name, value, registry.GROUP)
        for name, value in (
            ("mine", "tests.unit.engines.test_registry:opened"),
            ("memory", "nowhere:nothing"),
            ("gone", "nowhere:nothing"),
            ("odd", "holdfast.engines.registry:GROUP"),
        )
    )
    monkeypatch.setattr(registry, "entry_points", points.select)


async def test_the_factory_of_the_scheme_opens_it() -> None:
    engine = await open_engine("mine://host/name")
    assert engine.name == "mine://host/name"


async def test_an_installed_engine_takes_no_scheme_of_ours() -> None:
    assert engine_of("memory") == "memory"
    assert isinstance(await open_engine("memory://"), MemoryEngine)
    assert known_schemes()[-3:] == ["gone", "mine", "odd"]
    assert len(known_schemes()) == len(set(known_schemes()))


@pytest.mark.parametrize("scheme", ["gone", "odd", "unknown"])
async def test_what_cannot_be_opened_says_so(scheme: str) -> None:
    with pytest.raises(ConfigurationError):
        await open_engine(f"{scheme}://host/name")
    assert (engine_of(scheme) is None) is (scheme == "unknown")
