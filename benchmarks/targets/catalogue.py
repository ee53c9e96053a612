"""Which targets there are. The order is that of the tables."""

from __future__ import annotations

from benchmarks.targets.holdfast import Holdfast
from benchmarks.targets.reference import Reference
from benchmarks.targets.target import Target

TWIN = "twin"


def all_targets() -> list[Target]:
    """Every target, none of them started."""
    return [
        Reference("ceiling"),
        Reference(TWIN),
        Reference("orm", needs="greenlet"),
        Holdfast(),
    ]
