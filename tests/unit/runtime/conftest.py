"""Platforms on a store that forgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.runtime.settings import Settings, load_settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def memory(tmp_path: Path) -> Settings:
    """Settings that lead to the memory engine, with a home of their own."""
    return load_settings(tmp_path, {"DATABASE_URL": "memory://", "HOLDFAST_HOME": str(tmp_path / "home")})
