"""A revision: some steps under a name, after others."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.steps import Phase, Step, checksum


@dataclass(frozen=True, slots=True)
class Revision:
    """One unit of schema change. A *post* revision waits until no code from before it runs any more."""

    id: str
    branch: str
    message: str
    steps: tuple[Step, ...]
    phase: Phase = "pre"

    @property
    def checksum(self) -> str:
        """What the ledger keeps, so that a revision edited after it was applied is noticed."""
        return checksum(self.steps)
