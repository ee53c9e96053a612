"""The person that lives in a development store, so that there is something to try at once."""

from __future__ import annotations

from pathlib import Path


def demo_path(home: Path) -> Path:
    """The file with the demo person's e-mail and password: the body of a login, for the owner of the home alone."""
    return home / "demo.json"
