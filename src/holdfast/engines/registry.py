"""Engines by the scheme of a URL. Each engine's code is imported when it is opened, its driver with it."""

from __future__ import annotations

from types import MappingProxyType

ENGINES = MappingProxyType({"postgresql": "postgresql", "postgres": "postgresql", "memory": "memory"})
"""Scheme → engine."""


def engine_of(scheme: str) -> str | None:
    """The engine that a URL's scheme names, or None."""
    return ENGINES.get(scheme)
