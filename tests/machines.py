"""How long the state machines run: as the tests say, or longer where a soak asks for it."""

from __future__ import annotations

import os

_FACTOR = "HOLDFAST_TEST_EXAMPLES"


def examples(usual: int) -> int:
    """How many examples a machine runs: `usual`, times HOLDFAST_TEST_EXAMPLES where that is set."""
    return usual * int(os.environ.get(_FACTOR, "1"))


def repeatable() -> bool:
    """Whether a machine that asks draws the same in each run. Not in a soak, where the seed decides."""
    return _FACTOR not in os.environ
