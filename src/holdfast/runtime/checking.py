"""How a check ends other than well."""

from __future__ import annotations


class Failed(Exception):
    """What was seen is not as it must be; the text is the evidence, and holds no value of a row."""


class NotChecked(Exception):
    """The check could not be carried out; the text says why."""


def must(holds: bool, evidence: str) -> None:  # noqa: FBT001
    """Raises Failed with this evidence unless it holds."""
    if not holds:
        raise Failed(evidence)
