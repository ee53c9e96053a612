"""What the walk-throughs of `docs/` ask for is in the environment that `make up` makes."""

from __future__ import annotations

from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "requirements" / "run.txt"


@pytest.mark.parametrize("needed", ["httpx", "pytest"])
def test_what_the_pages_use_is_installed(needed: str) -> None:
    assert any(line.startswith(f"{needed}==") for line in RUN.read_text(encoding="utf-8").splitlines())
