"""How long the state machines run: as the tests say, or longer where a soak asks for it."""

from __future__ import annotations

import os
from pathlib import Path

_FACTOR = "HOLDFAST_TEST_EXAMPLES"
_OPERATIONS = "HOLDFAST_TEST_OPERATIONS"


def examples(usual: int) -> int:
    """How many examples a machine runs: `usual`, times HOLDFAST_TEST_EXAMPLES where that is set."""
    return usual * int(os.environ.get(_FACTOR, "1"))


def repeatable() -> bool:
    """Whether a machine that asks draws the same in each run. Not in a soak, where the seed decides."""
    return _FACTOR not in os.environ


def count_operations(number: int) -> None:
    """Write down how many operations a machine has carried out, where a soak asks for it: a line in the file of that name."""
    if _OPERATIONS in os.environ:
        with Path(os.environ[_OPERATIONS]).open("a", encoding="utf-8") as file:
            file.write(f"{number}\n")
