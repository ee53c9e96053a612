"""What tests use that need the real client: a driver for the whole run, and each of its adapters.

What the machine lacks is skipped with a reason that pytest's summary shows. Packages that cannot be installed are a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.watermelon.client import AdapterName, WatermelonDriver
from tests.watermelon.install import Installation, InstallError, NoNode, installed

ADAPTERS: tuple[AdapterName, ...] = ("loki", "sqlite")


@pytest.fixture(scope="session")
def watermelon() -> Installation:
    """The client library on this machine."""
    try:
        return installed()
    except NoNode as error:
        pytest.skip(f"WARNING: {error}; nothing was tested with the real client")
    except InstallError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def watermelon_driver(watermelon: Installation) -> Iterator[WatermelonDriver]:
    """One process for the whole run. Give each database a name of its own."""
    with WatermelonDriver.start(watermelon) as driver:
        yield driver


@pytest.fixture
def driver(watermelon_driver: WatermelonDriver) -> WatermelonDriver:
    """The same, with an empty console."""
    watermelon_driver.forget_console()
    return watermelon_driver


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, watermelon: Installation) -> AdapterName:
    """Both, one after the other."""
    name: AdapterName = request.param
    if name == "sqlite" and watermelon.no_sqlite:
        pytest.skip(f"WARNING: nothing was tested with the client's SQLite adapter: {watermelon.no_sqlite}")
    return name
