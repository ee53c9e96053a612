"""The version of what is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def holdfast_version() -> str:
    """The installed distribution's version; `0+source` for a source tree that nothing has installed."""
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return "0+source"
