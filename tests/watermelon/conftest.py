"""What the tests of this folder may use."""

from __future__ import annotations

from tests.watermelon.fixtures import adapter, driver, watermelon, watermelon_driver

__all__ = ["adapter", "driver", "watermelon", "watermelon_driver"]
