"""How long the state machines run: as the tests say, or longer where a soak asks for it."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    """How many examples a machine runs: `usual`, times HOLDFAST_TEST_EXAMPLES where that is set."""
    return usual * int(os.environ.get("HOLDFAST_TEST_EXAMPLES", "1"))
